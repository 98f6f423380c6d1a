/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads and writes msgpack through msgpack-c, and owns what it does not do: msgpack-c allocates by
 * the sizes that a message announces, so every message is walked over first, without recursion and
 * without memory. */

#include "codec/packed.h"

#include <string.h>

#include "codec/utf8.h"

enum kind { BROKEN, SCALAR, TEXT, BYTES, ARRAY, MAP };

/* How a value goes on behind its first byte. */
struct shape {
    enum kind kind;
    uint8_t count_bytes; /* bytes of the count that follows; 0: the count is `fixed` */
    uint8_t fixed;       /* bytes of the value, or of an EXT's type in front of it */
};

/* First bytes from 0xc0 to 0xdf. */
static const struct shape shapes[32] = {
    [0x00] = {SCALAR, 0, 0},                                                    /* nil */
    [0x02] = {SCALAR, 0, 0},                                                    /* false, true */
    [0x03] = {SCALAR, 0, 0},  [0x04] = {BYTES, 1, 0},                           /* bin */
    [0x05] = {BYTES, 2, 0},   [0x06] = {BYTES, 4, 0},  [0x07] = {BYTES, 1, 1},  /* ext */
    [0x08] = {BYTES, 2, 1},   [0x09] = {BYTES, 4, 1},  [0x0a] = {SCALAR, 0, 4}, /* float */
    [0x0b] = {SCALAR, 0, 8},  [0x0c] = {SCALAR, 0, 1},                          /* unsigned */
    [0x0d] = {SCALAR, 0, 2},  [0x0e] = {SCALAR, 0, 4}, [0x0f] = {SCALAR, 0, 8},
    [0x10] = {SCALAR, 0, 1}, /* signed */
    [0x11] = {SCALAR, 0, 2},  [0x12] = {SCALAR, 0, 4}, [0x13] = {SCALAR, 0, 8},
    [0x14] = {SCALAR, 0, 2}, /* ext of a fixed size, and its type */
    [0x15] = {SCALAR, 0, 3},  [0x16] = {SCALAR, 0, 5}, [0x17] = {SCALAR, 0, 9},
    [0x18] = {SCALAR, 0, 17}, [0x19] = {TEXT, 1, 0},   [0x1a] = {TEXT, 2, 0},
    [0x1b] = {TEXT, 4, 0},    [0x1c] = {ARRAY, 2, 0},  [0x1d] = {ARRAY, 4, 0},
    [0x1e] = {MAP, 2, 0},     [0x1f] = {MAP, 4, 0},
};

static struct shape shape_of(uint8_t first)
{
    if (first < 0x80 || first >= 0xe0)
        return (struct shape){SCALAR, 0, 0};
    if (first < 0x90)
        return (struct shape){MAP, 0, first & 0x0f};
    if (first < 0xa0)
        return (struct shape){ARRAY, 0, first & 0x0f};
    if (first < 0xc0)
        return (struct shape){TEXT, 0, first & 0x1f};
    return shapes[first - 0xc0];
}

struct walk {
    const uint8_t *start, *at, *end;
    struct codec_reason *reason;
    int depth;
    uint64_t left[PACKED_DECODE_DEPTH_MAX + 1]; /* values that are still to come, a level each */
};

static int broken(const struct walk *walk, const char *problem)
{
    return codec_fail(walk->reason, CODEC_EINVALID, "msgpack: %s at byte %zu", problem,
                      (size_t)(walk->at - walk->start));
}

static size_t bytes_left(const struct walk *walk)
{
    return (size_t)(walk->end - walk->at);
}

static int take_count(struct walk *walk, const struct shape *shape, uint64_t *ret)
{
    if (shape->count_bytes == 0) {
        *ret = shape->fixed;
        return 0;
    }
    if (bytes_left(walk) < shape->count_bytes)
        return broken(walk, "the message ends early");
    uint64_t count = 0;
    for (int i = 0; i < shape->count_bytes; i++)
        count = count << 8 | *walk->at++;
    *ret = count + shape->fixed;
    return 0;
}

/* Goes into a container of `count` values. Each of them takes at least a byte, so a count beyond
 * the bytes is a lie. */
