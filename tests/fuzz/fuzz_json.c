/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as JSON. What was read can be written, and reads and writes the same again. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/json.h"

enum { LIMIT = 1 << 24 };

static void rewrite(struct bytes text, msgpack_zone *zone, struct buffer *ret)
{
    msgpack_object value;
    PROMISE(json_decode(text, zone, &value, NULL) == 0);
    PROMISE(json_encode(&value, ret) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    msgpack_zone zone;
    msgpack_object value;
    struct buffer first;
    struct buffer second;
    buffer_init(&first, LIMIT);
    buffer_init(&second, LIMIT);
    PROMISE(msgpack_zone_init(&zone, 2048));
    if (json_decode((struct bytes){data, size}, &zone, &value, NULL) == 0) {
        PROMISE(json_encode(&value, &first) == 0);
        rewrite(buffer_bytes(&first), &zone, &second);
        PROMISE(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    msgpack_zone_destroy(&zone);
    buffer_done(&first);
    buffer_done(&second);
    return 0;
}
