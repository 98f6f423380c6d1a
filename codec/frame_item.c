/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks msgpack item by item, without memory of its own. Knows no frame. */

#include "codec/frame_item.h"

#include "codec/error.h"
#include "codec/frame.h"

enum { DEPTH_MAX = 32 }; /* of a map, as msgpack-c's own limit */

/* What the first byte of an item says. Lengths are big endian. */
struct format {
    char kind;       /* as in struct frame_item, or 0: no
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

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* Items whose first byte holds all: small integers, and short maps, arrays and strs. */
static void read_short(uint8_t first, struct frame_item *item)
{
    if (first < 0x80)
        *item = (struct frame_item){'u', NULL, 0, first};
    else if (first < 0x90)
        *item = (struct frame_item){'m', NULL, 0, (uint64_t)(first & 15U) * 2};
    else if (first < 0xa0)
        *item = (struct frame_item){'a', NULL, 0, first & 15U};
    else if (first < 0xc0)
        *item = (struct frame_item){'s', NULL, first & 31U, 0};
    else
        *item = (struct frame_item){'i', NULL, 0, 0};
}

static bool read_long(const uint8_t **cursor, const uint8_t *end, struct format format,
                      struct frame_item *item)
{
    if (format.kind == 0 || (size_t)(end - *cursor) < format.lengths)
        return false;
    uint64_t length = big_endian(*cursor, format.lengths);
    *cursor += format.lengths;
    *item = (struct frame_item){.kind = format.kind, .size = format.fixed};
    if (format.kind == 'a')
        item->number = length;
    else if (format.kind == 'm')
        item->number = length * 2;
    else
        item->size += length;
    return true;
}

/* A signed format may hold what is unsigned: some encoders write every integer so. */
static void read_number(struct frame_item *item)
{
    if (item->kind == 'i' && item->size > 0 && item->content[0] < 0x80)
        item->kind = 'u';
    if (item->kind == 'u')
        item->number = big_endian(item->content, item->size);
}

bool frame_item_read(const uint8_t **cursor, const uint8_t *end, struct frame_item *item)
{
    if (*cursor == end)
        return false;
    uint8_t first = *(*cursor)++;
    if (first < 0xc0 || first >= 0xe0)
        read_short(first, item);
    else if (!read_long(cursor, end, formats[first - 0xc0], item))
        return false;
    if ((size_t)(end - *cursor) < item->size)
        return false;
    item->content = *cursor;
    *cursor += item->size;
    if (item->size > 0)
        read_number(item);
    return true;
}

static bool has_elements(const struct frame_item *item)
{
    return item->kind == 'm' || item->kind == 'a';
}

int frame_item_skip(const uint8_t **cursor, const uint8_t *end, const struct frame_item *item)
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
        struct frame_item element;
        if (!frame_item_read(cursor, end, &element))
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
