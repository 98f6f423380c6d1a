/* SPDX-License-Identifier: BSD-3-Clause */
/* The .xz container, which Celery calls lzma. The only file that knows liblzma. */

#include <lzma.h>

#include "codec/compression_internal.h"

/* Enough for every preset (the largest needs 65 MiB); a stream can announce dictionaries of 4 GiB.
 */
#define MEMORY_MAX ((uint64_t)128 * 1024 * 1024)

static int verdict(lzma_ret code)
{
    switch (code) {
    case LZMA_STREAM_END:
        return COMPRESSION_END;
    case LZMA_OK:
    case LZMA_BUF_ERROR: /* no progress: compression_run sees that by itself */
        return COMPRESSION_MORE;
    case LZMA_MEM_ERROR:
        return CODEC_ENOMEM;
    case LZMA_MEMLIMIT_ERROR:
        return CODEC_ETOOBIG;
    default:
        return CODEC_EINVALID;
    }
}

static int step(void *state, struct compression_io *io)
{
    lzma_stream *stream = state;
    stream->next_in = io->in;
    stream->avail_in = io->in_size;
    stream->next_out = io->out;
    stream->avail_out = io->out_size;
    int rc = verdict(lzma_code(stream, LZMA_FINISH));
    io->in = stream->next_in;
    io->in_size = stream->avail_in;
    io->out = stream->next_out;
    io->out_size = stream->avail_out;
    return rc;
}

static int decompress(struct bytes input, struct buffer *buffer)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, MEMORY_MAX, 0) != LZMA_OK)
        return CODEC_ENOMEM;
    int rc = compression_run(step, &stream, input, buffer);
    lzma_end(&stream);
    return rc;
}

static int compress(struct bytes input, struct buffer *buffer)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_easy_encoder(&stream, LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64) != LZMA_OK)
        return CODEC_ENOMEM;
    int rc = compression_run(step, &stream, input, buffer);
    lzma_end(&stream);
    return rc;
}

const struct compression compression_lzma = {
    .header = "application/x-lzma",
    .aliases = {"lzma", "xz"},
    .decompress = decompress,
    .compress = compress,
};
