/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_FRAME_ITEM_H
#define CELERIAC_CODEC_FRAME_ITEM_H

/* One item of msgpack in a frame that has not been decoded; for codec/frame.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/base.h"

struct frame_item {
    char
        kind; /* u unsigned integer, i signed one, s str, b bin, a array, m map, - something else */
    const uint8_t *content; /* of a scalar */
    size_t size;
    uint64_t number; /* u: the value; a: elements; m: keys and values */
};

/* Reads the item at *cursor and moves behind it (behind its head, if it has elements). False: it is
 * no msgpack, or not whole. */
bool frame_item_read(const uint8_t **cursor, const uint8_t *end, struct frame_item *item);

/* Moves behind all elements of `item`, which are counted. CODEC_EINVALID, CODEC_ETOOBIG,
 * CODEC_EDEPTH. */
MUST_CHECK int frame_item_skip(const uint8_t **cursor, const uint8_t *end,
                               const struct frame_item *item);

#endif
