/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw brotli streams. The only file that knows libbrotli. */

#include <brotli/decode.h>
#include <brotli/encode.h>

#include "codec/compression_internal.h"

/* Between speed and size; Python's default, 11, takes a hundred times as long. */
enum { QUALITY = 5 };

static int decode_error(const BrotliDecoderState *state)
{
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);
    bool is_memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                     code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    return is_memory ? CODEC_ENOMEM : CODEC_EINVALID;
}

static int decode_step(void *state, struct compression_io *io)
{
    switch (BrotliDecoderDecompressStream(state, &io->in_size, &io->in, &io->out_size, &io->out,
                                          NULL)) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return COMPRESSION_END;
    case BROTLI_DECODER_RESULT_ERROR:
        return decode_error(state);
    default:
        return COMPRESSION_MORE;
    }
}

static int encode_step(void *state, struct compression_io *io)
{
    if (!BrotliEncoderCompressStream(state, BROTLI_OPERATION_FINISH, &io->in_size, &io->in,
                                     &io->out_size, &io->out, NULL))
        return CODEC_ENOMEM;
    return BrotliEncoderIsFinished(state) ? COMPRESSION_END : COMPRESSION_MORE;
}

static int decompress(struct bytes input, struct buffer *buffer)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (state == NULL)
        return CODEC_ENOMEM;
    int rc = compression_run(decode_step, state, input, buffer);
    BrotliDecoderDestroyInstance(state);
    return rc;
}

static int compress(struct bytes input, struct buffer *buffer)
{
    BrotliEncoderState *state = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (state == NULL)
        return CODEC_ENOMEM;
    int rc = BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, QUALITY)
                 ? compression_run(encode_step, state, input, buffer)
                 : CODEC_ENOMEM;
    BrotliEncoderDestroyInstance(state);
    return rc;
}

const struct compression compression_brotli = {
    .header = "application/x-brotli",
    .aliases = {"brotli"},
    .decompress = decompress,
    .compress = compress,
};
