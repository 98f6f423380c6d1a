/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_LANES_H
#define CELERIAC_BROKER_LANES_H

/* The channels over which deliveries come that are settled. One of them has the consumers. RabbitMQ
 * finds the delivery that an ack names by walking over all older ones of the channel that are not
 * settled: with some thousands that wait for an hour, each ack of a short task costs it
 * milliseconds. So when too many lasting ones have come over a channel, the consumers move to
 * another, and the channel is kept for what is still out. Pure: it sends nothing. */

#include "broker/delivery.h"
#include "broker/settle.h"

enum {
    LANES_MAX = 128,
    LANE_FULL = 256, /* lasting deliveries, after which the next lane is better */
};

struct lane {
    size_t index;
    amqp_channel_t channel;
    bool open;
    struct settle settle;
    struct assembly assembly; /* what the channel is in the middle of */
    uint64_t last_tag;
};

struct lanes {
    struct lane *all[LANES_MAX]; /* owned */
    size_t count;
    size_t limit; /* of count */
    struct lane *current;
    struct delivery_store *store;
    size_t body_max;
};

/* With the first lane, whose channel the connection opens. False: out of memory. */
MUST_CHECK bool lanes_init(struct lanes *lanes, struct delivery_store *store, size_t body_max);
void lanes_done(struct lanes *lanes);
/* The connection is gone: the first lane is the current one again. */
void lanes_clear(struct lanes *lanes);

/* The server allows no channel above this one; 0: any. */
void lanes_limit(struct lanes *lanes, unsigned channel_max);

/* NULL: none has that channel. */
struct lane *lanes_of_channel(const struct lanes *lanes, amqp_channel_t channel);
/* The number by which others know a delivery of the lane; and back. */
uint64_t lanes_name(const struct lane *lane, uint64_t tag);
struct lane *lanes_of_name(const struct lanes *lanes, uint64_t name, uint64_t *ret_tag);

/* Deliveries that are not settled on the wire. */
size_t lanes_unsettled(const struct lanes *lanes);
/* True if there is something to send. */
bool lanes_pending(const struct lanes *lanes);
/* `lasting`: of all deliveries, how many will stay for long. */
bool lanes_full(const struct lanes *lanes, size_t lasting);
/* Where to move; it may have to be opened. NULL: there is nothing better than the current one. */
struct lane *lanes_next(struct lanes *lanes);

#endif
