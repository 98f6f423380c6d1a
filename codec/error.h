/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_ERROR_H
#define CELERIAC_CODEC_ERROR_H

/* How codec/ reports errors: a function that can fail returns 0 or one of these. Functions that
 * read foreign input also take a `struct codec_reason *` (may be NULL) and write one sentence there
 * that names what was wrong and where; it is written only on failure. */

#include "codec/base.h"

enum codec_error {
    CODEC_OK = 0,
    CODEC_ENOMEM = -1,       /* out of memory */
    CODEC_EINVALID = -2,     /* not well-formed: broken JSON, truncated msgpack, bad checksum */
    CODEC_EDEPTH = -3,       /* nested deeper than the limit */
    CODEC_ETOOBIG = -4,      /* larger than the limit: a bomb, a frame out of bounds */
    CODEC_EUNSUPPORTED = -5, /* a content type, encoding or compression unknown to this build */
    CODEC_ETYPE = -6,        /* well-formed, but not what the protocol or the format can hold */
};

enum { CODEC_REASON_SIZE = 256 };

struct codec_reason {
    char text[CODEC_REASON_SIZE];
};

/* A few words for `error`; never NULL. */
const char *codec_strerror(int error);

/* Writes a sentence into `reason` (which may be NULL) and returns `error`: `return
 * codec_fail(reason, CODEC_ETYPE, ...)`. */
int codec_fail(struct codec_reason *reason, enum codec_error error, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
