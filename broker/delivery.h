/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_DELIVERY_H
#define CELERIAC_BROKER_DELIVERY_H

/* Frames -> whole deliveries. A delivery and its zone are taken from a store and go back to it, so
 * that a small message costs no allocation. */

#include <amqp.h>

#include "broker/broker.h"

struct delivery_store;

struct delivery_store *delivery_store_new(void);
/* The store itself lives on until the last delivery has come back. Accepts NULL. */
void delivery_store_free(struct delivery_store *store);

/* The delivery that a channel is in the middle of. */
struct assembly {
    struct delivery_store *store;
    size_t body_max;
    struct broker_delivery *delivery; /* owned; NULL between messages */
    uint64_t size, received;          /* bytes of the body: announced, and come so far */
    bool header_seen;
    char *body; /* where they go; NULL if the body is skipped */
};

void assembly_init(struct assembly *assembly, struct delivery_store *store, size_t body_max);
/* Drops what is unfinished. */
void assembly_reset(struct assembly *assembly);

enum assembly_progress {
    ASSEMBLY_MORE = 0,
    ASSEMBLY_WHOLE = 1, /* take it with assembly_take */
    ASSEMBLY_NO_MEMORY = -1,
    ASSEMBLY_BROKEN = -2, /* frames in an order that AMQP does not have */
};
/* Starts with a basic.deliver; the caller fills in epoch and queue. ASSEMBLY_MORE or an error. */
MUST_CHECK enum assembly_progress assembly_begin(struct assembly *assembly,
                                                 const amqp_basic_deliver_t *method);
/* Goes on with a header or body frame. */
MUST_CHECK enum assembly_progress assembly_frame(struct assembly *assembly,
                                                 const amqp_frame_t *frame);
/* The caller owns it now. */
struct broker_delivery *assembly_take(struct assembly *assembly);

/* What the sender announced, if the body was larger than body_max; else 0. */
uint64_t delivery_oversize(struct broker_delivery *delivery);
/* Deliveries can be chained while they wait. */
struct broker_delivery **delivery_next(struct broker_delivery *delivery);

#endif
