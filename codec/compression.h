/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_COMPRESSION_H
#define CELERIAC_CODEC_COMPRESSION_H

/* kombu's body compressions, by the value of the `compression` header or by alias: zlib/gzip (a
 * zlib stream), bzip2/bzip, lzma/xz (.xz), brotli, zstd/zstandard. Each is a build option; one that
 * was left out is not found. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

struct compression {
    const char *header;     /* "application/x-gzip" */
    const char *aliases[3]; /* "zlib", "gzip"; NULL ends the list */
    /* Appends the whole of `input`, which must be one complete stream, to `buffer`, whose limit is
     * the bound against bombs (CODEC_ETOOBIG). CODEC_EINVALID for a broken or truncated stream or
     * for bytes behind its end. */
    int (*decompress)(struct bytes input, struct buffer *buffer);
    int (*compress)(struct bytes input, struct buffer *buffer);
};

/* By header value or alias, ASCII case ignored; NULL if unknown or not built in. */
const struct compression *compression_find(struct text name);

#endif
