/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_OUTBOX_H
#define CELERIAC_BROKER_OUTBOX_H

/* Messages on their way out: copied once, bounded in bytes, in order, kept until the server has
 * confirmed them. Pure: it sends nothing. */

#include <amqp.h>

#include "broker/broker.h"
#include "broker/window.h"

/* A message, as librabbitmq wants it. */
struct outgoing {
    amqp_bytes_t exchange, routing_key, body;
    amqp_basic_properties_t properties;
    bool mandatory;
    const struct broker_queue *declare; /* before it is sent; NULL: none */
    size_t size;                        /* of all its frames */
    /* the outbox's own */
    broker_published *published;
    void *context;
    size_t charge;
    char *problem; /* words; it came back as unroutable */
    struct outgoing *next;
    msgpack_zone zone;
};

struct outbox {
    size_t limit, bytes, messages;
    struct outgoing *first, *last; /* not sent on this connection */
    struct window unconfirmed;     /* sent; the item is the struct outgoing */
    uint64_t sequence;             /* of the last one sent on this channel, as the server counts */
    uint64_t names;                /* for message_id */
    struct outgoing *kept;         /* free messages */
    unsigned kept_count;
    bool was_full;
    uint64_t published, confirmed; /* counters */
};

void outbox_init(struct outbox *outbox, size_t limit);
/* Nothing may be left in it. */
void outbox_done(struct outbox *outbox);
/* As broker_publish. */
MUST_CHECK int outbox_put(struct outbox *outbox, const struct broker_message *message,
                          broker_published *published, void *context);
/* The next one to send, or NULL. */
struct outgoing *outbox_next(struct outbox *outbox);
/* The next one is being sent, from now on it waits for its confirm. False: out of memory, nothing
 * changed. */
MUST_CHECK bool outbox_sent(struct outbox *outbox);
/* The next one cannot be sent at all. */
void outbox_drop(struct outbox *outbox, const char *error);
/* The server confirmed (`error` NULL) or refused. */
void outbox_confirm(struct outbox *outbox, uint64_t tag, bool multiple, const char *error);
/* The server returned a mandatory message, known by its message_id; its confirm is still to come.
 */
void outbox_returned(struct outbox *outbox, amqp_bytes_t message_id, const char *problem);
/* The channel is gone: what was not confirmed is to be sent again, in order. */
void outbox_requeue(struct outbox *outbox);
/* Takes everything out with this error. */
void outbox_fail_all(struct outbox *outbox, const char *error);
/* True once, when an outbox that was full has room again. */
bool outbox_drained(struct outbox *outbox);

#endif
