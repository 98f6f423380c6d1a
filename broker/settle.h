/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_SETTLE_H
#define CELERIAC_BROKER_SETTLE_H

/* Which deliveries of a channel are not settled yet, and the fewest methods that settle what was
 * decided: the acks below the oldest undecided tag become one with `multiple`. Pure: it sends
 * nothing. */

#include "broker/broker.h"
#include "broker/window.h"

/* Tags in the order they were settled. */
struct settle_queue {
    uint64_t *tags; /* owned */
    size_t head, end, room;
};

struct settle {
    struct window window;        /* not yet on the wire; the item says what was decided */
    struct settle_queue acks;    /* decided; may name tags that a `multiple` has covered since */
    struct settle_queue returns; /* decided: rejects and nacks; likewise */
};

/* One method to send. */
struct settle_op {
    enum broker_verb verb;
    uint64_t tag;
    bool multiple;
};

void settle_init(struct settle *settle);
void settle_done(struct settle *settle);
/* Forgets everything: the channel is gone. */
void settle_clear(struct settle *settle);
/* Tags come in growing order. False: out of memory. */
MUST_CHECK bool settle_delivered(struct settle *settle, uint64_t tag);
/* Decides a tag. It must have been delivered and not been decided before (assertion). */
void settle_mark(struct settle *settle, uint64_t tag, enum broker_verb verb);
/* The next method to send for what was decided; false when there is none. May be interrupted and
 * resumed at any time. */
bool settle_next(struct settle *settle, struct settle_op *ret);
/* True if settle_next has something. */
bool settle_pending(const struct settle *settle);

#endif