static int descend(struct walk *walk, uint64_t count)
{
    if (count > bytes_left(walk))
        return broken(walk, "a container that is larger than the message");
    if (walk->depth == PACKED_DECODE_DEPTH_MAX)
        return codec_fail(walk->reason, CODEC_EDEPTH, "msgpack: more than %d levels at byte %zu",
                          PACKED_DECODE_DEPTH_MAX, (size_t)(walk->at - walk->start));
    walk->left[++walk->depth] = count;
    return 0;
}

static int walk_value(struct walk *walk)
{
    if (walk->at == walk->end)
        return broken(walk, "the message ends early");
    struct shape shape = shape_of(*walk->at);
    if (shape.kind == BROKEN)
        return broken(walk, "a byte that msgpack does not use");
    walk->at++;
    uint64_t count = 0;
    int rc = take_count(walk, &shape, &count);
    if (rc != 0)
        return rc;
    if (shape.kind == ARRAY || shape.kind == MAP)
        return descend(walk, shape.kind == MAP ? count * 2 : count);
    if (count > bytes_left(walk))
        return broken(walk, "the message ends early");
    if (shape.kind == TEXT && !utf8_is_valid((struct text){(const char *)walk->at, count}))
        return broken(walk, "text that is no UTF-8");
    walk->at += count;
    return 0;
}

static int walk_message(struct bytes packed, struct codec_reason *reason)
{
    struct walk walk = {.start = packed.data, .at = packed.data, .reason = reason};
    walk.end = walk.start + packed.size;
    walk.left[0] = 1;
    while (walk.depth > 0 || walk.left[0] > 0) {
        if (walk.left[walk.depth] == 0) {
            walk.depth--;
            continue;
        }
        walk.left[walk.depth]--;
        int rc = walk_value(&walk);
        if (rc != 0)
            return rc;
    }
    return walk.at == walk.end ? 0 : broken(&walk, "more bytes behind the value");
}

int packed_decode(struct bytes packed, msgpack_zone *zone, msgpack_object *ret,
                  struct codec_reason *reason)
{
    if (packed.size == 0)
        return codec_fail(reason, CODEC_EINVALID, "msgpack: no bytes at all");
    int rc = walk_message(packed, reason);
    if (rc != 0)
        return rc;
    msgpack_object value;
    size_t offset = 0;
    switch (msgpack_unpack(packed.data, packed.size, &offset, zone, &value)) {
    case MSGPACK_UNPACK_SUCCESS:
        *ret = value;
        return 0;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        return codec_fail(reason, CODEC_ENOMEM, "msgpack: out of memory");
    default:
        return codec_fail(reason, CODEC_EINVALID, "msgpack: cannot be read");
    }
}

static int check(const msgpack_object *value, int depth);

static int check_all(const msgpack_object *values, uint64_t count, int depth)
{
    if (depth == PACKED_ENCODE_DEPTH_MAX)
        return CODEC_EDEPTH;
    for (uint64_t i = 0; i < count; i++) {
        int rc = check(&values[i], depth + 1);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* What msgpack-c would write, and nobody read. */
static int check(const msgpack_object *value, int depth)
{
    switch (value->type) {
    case MSGPACK_OBJECT_STR:
        return utf8_is_valid((struct text){value->via.str.ptr, value->via.str.size})
                   ? 0
                   : CODEC_EINVALID;
    case MSGPACK_OBJECT_ARRAY:
        return check_all(value->via.array.ptr, value->via.array.size, depth);
    case MSGPACK_OBJECT_MAP: /* a pair is a key and a value side by side */
        return check_all((const msgpack_object *)value->via.map.ptr,
                         (uint64_t)value->via.map.size * 2, depth);
    case MSGPACK_OBJECT_EXT:
        return value->via.ext.type == VALUE_BIGINT ? CODEC_ETYPE : 0;
    default:
        return 0;
    }
}

int packed_encode(const msgpack_object *value, struct buffer *buffer)
{
    int rc = check(value, 0);
    if (rc != 0)
        return rc;
    size_t before = buffer->size;
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, buffer_msgpack_write);
    rc = msgpack_pack_object(&packer, *value);
    if (rc != 0)
        buffer->size = before;
    return rc;
}
