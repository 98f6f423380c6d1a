/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the frames of the pool protocol. Packs by hand: a frame is a handful of integers around
 * bytes that are ready made, and JOB and RESULT are written for every task. Knows no sockets and no
 * processes. */

#include "codec/frame.h"

#include <assert.h>
#include <string.h>

/* More than the fixed part of any frame: its head, the array's byte, the type, and at most five
 * numbers or headers. */
enum { HEAD = 4, FIXED_MAX = 64 };

/* A frame under construction at the end of a buffer. */
struct draft {
    struct buffer *buffer;
    size_t start;
};

static void put_bytes(struct draft *draft, const void *data, size_t size)
{
    struct buffer *buffer = draft->buffer;
    assert(size <= buffer->room - buffer->size);
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

/* `first`, if it is not 0, then the low `size` bytes of `number`, big endian. */
static void put_number(struct draft *draft, uint8_t first, uint64_t number, size_t size)
{
    uint8_t bytes[9];
    size_t length = 0;
    if (first != 0)
        bytes[length++] = first;
    while (size > 0)
        bytes[length++] = (uint8_t)(number >> 8 * --size);
    put_bytes(draft, bytes, length);
}

static void put_uint(struct draft *draft, uint64_t number)
{
    if (number < 0x80)
        put_number(draft, 0, number, 1);
    else if (number <= UINT8_MAX)
        put_number(draft, 0xcc, number, 1);
    else if (number <= UINT16_MAX)
        put_number(draft, 0xcd, number, 2);
    else if (number <= UINT32_MAX)
        put_number(draft, 0xce, number, 4);
    else
        put_number(draft, 0xcf, number, 8);
}

static void put_double(struct draft *draft, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof(bits));
    put_number(draft, 0xcb, bits, 8);
}

static void put_bin_head(struct draft *draft, size_t size)
{
    put_number(draft, 0xc6, size, 4);
}

static void put_key(struct draft *draft, const char *key)
{
    size_t length = strlen(key);
    assert(length < 32);
    put_number(draft, 0, 0xa0 | length, 1);
    put_bytes(draft, key, length);
}

static void put_str(struct draft *draft, const char *text, size_t length)
{
    put_number(draft, 0xdb, length, 4);
    put_bytes(draft, text, length);
}

/* Begins a frame with `elements` elements behind its type, and room for `size` bytes of ready-made
 * content. */
static int draft_begin(struct draft *draft, struct buffer *buffer, enum frame_type type,
                       uint8_t elements, size_t size)
{
    if (size > FRAME_MAX - FIXED_MAX)
        return CODEC_ETOOBIG;
    int rc = buffer_reserve(buffer, FIXED_MAX + size);
    if (rc != 0)
        return rc;
    *draft = (struct draft){buffer, buffer->size};
    put_number(draft, 0, 0, HEAD);
    put_number(draft, 0, 0x91U + elements, 1);
    put_uint(draft, (uint64_t)type);
    return 0;
}

/* Ends the frame; `following` bytes of it are not in the buffer. */
static int draft_end(struct draft *draft, size_t following)
{
    struct buffer *buffer = draft->buffer;
    size_t written = buffer->size - draft->start - HEAD;
    if (following > FRAME_MAX - written) {
        buffer->size = draft->start;
        return CODEC_ETOOBIG;
    }
    size_t end = buffer->size;
    buffer->size = draft->start;
    put_number(draft, 0, written + following, HEAD);
    buffer->size = end;
    return 0;
}

static int write_numbers(struct buffer *buffer, enum frame_type type, const uint64_t *numbers,
                         uint8_t count)
{
    struct draft draft;
    int rc = draft_begin(&draft, buffer, type, count, 0);
    if (rc != 0)
        return rc;
    for (uint8_t i = 0; i < count; i++)
        put_uint(&draft, numbers[i]);
    return draft_end(&draft, 0);
}

int frame_write_spawn(struct buffer *buffer, uint32_t slot, uint32_t generation)
{
    return write_numbers(buffer, FRAME_SPAWN, (uint64_t[]){slot, generation}, 2);
}

int frame_write_leave(struct buffer *buffer)
{
    return write_numbers(buffer, FRAME_LEAVE, NULL, 0);
}

int frame_write_spawned(struct buffer *buffer, uint32_t slot, uint32_t generation, int64_t pid)
{
    return write_numbers(buffer, FRAME_SPAWNED, (uint64_t[]){slot, generation, (uint64_t)pid}, 3);
}

int frame_write_ready(struct buffer *buffer, uint64_t resident_kib)
{
    return write_numbers(buffer, FRAME_READY, &resident_kib, 1);
}

int frame_write_started(struct buffer *buffer, uint64_t job)
{
    return write_numbers(buffer, FRAME_STARTED, &job, 1);
}

