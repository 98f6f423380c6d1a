/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_DELAY_H
#define CELERIAC_CONSUMER_DELAY_H

/* The delay queues: durable queues whose messages all wait equally long, so that none waits behind
 * a later one (RabbitMQ expires messages at the head of a queue only), and then go back to the
 * queue they came from. The times are a ladder, each twice the one before, and the same for every
 * worker: a message needs few stays to come near its eta.
 *
 * Each task queue has delay queues of its own: what waits for a queue that was deleted stays there,
 * and would hold up everybody else's. So has each priority: RabbitMQ 4 looks at the head of the
 * highest one only. */

#include <stdbool.h>

#include "broker/broker.h"

enum { DELAY_ARGUMENTS = 6, DELAY_PLACES_MAX = 1024 };

struct delay_place {
    /* Behind an exchange of the same name: where the queue is not ours to declare, nothing gets
     * into it. */
    struct broker_queue queue;
    const struct broker_queue *home;
    int priority; /* -1: of those without one */
    unsigned seconds;
    int64_t refused_until; /* microseconds since 1970: it takes nothing before */
    msgpack_object_kv arguments[DELAY_ARGUMENTS];
    struct delay_place *next;
    char name[];
};

struct delay {
    struct delay_place *first; /* owned */
    size_t count;
};

/* The broker that knows the places must be gone. */
void delay_done(struct delay *delay);
/* Seconds of the longest stay for what is due in `left` seconds: it comes back at least a second
 * too early. 0: there is none. */
unsigned delay_stay(double left);
/* The place of that many seconds for messages of `home` with that priority; made if it is not there
 * yet. NULL: it cannot be (too long a name, too many, out of memory). Lives as long as `delay`. */
struct delay_place *delay_place(struct delay *delay, const struct broker_queue *home, int priority,
                                unsigned seconds);

#endif
