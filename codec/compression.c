/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the list of compressions and the one loop that drives them all, with its bound. Knows no
 * library. */

#include "codec/compression.h"

#include <string.h>
#include <strings.h>

#include "codec/compression_internal.h"

enum { CHUNK_MIN = 4096 };

static const struct compression *const compressions[] = {
#ifdef CELERIAC_WITH_ZLIB
    &compression_zlib,
#endif
#ifdef CELERIAC_WITH_BZIP2
    &compression_bzip2,
#endif
#ifdef CELERIAC_WITH_LZMA
    &compression_lzma,
#endif
#ifdef CELERIAC_WITH_BROTLI
    &compression_brotli,
#endif
#ifdef CELERIAC_WITH_ZSTD
    &compression_zstd,
#endif
    NULL, /* the list may be empty, an array may not */
};

static bool is_name(struct text text, const char *name)
{
    return name != NULL && text.size == strlen(name) &&
           strncasecmp(text.data, name, text.size) == 0;
}

const struct compression *compression_find(struct text name)
{
    for (size_t i = 0; compressions[i] != NULL; i++) {
        if (is_name(name, compressions[i]->header))
            return compressions[i];
        for (size_t k = 0; k < ARRAY_LEN(compressions[i]->aliases); k++) {
            if (is_name(name, compressions[i]->aliases[k]))
                return compressions[i];
        }
    }
    return NULL;
}

/* Points the output at room in the buffer. A full buffer gets `spill` instead: a stream may still
 * have an end to tell, but a byte that lands there is one too many. */
static int give_room(struct buffer *buffer, uint8_t *spill, struct compression_io *io)
{
    size_t allowed = buffer->limit - buffer->size;
    if (allowed == 0) {
        io->out = spill;
        io->out_size = 1;
        return 0;
    }
    if (buffer->room <= buffer->size) {
        size_t chunk = buffer->size > CHUNK_MIN ? buffer->size : CHUNK_MIN;
        int rc = buffer_reserve(buffer, chunk < allowed ? chunk : allowed);
        if (rc != 0)
            return rc;
    }
    size_t room = buffer->room - buffer->size;
    io->out = buffer->data + buffer->size;
    io->out_size = room < allowed ? room : allowed;
    if (io->out_size > UINT32_MAX)
        io->out_size = UINT32_MAX;
    return 0;
}

static int run(compression_step *step, void *state, struct compression_io *io,
               struct buffer *buffer)
{
    for (;;) {
        uint8_t spill;
        int rc = give_room(buffer, &spill, io);
        if (rc != 0)
            return rc;
        size_t in_before = io->in_size;
        size_t out_before = io->out_size;
        bool is_spilling = io->out == &spill;
        rc = step(state, io);
        size_t written = out_before - io->out_size;
        if (is_spilling && written > 0)
            return CODEC_ETOOBIG;
        buffer->size += written;
        if (rc < 0)
            return rc;
        if (rc == COMPRESSION_END)
            return io->in_size == 0 ? 0 : CODEC_EINVALID;
        if (written == 0 && io->in_size == in_before)
            return CODEC_EINVALID;
    }
}

int compression_run(compression_step *step, void *state, struct bytes input, struct buffer *buffer)
{
    if (input.size > UINT32_MAX)
        return CODEC_ETOOBIG;
    size_t before = buffer->size;
    struct compression_io io = {.in = input.data, .in_size = input.size};
    int rc = run(step, state, &io, buffer);
    if (rc != 0)
        buffer->size = before;
    return rc;
}
