/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the frames of the pool protocol. Owns the table of types: which elements each has, and
 * which of them are decoded. Frames are walked by hand before msgpack-c sees a byte of them, so a
 * declared size never allocates more than the bytes that are really there can fill. Knows no
 * sockets and no processes. */

#include "codec/frame.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum {
    HEAD = 4,         /* bytes of the length in front of a frame */
    ROOM_MIN = 4096,  /* of one read */
    KEEP = 64 * 1024, /* memory that a reader keeps between frames */
    DEPTH_MAX = 32,   /* of a map, as msgpack-c's own limit */
};

/* The elements behind the type: u unsigned integer, s str, b bin, m map (decoded), p map (left
 * packed). */
struct shape {
    const char *name;
    const char *elements;
};

static const struct shape shapes[] = {
    [FRAME_SPAWN] = {"SPAWN", "uu"},      [FRAME_JOB] = {"JOB", "uumb"},
    [FRAME_LEAVE] = {"LEAVE", ""},        [FRAME_HELLO] = {"HELLO", "um"},
    [FRAME_SPAWNED] = {"SPAWNED", "uuu"}, [FRAME_EXITED] = {"EXITED", "uuuum"},
    [FRAME_ERROR] = {"ERROR", "s"},       [FRAME_READY] = {"READY", "u"},
    [FRAME_STARTED] = {"STARTED", "u"},   [FRAME_RESULT] = {"RESULT", "uuumb"},
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

/* --- one msgpack item --- */

/* What the first byte of an item says. Lengths are big endian. */
struct format {
    char kind;       /* as in struct shape; i signed integer, a array, m map, - something else; 0 no
                        msgpack */
    uint8_t lengths; /* bytes of the length or count that follow */
    uint8_t fixed;   /* bytes of the content that are always there */
};

static const struct format formats[] = {
    /* 0xc0 .. 0xdf: nil, never used, false, true, bin 8..32, ext 8..32, floats, uints, ints,
       fixexts, strs, arrays, maps */
    {'-', 0, 0}, {0, 0, 0},   {'-', 0, 0}, {'-', 0, 0},  {'b', 1, 0}, {'b', 2, 0}, {'b', 4, 0},
    {'-', 1, 1}, {'-', 2, 1}, {'-', 4, 1}, {'-', 0, 4},  {'-', 0, 8}, {'u', 0, 1}, {'u', 0, 2},
    {'u', 0, 4}, {'u', 0, 8}, {'i', 0, 1}, {'i', 0, 2},  {'i', 0, 4}, {'i', 0, 8}, {'-', 0, 2},
    {'-', 0, 3}, {'-', 0, 5}, {'-', 0, 9}, {'-', 0, 17}, {'s', 1, 0}, {'s', 2, 0}, {'s', 4, 0},
    {'a', 2, 0}, {'a', 4, 0}, {'m', 2, 0}, {'m', 4, 0},
};

struct item {
    char kind;
    const uint8_t *content; /* of a scalar */
    size_t size;
    uint64_t number; /* u: the value; a: elements; m: keys and values */
};

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* Items whose first byte holds all: small integers, and short maps, arrays and strs. */
static void item_read_short(uint8_t first, struct item *item)
{
    if (first < 0x80)
        *item = (struct item){'u', NULL, 0, first};
    else if (first < 0x90)
        *item = (struct item){'m', NULL, 0, (uint64_t)(first & 15U) * 2};
    else if (first < 0xa0)
        *item = (struct item){'a', NULL, 0, first & 15U};
    else if (first < 0xc0)
        *item = (struct item){'s', NULL, first & 31U, 0};
    else
        *item = (struct item){'i', NULL, 0, 0};
}

static bool item_read_long(const uint8_t **cursor, const uint8_t *end, struct format format,
                           struct item *item)
{
    if (format.kind == 0 || (size_t)(end - *cursor) < format.lengths)
        return false;
    uint64_t length = big_endian(*cursor, format.lengths);
    *cursor += format.lengths;
    *item = (struct item){.kind = format.kind, .size = format.fixed};
    if (format.kind == 'a')
        item->number = length;
    else if (format.kind == 'm')
        item->number = length * 2;
    else
        item->size += length;
    return true;
}

/* A signed format may hold what is unsigned: some encoders write every integer so. */
static void item_read_number(struct item *item)
{
    if (item->kind == 'i' && item->size > 0 && item->content[0] < 0x80)
        item->kind = 'u';
    if (item->kind == 'u')
        item->number = big_endian(item->content, item->size);
}

/* Reads the item at *cursor and moves behind it (behind its head, if it has elements). False: it is
 * no msgpack, or not whole. */
static bool item_read(const uint8_t **cursor, const uint8_t *end, struct item *item)
{
    if (*cursor == end)
        return false;
    uint8_t first = *(*cursor)++;
    if (first < 0xc0 || first >= 0xe0)
        item_read_short(first, item);
    else if (!item_read_long(cursor, end, formats[first - 0xc0], item))
        return false;
    if ((size_t)(end - *cursor) < item->size)
        return false;
    item->content = *cursor;
    *cursor += item->size;
    if (item->size > 0)
        item_read_number(item);
    return true;
}

static bool has_elements(const struct item *item)
{
    return item->kind == 'm' || item->kind == 'a';
}

/* Moves behind all elements of `item`, which are counted. */
static int item_skip(const uint8_t **cursor, const uint8_t *end, const struct item *item)
{
    uint64_t left[DEPTH_MAX];
    size_t depth = 0, items = 0;
    left[0] = has_elements(item) ? item->number : 0;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0)
                return 0;
            depth--;
        }
        left[depth]--;
        struct item element;
        if (!item_read(cursor, end, &element))
            return CODEC_EINVALID;
        if (++items > FRAME_ITEMS_MAX)
            return CODEC_ETOOBIG;
        if (!has_elements(&element))
            continue;
        if (++depth == DEPTH_MAX)
            return CODEC_EDEPTH;
        left[depth] = element.number;
    }
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

static int decode_element(struct frame_reader *reader, char kind, const struct item *item,
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
    struct item item;
    if (!item_read(cursor, end, &item))
        return CODEC_EINVALID;
    int rc = item_skip(cursor, end, &item);
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
    struct item rest = {.kind = 'a', .number = count};
    int rc = item_skip(cursor, end, &rest);
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
    struct item array, type;
    if (!item_read(&cursor, end, &array) || array.kind != 'a' || array.number == 0)
        return codec_fail(reason, CODEC_ETYPE, "a frame is not an array with a type in front");
    if (!item_read(&cursor, end, &type) || type.kind != 'u')
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
    return HEAD + big_endian(reader->input.data + reader->start, HEAD);
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
