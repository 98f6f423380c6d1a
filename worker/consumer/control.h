/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_CONTROL_H
#define CELERIAC_CONSUMER_CONTROL_H

/* Remote control (kombu's pidbox, celery-wire.md 6): a queue of this node's own, bound to a fanout
 * exchange; commands come in outside the window, answers leave with the ticket of their question.
 */

#include <stdbool.h>

#include "broker/broker.h"

struct consumer;
struct consumer_config;

enum { CONTROL_NAME_SIZE = 512 };

struct control {
    int64_t clock; /* Lamport's: higher than any that has been seen */
    char queue[CONTROL_NAME_SIZE], exchange[CONTROL_NAME_SIZE], replies[CONTROL_NAME_SIZE];
    msgpack_object_kv arguments[2]; /* of the queue */
    uint32_t argument_count;
};

void control_init(struct control *control, const struct consumer_config *config);
/* What the broker is to declare and consume. Borrows from `control`. */
void control_queue(const struct control *control, struct broker_queue *ret);
void control_exchange(const struct control *control, struct broker_exchange *ret);
/* True if the delivery came by the queue of control_queue. */
bool control_is(const struct control *control, const struct broker_delivery *delivery);

/* Does what the message says, if it is for this node. Takes the delivery. */
void control_delivery(struct consumer *consumer, struct broker_delivery *delivery);
/* One whose body is too large. Takes the delivery. */
void control_oversized(struct broker_delivery *delivery, uint64_t size);

#endif
