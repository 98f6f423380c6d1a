/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of waiting requests; nothing else. */

#include "worker/consumer/eta.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_ROOM = 16 };

static void put(struct eta_heap *heap, size_t index, struct eta_entry *entry)
{
    heap->entries[index] = entry;
    entry->place = index + 1;
}

static void sift_up(struct eta_heap *heap, size_t index)
{
    struct eta_entry *entry = heap->entries[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->entries[parent]->due <= entry->due)
            break;
        put(heap, index, heap->entries[parent]);
        index = parent;
    }
    put(heap, index, entry);
}

static void sift_down(struct eta_heap *heap, size_t index)
{
    struct eta_entry *entry = heap->entries[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->entries[child + 1]->due < heap->entries[child]->due)
            child++;
        if (heap->entries[child]->due >= entry->due)
            break;
        put(heap, index, heap->entries[child]);
        index = child;
    }
    put(heap, index, entry);
}

void eta_heap_done(struct eta_heap *heap)
{
    free(heap->entries);
    *heap = (struct eta_heap){0};
}

bool eta_heap_add(struct eta_heap *heap, struct eta_entry *entry)
{
    assert(entry->place == 0);
    if (heap->count == heap->room) {
        size_t room = heap->room > 0 ? heap->room * 2 : FIRST_ROOM;
        struct eta_entry **entries = reallocarray(heap->entries, room, sizeof(struct eta_entry *));
        if (entries == NULL)
            return false;
        heap->entries = entries;
        heap->room = room;
    }
    heap->weight += entry->weight;
    put(heap, heap->count++, entry);
    sift_up(heap, heap->count - 1);
    return true;
}

void eta_heap_remove(struct eta_heap *heap, struct eta_entry *entry)
{
    if (entry->place == 0)
        return;
    size_t index = entry->place - 1;
    entry->place = 0;
    heap->weight -= entry->weight;
    struct eta_entry *last = heap->entries[--heap->count];
    if (last == entry)
        return;
    put(heap, index, last);
    sift_up(heap, index);
    sift_down(heap, last->place - 1);
}

struct eta_entry *eta_heap_first(const struct eta_heap *heap)
{
    return heap->count > 0 ? heap->entries[0] : NULL;
}
