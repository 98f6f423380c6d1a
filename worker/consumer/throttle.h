/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_THROTTLE_H
#define CELERIAC_CONSUMER_THROTTLE_H

/* Requests that wait for their task's rate limit: each task has a bucket and a queue, first in
 * first out; one timer serves them all. */

#include <stddef.h>

#include <uv.h>

#include "worker/consumer/eta.h"
#include "worker/consumer/rate.h"

struct consumer;
struct request;
struct task;

/* The window grows for so many of those that wait: with more, one worker would hoard what others
 * may run, as the limits are each worker's own. */
enum { THROTTLE_WINDOW_MAX = 1024 };

/* Of one task. */
struct throttle {
    struct rate_bucket bucket;
    struct request *first, *last;
    struct eta_entry wake; /* microseconds of uv_hrtime; in the heap while somebody waits */
};

/* Of a consumer. */
struct throttles {
    struct eta_heap sleeping;
    size_t count; /* requests that wait */
    uv_timer_t timer;
};

void throttle_init(struct consumer *consumer);
/* Frees the heap; nobody waits any more. */
void throttle_done(struct consumer *consumer);
/* Gives every task its bucket: its own limit, else task_default_rate_limit. */
void throttle_start(struct consumer *consumer);
/* True if the request has been taken: intake_pass is called when it may go on. */
bool throttle_take(struct request *request);
/* The request leaves before its time. */
void throttle_leave(struct request *request);
/* A new limit for the task. As in Celery all buckets are made anew; but those who wait go on
 * waiting, in their order, by the new limit. */
void throttle_change(struct consumer *consumer, struct task *task, double per_second);

#endif
