/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_WAITING_H
#define CELERIAC_CLIENT_WAITING_H

/* A loop of our own inside a program that has none, or another one: it turns only while a call of
 * the client waits for something, and never longer than until a deadline. */

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "codec/base.h"

struct waiting {
    uv_loop_t loop;
    uv_timer_t timer;
};

/* False: no memory or no descriptors. */
MUST_CHECK bool waiting_init(struct waiting *waiting);
/* All other handles must be closed, or closing. */
void waiting_done(struct waiting *waiting);

/* A point of the loop's time, `seconds` from now: at most a year. */
uint64_t waiting_deadline(struct waiting *waiting, double seconds);

/* Turns the loop until `over` says so; it is asked at first, too. False: the deadline has
 * passed. */
MUST_CHECK bool waiting_until(struct waiting *waiting, uint64_t deadline,
                              bool (*over)(const void *context), const void *context);

#endif
