/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_CHILDREN_H
#define CELERIAC_NATIVE_CHILDREN_H

/* The forkserver's children: which pid is whose, and how they ended. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "codec/base.h"
#include "codec/frame.h"

struct children_entry {
    uint32_t slot, generation;
    pid_t pid;
};

struct children {
    struct children_entry *entries; /* owned */
    size_t count, room;
};

void children_init(struct children *children);
void children_done(struct children *children);

/* Makes room for one more, so that children_add cannot fail. False: out of memory. */
MUST_CHECK bool children_reserve(struct children *children);
void children_add(struct children *children, struct children_entry entry);

/* Reaps one child that has ended and fills in its EXITED; what is left of its process group dies
 * first if a signal has killed it. False: none has ended. Children that are not in the table are
 * reaped silently. */
bool children_reap(struct children *children, struct frame_exit *ret);

/* SIGKILL for every child and its process group. */
void children_kill(const struct children *children);

#endif
