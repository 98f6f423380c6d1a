/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_ETA_H
#define CELERIAC_CONSUMER_ETA_H

/* Requests that wait for their eta: a binary heap ordered by time whose entries know their place,
 * so that any of them can leave early. Knows no clock and no loop. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/base.h"

/* Embedded in what waits. */
struct eta_entry {
    int64_t due;   /* microseconds since 1970, UTC */
    size_t weight; /* bytes that it keeps in memory */
    size_t place;  /* index + 1 in the heap; 0: not in it */
};

struct eta_heap {
    struct eta_entry **entries;
    size_t count, room;
    size_t weight; /* of all */
};

void eta_heap_done(struct eta_heap *heap);
/* False: out of memory. The entry is borrowed until it leaves. */
MUST_CHECK bool eta_heap_add(struct eta_heap *heap, struct eta_entry *entry);
/* Nothing happens if the entry is not in the heap. */
void eta_heap_remove(struct eta_heap *heap, struct eta_entry *entry);
/* The earliest entry, or NULL. */
struct eta_entry *eta_heap_first(const struct eta_heap *heap);

#endif
