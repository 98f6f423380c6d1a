/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns how a failure is put into words. */

#include "client/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/error.h"

int report_fail(struct report *report, enum celeriac_client_error error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->text, sizeof(report->text), format, arguments);
    va_end(arguments);
    return error;
}

int report_no_memory(struct report *report)
{
    return report_fail(report, CELERIAC_CLIENT_ENOMEM, "out of memory");
}

enum celeriac_client_error report_error_of(int codec_error)
{
    switch (codec_error) {
    case CODEC_ENOMEM:
        return CELERIAC_CLIENT_ENOMEM;
    case CODEC_EUNSUPPORTED:
        return CELERIAC_CLIENT_EUNSUPPORTED;
    default:
        return CELERIAC_CLIENT_EINVALID;
    }
}
