/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_COMPRESSION_INTERNAL_H
#define CELERIAC_CODEC_COMPRESSION_INTERNAL_H

/* Between compression.c and the five libraries, one file each. */

#include "codec/compression.h"

/* What is left to read and to write. */
struct compression_io {
    const uint8_t *in;
    size_t in_size; /* never beyond 32 bits, nor is out_size */
    uint8_t *out;
    size_t out_size;
};

enum { COMPRESSION_MORE = 0, COMPRESSION_END = 1 };

/* One step of a library: reads and writes what it can, and moves `io` on. Returns one of the above
 * or a CODEC_E*. A step that does neither is taken for the end of a cut stream. */
typedef int compression_step(void *state, struct compression_io *io);

/* Steps over the whole input, whose end must be the stream's end, and appends the output. On
 * failure the buffer's size is as it was. */
MUST_CHECK int compression_run(compression_step *step, void *state, struct bytes input,
                               struct buffer *buffer);

extern const struct compression compression_zlib, compression_bzip2, compression_lzma,
    compression_zstd, compression_brotli;

#endif
