/* SPDX-License-Identifier: BSD-3-Clause */
/* bzip2. The only file that knows libbz2. */

#include <bzlib.h>

#include "codec/compression_internal.h"

enum { BLOCK_SIZE = 9, WORK_FACTOR_DEFAULT = 0 };

static int verdict(int code)
{
    switch (code) {
    case BZ_STREAM_END:
        return COMPRESSION_END;
    case BZ_OK:
    case BZ_FINISH_OK:
        return COMPRESSION_MORE;
    case BZ_MEM_ERROR:
        return CODEC_ENOMEM;
    default:
        return CODEC_EINVALID;
    }
}

static int finish(bz_stream *stream)
{
    return BZ2_bzCompress(stream, BZ_FINISH);
}

static int step(bz_stream *stream, int (*work)(bz_stream *), struct compression_io *io)
{
    stream->next_in = (char *)io->in; /* libbz2 does not write there, it only lacks a const */
    stream->avail_in = (unsigned)io->in_size;
    stream->next_out = (char *)io->out;
    stream->avail_out = (unsigned)io->out_size;
    int rc = verdict(work(stream));
    io->in = (const uint8_t *)stream->next_in;
    io->in_size = stream->avail_in;
    io->out = (uint8_t *)stream->next_out;
    io->out_size = stream->avail_out;
    return rc;
}

static int decompress_step(void *state, struct compression_io *io)
{
    return step(state, BZ2_bzDecompress, io);
}

static int compress_step(void *state, struct compression_io *io)
{
    return step(state, finish, io);
}

static int decompress(struct bytes input, struct buffer *buffer)
{
    bz_stream stream = {0};
    if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK)
        return CODEC_ENOMEM;
    int rc = compression_run(decompress_step, &stream, input, buffer);
    BZ2_bzDecompressEnd(&stream);
    return rc;
}

static int compress(struct bytes input, struct buffer *buffer)
{
    bz_stream stream = {0};
    if (BZ2_bzCompressInit(&stream, BLOCK_SIZE, 0, WORK_FACTOR_DEFAULT) != BZ_OK)
        return CODEC_ENOMEM;
    int rc = compression_run(compress_step, &stream, input, buffer);
    BZ2_bzCompressEnd(&stream);
    return rc;
}

const struct compression compression_bzip2 = {
    .header = "application/x-bz2",
    .aliases = {"bzip2", "bzip"},
    .decompress = decompress,
    .compress = compress,
};
