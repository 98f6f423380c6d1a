/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the words for this room's errors. Knows nobody who makes one. */

#include "codec/error.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const words[] = {
    [CODEC_OK] = "no error",
    [-CODEC_ENOMEM] = "out of memory",
    [-CODEC_EINVALID] = "not well-formed",
    [-CODEC_EDEPTH] = "nested too deeply",
    [-CODEC_ETOOBIG] = "too large",
    [-CODEC_EUNSUPPORTED] = "not supported",
    [-CODEC_ETYPE] = "of the wrong type",
};

const char *codec_strerror(int error)
{
    if (error > 0 || error <= -(int)ARRAY_LEN(words))
        return "unknown error";
    return words[-error];
}

int codec_fail(struct codec_reason *reason, enum codec_error error, const char *format, ...)
{
    if (reason == NULL)
        return error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof(reason->text), format, arguments);
    va_end(arguments);
    /* The sentence ends up in a log and may quote a stranger: it stays on one line. */
    for (char *at = reason->text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    return error;
}
