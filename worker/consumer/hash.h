/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_HASH_H
#define CELERIAC_CONSUMER_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "codec/value.h"

/* FNV-1a. Ids come from strangers, but a table never holds more of them than the prefetch window
 * lets in, so a flood of colliding ids costs little; and whoever may revoke may end the worker
 * anyway. Nothing here needs a keyed hash. */
static inline uint32_t hash_text(struct text text)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * 16777619U;
    return hash;
}

#endif
