/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the frames of the pool protocol. Owns the table of types: which elements each has, and
 * which of them are decoded. Frames are walked item by item before msgpack-c sees a byte of them,
 * so a declared size never allocates more than the bytes that are really there can fill. Knows no
 * sockets and no processes. */

#include "codec/frame.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "codec/frame_item.h"

enum {
    HEAD = 4,         /* bytes of the length in front of a frame */
    ROOM_MIN = 4096,  /* of one read */
    KEEP = 64 * 1024, /* memory that a reader keeps between frames */
};

/* The elements behind the type: u unsigned integer, s str, b bin, m map (decoded), p map (left
 * packed). */
struct shape {
    const char *name;
    const char *elements;
};

static const struct shape shapes[] = {
    [FRAME_SPAWN] = {"SPAWN", "uu"},      [FRAME_JOB] = {"JOB", "uumb"},
    [FRAME_LEAVE] = {"LEAVE", ""},        [FRAME_SIGNAL] = {"SIGNAL", "sm"},
    [FRAME_HELLO] = {"HELLO", "um"},      [FRAME_SPAWNED] = {"SPAWNED", "uuu"},
    [FRAME_EXITED] = {"EXITED", "uuuum"}, [FRAME_ERROR] = {"ERROR", "s"},
    [FRAME_READY] = {"READY", "u"},       [FRAME_STARTED] = {"STARTED", "u"},
    [FRAME_RESULT] = {"RESULT", "uuumb"}, [FRAME_PUBLISH] = {"PUBLISH", "umb"},
    [FRAME_STORE] = {"STORE", "ussb"},    [FRAME_CHORD] = {"CHORD", "usub"},
};

static const char *kind_name(char kind)
{
    switch (kind) {
    case 'u':
        return "an unsigned integer";
    case 's':
        return "a str";
    case 'b':
        return "a bin";
    default:
        return "a map";
    }
}

static const struct shape *shape_of(uint64_t type)
{
    if (type >= ARRAY_LEN(shapes) || shapes[type].name == NULL)
        return NULL;
    return &shapes[type];
}

const char *frame_type_name(enum frame_type type)
{
    const struct shape *shape = shape_of((uint64_t)type);
    return shape != NULL ? shape->name : "unknown";
}

/* --- one frame --- */

static int decode_map(struct frame_reader *reader, struct bytes packed, msgpack_object *ret)
{
    size_t offset = 0;
    reader->zone_used = true;
    msgpack_unpack_return rc =
        msgpack_unpack(packed.data, packed.size, &offset, &reader->zone, ret);
    if (rc == MSGPACK_UNPACK_SUCCESS)
        return 0;
    return rc == MSGPACK_UNPACK_NOMEM_ERROR ? CODEC_ENOMEM : CODEC_EINVALID;
}

static int decode_element(struct frame_reader *reader, char kind, const struct frame_item *item,
                          struct bytes packed, msgpack_object *ret)
{
    if (item->kind != kind)
        return CODEC_ETYPE;
    switch (kind) {
    case 'u':
        ret->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
        ret->via.u64 = item->number;
        return 0;
    case 's':
    case 'b':
        ret->type = kind == 's' ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN;
        ret->via.bin.ptr = (const char *)item->content;
        ret->via.bin.size = (uint32_t)item->size;
        return 0;
    default:
        return decode_map(reader, packed, ret);
    }
}

static int parse_element(struct frame_reader *reader, const uint8_t **cursor, const uint8_t *end,
                         char kind, struct frame *frame, size_t index)
{
    const uint8_t *start = *cursor;
    struct frame_item item;
    if (!frame_item_read(cursor, end, &item))
        return CODEC_EINVALID;
    int rc = frame_item_skip(cursor, end, &item);
    if (rc != 0)
        return rc;
    struct bytes packed = {start, (size_t)(*cursor - start)};
    return decode_element(reader, kind, &item, packed, &frame->elements[index]);
}

static int parse_elements(struct frame_reader *reader, const uint8_t **cursor, const uint8_t *end,
                          struct frame *frame, struct codec_reason *reason)
{
    const struct shape *shape = &shapes[frame->type];
    for (size_t i = 0; shape->elements[i] != '\0'; i++) {
        int rc = parse_element(reader, cursor, end, shape->elements[i], frame, i + 1);
        if (rc == CODEC_ETYPE)
            return codec_fail(reason, rc, "element %zu of a %s frame is not %s", i + 1, shape->name,
                              kind_name(shape->elements[i]));
        if (rc != 0)
            return codec_fail(reason, (enum codec_error)rc, "element %zu of a %s frame: %s", i + 1,
                              shape->name, codec_strerror(rc));
    }
    return 0;
}

/* Elements that a later protocol has added are walked, so that what follows them is known to be the
 * end. */
static int skip_unknown(const uint8_t **cursor, const uint8_t *end, uint64_t count,
                        struct codec_reason *reason)
{
    struct frame_item rest = {.kind = 'a', .number = count};
    int rc = frame_item_skip(cursor, end, &rest);
    if (rc != 0)
        return codec_fail(reason, (enum codec_error)rc, "an added element of a frame: %s",
                          codec_strerror(rc));
    if (*cursor != end)
        return codec_fail(reason, CODEC_EINVALID, "%zu bytes behind a frame's array",
                          (size_t)(end - *cursor));
    return 0;
}

