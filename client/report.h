/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_REPORT_H
#define CELERIAC_CLIENT_REPORT_H

/* The sentence about a failure. */

#include "celeriac/client.h"
#include "codec/base.h"

struct report {
    char text[CELERIAC_CLIENT_ERROR_SIZE];
};

/* Writes a sentence and returns `error`: `return report_fail(report, CELERIAC_CLIENT_ETIMEOUT,
 * ...)`. */
int report_fail(struct report *report, enum celeriac_client_error error, const char *format, ...)
    PRINTF_LIKE(3, 4);
int report_no_memory(struct report *report);
/* What a failure of codec/ is to the user of the client. */
enum celeriac_client_error report_error_of(int codec_error);

#endif
