/* SPDX-License-Identifier: BSD-3-Clause */
/* Zstandard frames. The only file that knows libzstd. */

#include <zstd.h>
#include <zstd_errors.h>

#include "codec/compression_internal.h"

/* libzstd's sums: 0 means that the frame is complete, an error is a huge number. */
static int verdict(size_t code)
{
    if (!ZSTD_isError(code))
        return code == 0 ? COMPRESSION_END : COMPRESSION_MORE;
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return CODEC_ENOMEM;
    case ZSTD_error_frameParameter_windowTooLarge:
        return CODEC_ETOOBIG;
    default:
        return CODEC_EINVALID;
    }
}

static void advance(struct compression_io *io, size_t taken, size_t written)
{
    io->in += taken;
    io->in_size -= taken;
    io->out += written;
    io->out_size -= written;
}

static int decompress_step(void *state, struct compression_io *io)
{
    ZSTD_inBuffer in = {io->in, io->in_size, 0};
    ZSTD_outBuffer out = {io->out, io->out_size, 0};
    int rc = verdict(ZSTD_decompressStream(state, &out, &in));
    advance(io, in.pos, out.pos);
    return rc;
}

static int compress_step(void *state, struct compression_io *io)
{
    ZSTD_inBuffer in = {io->in, io->in_size, 0};
    ZSTD_outBuffer out = {io->out, io->out_size, 0};
    int rc = verdict(ZSTD_compressStream2(state, &out, &in, ZSTD_e_end));
    advance(io, in.pos, out.pos);
    return rc;
}

static int decompress(struct bytes input, struct buffer *buffer)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL)
        return CODEC_ENOMEM;
    int rc = compression_run(decompress_step, context, input, buffer);
    ZSTD_freeDCtx(context);
    return rc;
}

static int compress(struct bytes input, struct buffer *buffer)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL)
        return CODEC_ENOMEM;
    int rc = compression_run(compress_step, context, input, buffer);
    ZSTD_freeCCtx(context);
    return rc;
}

const struct compression compression_zstd = {
    .header = "application/zstd",
    .aliases = {"zstd", "zstandard"},
    .decompress = decompress,
    .compress = compress,
};
