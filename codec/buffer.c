/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns growth: how much memory a buffer takes and when it says no. Knows no format. */

#include "codec/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "codec/error.h"

enum { ROOM_MIN = 256 };

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer, buffer->limit);
}

void buffer_clear(struct buffer *buffer, size_t keep)
{
    buffer->size = 0;
    if (buffer->room > keep)
        buffer_done(buffer);
}

/* Doubling keeps appends cheap; the limit caps the last step, so a buffer never takes more than it
 * may hold. */
static size_t grown_room(const struct buffer *buffer, size_t needed)
{
    size_t room = buffer->room < ROOM_MIN ? ROOM_MIN : buffer->room;
    while (room < needed && room <= SIZE_MAX / 2)
        room *= 2;
    if (room < needed)
        room = needed;
    return room > buffer->limit ? buffer->limit : room;
}

int buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size > buffer->limit - buffer->size)
        return CODEC_ETOOBIG;
    size_t needed = buffer->size + size;
    if (needed <= buffer->room)
        return 0;
    size_t room = grown_room(buffer, needed);
    uint8_t *data = realloc(buffer->data, room);
    if (data == NULL)
        return CODEC_ENOMEM;
    buffer->data = data;
    buffer->room = room;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    int rc = buffer_reserve(buffer, size);
    if (rc != 0)
        return rc;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    if (size >= buffer->size) {
        buffer->size = 0;
        return;
    }
    buffer->size -= size;
    memmove(buffer->data, buffer->data + size, buffer->size);
}

int buffer_msgpack_write(void *data, const char *bytes, size_t size)
{
    return buffer_append(data, bytes, size);
}
