/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_FOLLOW_UP_H
#define CELERIAC_CONSUMER_FOLLOW_UP_H

/* What a task sends while it runs (PROTOCOL.md, "What a task sends"): messages, states, beginnings
 * of chords, done one after the other in the order in which they came. Messages in a row are on
 * their way together; anything else waits for what is before it, and what is behind it waits for
 * it. The request is settled when all of it is done. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct frame;
struct request;
struct follow_up;

TAILQ_HEAD(follow_up_list, follow_up);

/* Bytes of one request's that are not done yet, from which on its child is not read from. */
enum { FOLLOW_UPS_MAX = 1024 * 1024 };

/* Embedded in a request. */
struct follow_ups {
    struct follow_up_list list;            /* not done yet, the oldest first */
    struct follow_up *waiting;             /* the first that has not begun; NULL: all have */
    size_t size;                           /* bytes of them */
    bool deaf;                             /* the pool waits for pool_listen */
    bool refused;                          /* a message was not taken by the broker */
    bool failed;                           /* the state FAILURE was stored */
    bool given_up;                         /* something could not be done before the worker stops */
    void (*then)(struct request *request); /* once all is done; NULL: nobody waits */
};

void follow_up_init(struct follow_ups *follow_ups);
void follow_up_done(struct follow_ups *follow_ups);

/* The pool's on_follow_up for the request's job. */
bool follow_up_take(struct request *request, const struct frame *frame);
/* True while something is not done yet. */
bool follow_up_pending(const struct request *request);
/* Calls `then` once all is done: within, if it is already. */
void follow_up_then(struct request *request, void (*then)(struct request *request));

#endif
