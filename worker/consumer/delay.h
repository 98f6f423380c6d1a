/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_DELAY_H
#define CELERIAC_CONSUMER_DELAY_H

/* The delay queues: a ladder of durable queues whose messages all wait equally long, so that none
 * waits behind a later one (RabbitMQ expires messages at the head of a queue only), and then go to
 * the queue that their routing key names. The first rung is worker_eta_hold, each next one twice as
 * long: a message needs few of them to come near its eta. */

#include <stdbool.h>

#include "broker/broker.h"

enum { DELAY_RUNGS = 9, DELAY_ARGUMENTS = 5, DELAY_NAME_SIZE = 32 };

struct delay_rung {
    unsigned seconds;
    char name[DELAY_NAME_SIZE]; /* of the queue, and of the exchange in front of it */
    msgpack_object_kv arguments[DELAY_ARGUMENTS];
    struct broker_queue queue; /* to be declared when the first message is published there */
};

struct delay {
    struct delay_rung rungs[DELAY_RUNGS];
};

/* `hold`: seconds, above 0; less than one counts as one. Not to be moved afterwards. */
void delay_init(struct delay *delay, double hold);
/* The longest rung that is over before `seconds` are; NULL: there is none. */
const struct delay_rung *delay_find(const struct delay *delay, double seconds);

#endif