static int parse(struct frame_reader *reader, struct bytes bytes, struct frame *ret,
                 struct codec_reason *reason)
{
    const uint8_t *cursor = bytes.data, *end = cursor + bytes.size;
    struct frame_item array, type;
    if (!frame_item_read(&cursor, end, &array) || array.kind != 'a' || array.number == 0)
        return codec_fail(reason, CODEC_ETYPE, "a frame is not an array with a type in front");
    if (!frame_item_read(&cursor, end, &type) || type.kind != 'u')
        return codec_fail(reason, CODEC_ETYPE, "a frame's type is not an unsigned integer");
    const struct shape *shape = shape_of(type.number);
    if (shape == NULL)
        return codec_fail(reason, CODEC_ETYPE, "there is no frame of type %llu",
                          (unsigned long long)type.number);
    uint64_t known = strlen(shape->elements) + 1;
    if (array.number < known)
        return codec_fail(reason, CODEC_ETYPE, "a %s frame has %llu elements, not %llu",
                          shape->name, (unsigned long long)array.number, (unsigned long long)known);
    struct frame frame = {.type = (enum frame_type)type.number};
    frame.elements[0] =
        (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = type.number};
    int rc = parse_elements(reader, &cursor, end, &frame, reason);
    if (rc == 0)
        rc = skip_unknown(&cursor, end, array.number - known, reason);
    if (rc == 0)
        *ret = frame;
    return rc;
}

/* --- accessors --- */

uint64_t frame_uint(const struct frame *frame, size_t index)
{
    assert(frame->elements[index].type == MSGPACK_OBJECT_POSITIVE_INTEGER);
    return frame->elements[index].via.u64;
}

const msgpack_object *frame_value(const struct frame *frame, size_t index)
{
    assert(frame->elements[index].type == MSGPACK_OBJECT_MAP);
    return &frame->elements[index];
}

struct text frame_text(const struct frame *frame, size_t index)
{
    const msgpack_object *element = &frame->elements[index];
    assert(element->type == MSGPACK_OBJECT_STR || element->type == MSGPACK_OBJECT_BIN);
    return (struct text){element->via.bin.ptr, element->via.bin.size};
}

/* --- the reader --- */

bool frame_reader_init(struct frame_reader *reader)
{
    *reader = (struct frame_reader){0};
    buffer_init(&reader->input, FRAME_MAX + HEAD + ROOM_MIN);
    return msgpack_zone_init(&reader->zone, MSGPACK_ZONE_CHUNK_SIZE);
}

void frame_reader_done(struct frame_reader *reader)
{
    buffer_done(&reader->input);
    msgpack_zone_destroy(&reader->zone);
}

/* The whole size of the next frame, head included, or 0 if its head has not come. */
static uint64_t next_size(const struct frame_reader *reader)
{
    if (reader->input.size - reader->start < HEAD)
        return 0;
    uint32_t size;
    memcpy(&size, reader->input.data + reader->start, HEAD);
    return HEAD + (uint64_t)be32toh(size);
}

/* Takes back what the last frame borrowed. */
static void release(struct frame_reader *reader)
{
    if (reader->zone_used)
        msgpack_zone_clear(&reader->zone);
    reader->zone_used = false;
    if (reader->start == reader->input.size) {
        buffer_clear(&reader->input, KEEP);
        reader->start = 0;
    }
}

/* A length is only a claim: room for a long frame grows with what has come of it. */
static size_t room_wanted(const struct frame_reader *reader)
{
    size_t size = reader->input.size, whole = (size_t)next_size(reader);
    if (whole <= size + ROOM_MIN)
        return ROOM_MIN;
    size_t rest = whole - size, step = size > KEEP ? size : KEEP;
    return rest < step ? rest : step;
}

void *frame_reader_room(struct frame_reader *reader, size_t *ret_size)
{
    release(reader);
    if (reader->start > 0) {
        buffer_consume(&reader->input, reader->start);
        reader->start = 0;
    }
    if (buffer_reserve(&reader->input, room_wanted(reader)) != 0)
        return NULL;
    *ret_size = reader->input.room - reader->input.size;
    return reader->input.data + reader->input.size;
}

void frame_reader_fill(struct frame_reader *reader, size_t size)
{
    assert(size <= reader->input.room - reader->input.size);
    reader->input.size += size;
}

int frame_reader_next(struct frame_reader *reader, struct frame *ret, struct codec_reason *reason)
{
    release(reader);
    uint64_t size = next_size(reader);
    if (size == 0)
        return 0;
    if (size > HEAD + FRAME_MAX)
        return codec_fail(reason, CODEC_ETOOBIG, "a frame of %llu bytes is too long",
                          (unsigned long long)(size - HEAD));
    if (size > reader->input.size - reader->start)
        return 0;
    struct bytes frame = {reader->input.data + reader->start + HEAD, (size_t)size - HEAD};
    int rc = parse(reader, frame, ret, reason);
    if (rc != 0)
        return rc;
    reader->start += (size_t)size;
    return 1;
}

bool frame_reader_partial(const struct frame_reader *reader)
{
    return reader->input.size > reader->start;
}
