/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_H
#define CELERIAC_BROKER_H

/* Messages <-> AMQP 0-9-1. The front door of the only room that sees librabbitmq.
 *
 * A broker object keeps two connections: one consumes and acknowledges, one publishes with
 * confirms, so that acks never wait behind a publisher that RabbitMQ blocks. Both come back by
 * themselves after a loss, with Celery's broker_connection_* rules. It never blocks the loop:
 * connecting runs on libuv's thread pool, frames are read without waiting, and a frame is written
 * only when the socket has room for it. It never logs: what a person should read arrives at
 * on_notice.
 *
 * Everything is called on the loop's thread. Callbacks may call any function here except
 * broker_free. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "broker/url.h"
#include "codec/buffer.h"
#include "codec/value.h"

struct broker;

enum broker_error {
    BROKER_OK = 0,
    BROKER_ENOMEM = -1,
    BROKER_EFULL = -2,    /* the outbox is at its bound: try again at on_drained */
    BROKER_EINVALID = -3, /* a name longer than AMQP's 255 bytes, a header AMQP cannot carry */
    BROKER_ECLOSED = -4,  /* broker_stop was called */
};
const char *broker_strerror(int error);

/* One of several bindings of a queue, with its exchange. Strings as of broker_queue. */
struct broker_binding {
    const char *exchange, *exchange_type, *routing_key;
    msgpack_object arguments, exchange_arguments;                       /* map, or nil */
    bool exchange_transient, exchange_auto_delete, exchange_no_declare; /* as in broker_queue */
};

/* A queue to declare, bind and consume (celery-wire.md 1.2, 1.3). All strings are borrowed for the
 * broker's life. */
struct broker_queue {
    const char *name;
    const char *alias;         /* what tasks call it, too (kombu's Broadcast); NULL: nothing */
    const char *exchange;      /* "" = the default exchange: nothing is declared or bound */
    const char *exchange_type; /* "direct", "topic", "fanout", "headers", or a plugin's */
    const char *routing_key;
    msgpack_object arguments; /* map of x-arguments, or nil; so are the next three */
    msgpack_object exchange_arguments, binding_arguments, consumer_arguments;
    /* Where not NULL, the queue's bindings instead of the one to `exchange` (kombu's bindings=). */
    const struct broker_binding *bindings;
    size_t binding_count;
    bool durable, auto_delete, exclusive;
    bool exchange_transient;   /* the exchange is not durable, as Celery's pidbox */
    bool exchange_auto_delete; /* the exchange goes with its last binding */
    bool exchange_no_declare;  /* the exchange is bound to, but not declared: it must be there */
    bool no_declare; /* nothing of it is declared or bound (kombu's no_declare): it must be there */
    bool bind_only;  /* it and its exchanges are there: bound only */
    bool no_ack; /* consumed outside the window and never settled (tag 0): remote control, events */
    bool declare_only; /* not consumed: declared before anything is published */
    bool late;         /* with declare_only: declared by the consuming connection instead, behind
                          the queues that it consumes; a refusal is only told */
};

/* The bindings of a queue: at least one. */
size_t broker_queue_bindings(const struct broker_queue *queue);
struct broker_binding broker_queue_binding(const struct broker_queue *queue, size_t index);
/* As far as its arguments tell. */
bool broker_queue_is_quorum(const struct broker_queue *queue);

/* An exchange to declare before anything is published (celeryev, the reply exchange), bound to
 * `source` unless that is NULL (the levels of Celery's delayed delivery). Strings are borrowed for
 * the broker's life. */
struct broker_exchange {
    const char *name, *type;
    bool transient;
    bool no_declare; /* it is there: bound only */
    bool late;       /* as in broker_queue; behind the late queues */
    const char *source, *source_key;
};

struct broker_config {
    const struct broker_url *urls; /* tried in turn; at least one */
    size_t url_count;
    const struct broker_queue *queues;
    size_t queue_count;
    const struct broker_exchange *exchanges;
    size_t exchange_count;
    const char *product, *version; /* client properties */
    uint32_t prefetch;             /* messages; 0 = unlimited */
    bool detect_quorum_queues;     /* a window for each consumer from the start, if a queue's
                                      arguments say quorum (worker_detect_quorum_queues) */
    bool purge;                    /* empty the queues before the first consume */
    double connection_timeout;     /* seconds for TCP, TLS and login together
                                      (broker_connection_timeout) */
    double heartbeat;              /* seconds proposed (broker_heartbeat); 0 = none */
    bool connection_retry, connection_retry_on_startup;
    int connection_max_retries;      /* -1 = for ever, 0 = give up at the first failure */
    size_t body_max;                 /* bytes; a larger delivery is refused with on_oversized */
    size_t outbox_max;               /* bytes of messages not yet confirmed */
    bool publish_only, consume_only; /* one of the two connections is never made */
};

/* A received message. The receiver owns it; broker_delivery_free gives it back. Strings are
 * null-terminated. */
struct broker_delivery {
    uint64_t epoch,
        tag; /* which connection it came by, and its number there; tag 0: nothing to settle */
    bool redelivered;
    const struct broker_queue *queue; /* whose consumer got it */
    struct text exchange, routing_key;
    struct text content_type, content_encoding, correlation_id, reply_to, expiration, message_id;
    struct text type, user_id, app_id;
    int priority;           /* -1: not set */
    int delivery_mode;      /* 0: not set */
    uint64_t timestamp;     /* seconds since 1970; 0: not set */
    msgpack_object headers; /* a map; nil if there are none, or they nest deeper than 32 */
    struct bytes body;
    msgpack_zone *zone; /* of all of the above; the owner may put more there */
};
void broker_delivery_free(struct broker_delivery *delivery);

