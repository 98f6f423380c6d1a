/* SPDX-License-Identifier: BSD-3-Clause */
/* A sorted array with holes: adding at the end, finding and removing are cheap, and holes are
 * squeezed out when it is full. Must not know what the tags and items mean. */

#include "broker/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

void window_init(struct window *window)
{
    *window = (struct window){0};
}

void window_done(struct window *window)
{
    free(window->entries);
    window_init(window);
}

void window_clear(struct window *window)
{
    window->head = window->end = window->count = 0;
}

static void squeeze(struct window *window)
{
    size_t kept = 0;
    for (size_t i = window->head; i < window->end; i++)
        if (window->entries[i].item)
            window->entries[kept++] = window->entries[i];
    window->head = 0;
    window->end = kept;
}

/* Squeezing only while it frees half of the room keeps the cost of an addition constant. */
static bool make_room(struct window *window)
{
    if (window->end < window->room)
        return true;
    if (window->count < window->room / 2) {
        squeeze(window);
        return true;
    }
    size_t room = window->room ? window->room * 2 : FIRST_ROOM;
    struct window_entry *entries = reallocarray(window->entries, room, sizeof(struct window_entry));
    if (!entries)
        return false;
    window->entries = entries;
    window->room = room;
    return true;
}

bool window_add(struct window *window, uint64_t tag, void *item)
{
    assert(item);
    if (!make_room(window))
        return false;
    assert(window->end == window->head || window->entries[window->end - 1].tag < tag);
    window->entries[window->end++] = (struct window_entry){tag, item};
    window->count++;
    return true;
}

/* The first index of [head, end) whose tag is not lower. Tags mostly have no gaps, so a guess comes
 * first. */
static size_t lower_bound(const struct window *window, uint64_t tag)
{
    size_t low = window->head;
    size_t high = window->end;
    if (low < high && tag >= window->entries[low].tag) {
        uint64_t distance = tag - window->entries[low].tag;
        if (distance < high - low && window->entries[low + distance].tag == tag)
            return low + (size_t)distance;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (window->entries[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct window_entry *window_find(struct window *window, uint64_t tag)
{
    size_t i = lower_bound(window, tag);
    if (i == window->end)
        return NULL;
    struct window_entry *entry = &window->entries[i];
    return entry->tag == tag && entry->item ? entry : NULL;
}

struct window_entry *window_first(struct window *window)
{
    while (window->head < window->end && !window->entries[window->head].item)
        window->head++;
    return window->head < window->end ? &window->entries[window->head] : NULL;
}

struct window_entry *window_next(struct window *window, struct window_entry *entry)
{
    struct window_entry *end = window->entries + window->end;
    do
        entry++;
    while (entry < end && !entry->item);
    return entry < end ? entry : NULL;
}

void window_remove(struct window *window, struct window_entry *entry)
{
    assert(entry->item);
    entry->item = NULL;
    window->count--;
    if (window->count == 0)
        window_clear(window);
}
