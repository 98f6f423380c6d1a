/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_WINDOW_H
#define CELERIAC_BROKER_WINDOW_H

/* What is outstanding on a channel: growing tags, each with an item, removed in any order. Memory
 * follows the number of entries, not the distance between the oldest and the newest tag: one task
 * of an hour must not make the worker grow. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/base.h"

struct window_entry {
    uint64_t tag;
    void *item; /* NULL: removed */
};

struct window {
    struct window_entry *entries; /* owned; [head, end) are in use, sorted by tag, with holes */
    size_t head, end, room;
    size_t count; /* entries that are not holes */
};

void window_init(struct window *window);
/* Frees the memory; the window may be used again. */
void window_done(struct window *window);
/* Forgets all entries, so that tags may start again at 1. */
void window_clear(struct window *window);
/* `tag` must be larger than any before, `item` not NULL. False: out of memory. */
MUST_CHECK bool window_add(struct window *window, uint64_t tag, void *item);
/* The entry with this tag, or NULL. Valid until the next window_add. */
struct window_entry *window_find(struct window *window, uint64_t tag);
/* The entry with the lowest tag, or NULL. */
struct window_entry *window_first(struct window *window);
/* The entry after `entry`, or NULL. */
struct window_entry *window_next(struct window *window, struct window_entry *entry);
void window_remove(struct window *window, struct window_entry *entry);

#endif
