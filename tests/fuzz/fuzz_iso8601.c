/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a time. A time that was read is written as one that reads the same, if it is between
 * the years 1 and 9999. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/iso8601.h"

#define FIRST_USEC INT64_C(-62135596800000000)
#define LAST_USEC  INT64_C(253402300799999999)
#define DAY_USEC   INT64_C(86400000000)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int64_t usec;
    int64_t again;
    char text[ISO8601_SIZE];
    if (iso8601_parse((struct text){(const char *)data, size}, &usec, NULL) != 0)
        return 0;
    PROMISE(usec >= FIRST_USEC - DAY_USEC && usec <= LAST_USEC + 7 * DAY_USEC);
    iso8601_format(usec, text);
    PROMISE(strlen(text) == 32);
    PROMISE(iso8601_parse((struct text){text, 32}, &again, NULL) == 0);
    PROMISE(again == usec || usec < FIRST_USEC || usec > LAST_USEC);
    return 0;
}