int frame_write_job(struct buffer *buffer, uint64_t job, uint32_t flags, struct bytes request,
                    size_t body_size)
{
    struct draft draft;
    int rc = draft_begin(&draft, buffer, FRAME_JOB, 4, request.size);
    if (rc != 0)
        return rc;
    put_uint(&draft, job);
    put_uint(&draft, flags);
    put_bytes(&draft, request.data, request.size);
    put_bin_head(&draft, body_size);
    return draft_end(&draft, body_size);
}

int frame_write_result(struct buffer *buffer, const struct frame_result *result)
{
    struct draft draft;
    int rc = draft_begin(&draft, buffer, FRAME_RESULT, 5, result->report.size);
    if (rc != 0)
        return rc;
    put_uint(&draft, result->job);
    put_uint(&draft, result->flags);
    put_uint(&draft, result->resident_kib);
    put_bytes(&draft, result->report.data, result->report.size);
    put_bin_head(&draft, result->document_size);
    return draft_end(&draft, result->document_size);
}

int frame_write_publish(struct buffer *buffer, uint64_t job, struct bytes message, size_t body_size)
{
    struct draft draft;
    int rc = draft_begin(&draft, buffer, FRAME_PUBLISH, 3, message.size);
    if (rc != 0)
        return rc;
    put_uint(&draft, job);
    put_bytes(&draft, message.data, message.size);
    put_bin_head(&draft, body_size);
    return draft_end(&draft, body_size);
}

int frame_write_store(struct buffer *buffer, uint64_t job, struct text task_id, struct text state,
                      size_t document_size)
{
    struct draft draft;
    if (task_id.size > FRAME_MAX || state.size > FRAME_MAX)
        return CODEC_ETOOBIG;
    int rc = draft_begin(&draft, buffer, FRAME_STORE, 4, task_id.size + state.size);
    if (rc != 0)
        return rc;
    put_uint(&draft, job);
    put_str(&draft, task_id.data, task_id.size);
    put_str(&draft, state.data, state.size);
    put_bin_head(&draft, document_size);
    return draft_end(&draft, document_size);
}

int frame_write_chord(struct buffer *buffer, uint64_t job, struct text group_id, uint64_t size,
                      size_t document_size)
{
    struct draft draft;
    int rc = draft_begin(&draft, buffer, FRAME_CHORD, 4, group_id.size);
    if (rc != 0)
        return rc;
    put_uint(&draft, job);
    put_str(&draft, group_id.data, group_id.size);
    put_uint(&draft, size);
    put_bin_head(&draft, document_size);
    return draft_end(&draft, document_size);
}

int frame_write_hello(struct buffer *buffer, struct bytes description)
{
    struct draft draft;
    int rc = draft_begin(&draft, buffer, FRAME_HELLO, 2, description.size);
    if (rc != 0)
        return rc;
    put_uint(&draft, FRAME_PROTOCOL);
    put_bytes(&draft, description.data, description.size);
    return draft_end(&draft, 0);
}

int frame_write_error(struct buffer *buffer, const char *text)
{
    struct draft draft;
    size_t length = strlen(text);
    int rc = draft_begin(&draft, buffer, FRAME_ERROR, 1, length);
    if (rc != 0)
        return rc;
    put_str(&draft, text, length);
    return draft_end(&draft, 0);
}

int frame_write_signal(struct buffer *buffer, const char *name, struct bytes arguments)
{
    struct draft draft;
    size_t length = strlen(name);
    if (arguments.size > FRAME_MAX)
        return CODEC_ETOOBIG;
    int rc = draft_begin(&draft, buffer, FRAME_SIGNAL, 2, length + arguments.size);
    if (rc != 0)
        return rc;
    put_str(&draft, name, length);
    put_bytes(&draft, arguments.data, arguments.size);
    return draft_end(&draft, 0);
}

int frame_write_exited(struct buffer *buffer, const struct frame_exit *exit_of_child)
{
    enum { USAGE_MAX = 64 };
    struct draft draft;
    int rc = draft_begin(&draft, buffer, FRAME_EXITED, 5, USAGE_MAX);
    if (rc != 0)
        return rc;
    put_uint(&draft, exit_of_child->slot);
    put_uint(&draft, exit_of_child->generation);
    put_uint(&draft, (uint64_t)exit_of_child->pid);
    put_uint(&draft, (uint64_t)exit_of_child->wait_status);
    put_number(&draft, 0, 0x83, 1);
    put_key(&draft, "utime");
    put_double(&draft, exit_of_child->utime);
    put_key(&draft, "stime");
    put_double(&draft, exit_of_child->stime);
    put_key(&draft, "maxrss");
    put_uint(&draft, exit_of_child->maxrss);
    return draft_end(&draft, 0);
}