/* The verbs of AMQP that settle a delivery. RabbitMQ counts a reject with requeue, and a lost
 * connection, towards a quorum queue's x-delivery-limit; from 4.3 on it does not count a nack with
 * requeue: a loss is rejected, a voluntary return is nacked. */
enum broker_verb { BROKER_ACK, BROKER_REJECT, BROKER_REJECT_REQUEUE, BROKER_NACK_REQUEUE };

enum broker_severity { BROKER_INFO, BROKER_WARNING, BROKER_ERROR, BROKER_CRITICAL };

struct broker_handler {
    /* Consuming on every queue, as epoch `epoch` (counts from 1). All deliveries of earlier epochs
     * are void: the server has requeued them. */
    void (*on_up)(void *context, uint64_t epoch);
    /* The consuming connection is gone; `broker` is already on its way back. */
    void (*on_down)(void *context);
    /* Takes the delivery. */
    void (*on_delivery)(void *context, struct broker_delivery *delivery);
    /* A delivery beyond body_max: `delivery` has no body; takes it and must settle it. `size` is
     * what the sender announced. */
    void (*on_oversized)(void *context, struct broker_delivery *delivery, uint64_t size);
    /* The server blocks (true) or unblocks (false) publishers: memory or disk alarm. */
    void (*on_blocked)(void *context, bool blocked);
    /* The outbox, which was full, has room again. */
    void (*on_drained)(void *context);
    void (*on_notice)(void *context, enum broker_severity severity, const char *text);
    /* Given up for good (login refused, retries exhausted, a queue that exists with other
     * arguments): `text` says what and what to do. Nothing more is called until broker_stop. */
    void (*on_failed)(void *context, const char *text);
    /* broker_stop is complete; broker_free may be called. */
    void (*on_stopped)(void *context);
};

/* Copies `config` and `handler`; what they point to is borrowed for the broker's life. NULL: out of
 * memory. */
struct broker *broker_new(uv_loop_t *loop, const struct broker_config *config,
                          const struct broker_handler *handler, void *context);
/* Only after on_stopped, or before broker_start. Accepts NULL. */
void broker_free(struct broker *broker);

/* Starts connecting; the first call of the handler comes from the loop. */
void broker_start(struct broker *broker);
/* Cancels the consumers so that nothing more is delivered; what was delivered can still be settled.
 * Not undone by a reconnect. */
void broker_cancel_consumers(struct broker *broker);
/* Flushes settlements and the outbox for at most `seconds`, closes both connections in order, then
 * on_stopped. */
void broker_stop(struct broker *broker, double seconds);

/* Settles a delivery, on the wire at the end of this loop turn: contiguous acks become one with
 * `multiple`. False if the delivery's epoch is gone (nothing is sent; the server has requeued it).
 * A tag must be settled once only: a second time is an assertion failure. */
bool broker_settle(struct broker *broker, uint64_t epoch, uint64_t tag, enum broker_verb verb);

/* Changes the window; sent at the end of this loop turn, at most 65,535 (0 = unlimited). `lasting`:
 * how many of the messages in hand will stay there for long. Where the window counts for each
 * consumer (quorum queues), it is fixed when the consumer is made: consumers are made anew with
 * what `lasting` leaves of it, to lower it at most five times a second. What the former ones have
 * delivered stays in hand and does not count: until it is settled there may be more than the
 * window. */
void broker_set_prefetch(struct broker *broker, uint32_t prefetch, uint32_t lasting);

/* A message to publish; everything is borrowed until broker_publish returns. */
struct broker_message {
    struct text exchange, routing_key;
    struct text content_type, content_encoding, correlation_id, reply_to, expiration, message_id;
    struct text type, app_id;
    struct text user_id;           /* left out unless it is the connection's user: the server would
                                      refuse it */
    uint64_t timestamp;            /* 0: leave out */
    int priority;                  /* -1: leave out */
    int delivery_mode;             /* 1 transient, 2 persistent */
    const msgpack_object *headers; /* map, or NULL: an empty table */
    struct bytes body;
    bool mandatory; /* unroutable is a failure; else it counts as confirmed, as AMQP has it */
    /* Where not NULL, a queue that is declared and bound before a connection publishes the first
     * message that names it; borrowed for the broker's life. A refusal is only told: the message
     * goes all the same. */
    const struct broker_queue *declare;
};

/* Called once, from the loop. `error` is NULL once the server has confirmed the message, else words
 * (nacked by the server, unroutable, given up at stop). */
typedef void broker_published(void *context, const char *error);

/* Puts the message into the outbox, which survives reconnects: a message whose confirm was lost is
 * published again. `published` may be NULL. Errors: BROKER_EFULL, BROKER_EINVALID, BROKER_ENOMEM,
 * BROKER_ECLOSED; then `published` is not called. A message larger than the bound is accepted if
 * the outbox is empty. */
MUST_CHECK int broker_publish(struct broker *broker, const struct broker_message *message,
                              broker_published *published, void *context);

struct broker_stats {
    uint64_t epoch;             /* of the consuming connection; 0: never up */
    bool consuming, publishing; /* up right now */
    bool blocked;
    uint64_t connects; /* successful ones, both connections */
    uint64_t delivered, settled, published, confirmed;
    size_t unsettled; /* deliveries of this epoch not settled yet */
    size_t outbox_bytes, outbox_messages;
    uint32_t prefetch;
};
void broker_get_stats(const struct broker *broker, struct broker_stats *ret);

#endif
