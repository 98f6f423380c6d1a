/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_TOPOLOGY_H
#define CELERIAC_BROKER_TOPOLOGY_H

/* Declares exchanges and queues over a link, one method after the other, without waiting: a list of
 * things, each with a few steps, each with an answer. On a channel of its own, which the server
 * closes when it does not like a step. */

#include "broker/broker.h"
#include "broker/link.h"

enum { TOPOLOGY_CHANNEL = 2 };

enum topology_step {
    TOPOLOGY_IDLE,
    TOPOLOGY_OPEN,
    TOPOLOGY_EXCHANGE,
    TOPOLOGY_QUEUE,
    TOPOLOGY_BIND,
    TOPOLOGY_PURGE,
    TOPOLOGY_STEPS
};

/* Either an exchange or a queue. */
struct topology_item {
    const struct broker_exchange *exchange;
    const struct broker_queue *queue;
    bool wanted;   /* to be declared */
    bool purge;    /* to be emptied after that, once */
    bool optional; /* its refusal is not the end */
    bool lazy;     /* not wanted until topology_want_lazy asks for it */
    bool tried;    /* declared on this link, or refused */
};

struct topology {
    struct topology_item *items; /* owned */
    size_t count, room, current;
    enum topology_step step; /* whose answer is awaited */
    size_t round;            /* of that step: for which of the item's bindings */
    bool channel_open;
};

void topology_init(struct topology *topology);
void topology_done(struct topology *topology);
/* False: out of memory. */
MUST_CHECK bool topology_add(struct topology *topology, struct topology_item item);
/* On a new link, whose channel is open: everything is to be declared. */
void topology_reset(struct topology *topology);
bool topology_wants(const struct topology *topology);
void topology_want_queue(struct topology *topology, const struct broker_queue *queue);
/* A message needs the queue: true if it must be declared first, which is wanted from now on.
 * Borrows the queue for the topology's life. */
bool topology_want_lazy(struct topology *topology, const struct broker_queue *queue);

enum topology_progress {
    TOPOLOGY_COMPLETE = 0, /* nothing is left to declare */
    TOPOLOGY_WAITING = 1,  /* an answer is awaited */
    TOPOLOGY_INVALID = -1, /* something cannot be sent; see topology_describe */
};
/* Sends the next step unless one is awaited. */
MUST_CHECK enum topology_progress topology_advance(struct topology *topology, struct link *link);
/* A method came on the channel: true if it is the awaited answer. */
bool topology_answered(const struct topology *topology, amqp_method_number_t id);
/* After the awaited answer: sends the next step. */
MUST_CHECK enum topology_progress topology_continue(struct topology *topology, struct link *link);
/* The server closed the channel, with this code: the current item stays wanted. Answers the close.
 * True if the item is an optional one, which is not wanted any more. */
bool topology_refused(struct topology *topology, struct link *link, int code);
/* A sentence about the current item and what the server said of it; with advice where there is
 * some. */
void topology_describe(const struct topology *topology, int code, const char *server_text,
                       char *ret, size_t size);

#endif
