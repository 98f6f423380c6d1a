/* SPDX-License-Identifier: BSD-3-Clause */
/* zlib streams (RFC 1950), which Celery calls gzip. The only file that knows zlib. */

#define ZLIB_CONST
#include <zlib.h>

#include "codec/compression_internal.h"

static int verdict(int code)
{
    switch (code) {
    case Z_STREAM_END:
        return COMPRESSION_END;
    case Z_OK:
    case Z_BUF_ERROR: /* no progress: compression_run sees that by itself */
        return COMPRESSION_MORE;
    case Z_MEM_ERROR:
        return CODEC_ENOMEM;
    default:
        return CODEC_EINVALID;
    }
}

static int step(z_stream *stream, int (*work)(z_stream *, int), int flush,
                struct compression_io *io)
{
    stream->next_in = io->in;
    stream->avail_in = (uInt)io->in_size;
    stream->next_out = io->out;
    stream->avail_out = (uInt)io->out_size;
    int rc = verdict(work(stream, flush));
    io->in = stream->next_in;
    io->in_size = stream->avail_in;
    io->out = stream->next_out;
    io->out_size = stream->avail_out;
    return rc;
}

static int inflate_step(void *state, struct compression_io *io)
{
    return step(state, inflate, Z_NO_FLUSH, io);
}

static int deflate_step(void *state, struct compression_io *io)
{
    return step(state, deflate, Z_FINISH, io);
}

static int decompress(struct bytes input, struct buffer *buffer)
{
    z_stream stream = {0};
    if (inflateInit(&stream) != Z_OK)
        return CODEC_ENOMEM;
    int rc = compression_run(inflate_step, &stream, input, buffer);
    inflateEnd(&stream);
    return rc;
}

static int compress_all(struct bytes input, struct buffer *buffer)
{
    z_stream stream = {0};
    if (deflateInit(&stream, Z_DEFAULT_COMPRESSION) != Z_OK)
        return CODEC_ENOMEM;
    int rc = compression_run(deflate_step, &stream, input, buffer);
    deflateEnd(&stream);
    return rc;
}

const struct compression compression_zlib = {
    .header = "application/x-gzip",
    .aliases = {"zlib", "gzip"},
    .decompress = decompress,
    .compress = compress_all,
};
