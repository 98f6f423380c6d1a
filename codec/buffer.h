/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_BUFFER_H
#define CELERIAC_CODEC_BUFFER_H

/* Growing bytes with a hard cap. Every byte string that celeriac makes is made in one of these. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/base.h"

/* A view of bytes owned by somebody else. */
struct bytes {
    const void *data;
    size_t size;
};

struct buffer {
    uint8_t *data; /* owned */
    size_t size;   /* bytes in use */
    size_t room;   /* bytes allocated */
    size_t limit;  /* `size` never exceeds this */
};

/* Ready for use without allocating anything yet. `limit` in bytes. */
void buffer_init(struct buffer *buffer, size_t limit);
/* Frees the bytes; the buffer may be used again afterwards, with the same limit. */
void buffer_done(struct buffer *buffer);
/* Forgets the content, keeps the memory unless it is larger than `keep` bytes. */
void buffer_clear(struct buffer *buffer, size_t keep);
/* Makes room for `size` more bytes. CODEC_ETOOBIG beyond the limit, CODEC_ENOMEM. */
MUST_CHECK int buffer_reserve(struct buffer *buffer, size_t size);
/* Appends a copy of the bytes. Errors as buffer_reserve. */
MUST_CHECK int buffer_append(struct buffer *buffer, const void *data, size_t size);
/* Drops `size` bytes (at most all) from the front. */
void buffer_consume(struct buffer *buffer, size_t size);

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){buffer->data, buffer->size};
}

/* msgpack-c's write callback (`data` is a struct buffer): msgpack_packer_init(&packer, &buffer,
 * buffer_msgpack_write). */
int buffer_msgpack_write(void *data, const char *bytes, size_t size);

#endif
