/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_DELAYED_H
#define CELERIAC_CONSUMER_DELAYED_H

/* Celery's native delayed delivery (5.5 and newer, celery-wire.md 1.8): a line of 28 queues, in
 * each of which a message stays for twice as long as in the next, or which it passes by. Clients
 * publish with a key that says where to stay; what leaves the line goes on to the exchange of its
 * queue. Not to be confused with delay.h, which is for messages that we have. */

#include <stdbool.h>

#include "broker/broker.h"

enum { DELAYED_LEVELS = 28, DELAYED_KEY_SIZE = 256 };

#define DELAYED_ENTRY "celery_delayed_27"
#define DELAYED_EXIT  "celery_delayed_delivery"

/* What is declared and bound, over the consuming connection. */
struct delayed {
    struct broker_queue *queues; /* those to consume, then the line's, then the others' bindings */
    size_t queue_count;
    struct broker_exchange *exchanges;
    size_t exchange_count;
};

/* True if one of them is a quorum queue, as far as its arguments tell: Celery's condition. */
bool delayed_is_wanted(const struct broker_queue *queues, size_t count);
/* All in the zone; `queue_type`: of the line's, "quorum" or "classic". Of the `count` known queues
 * the first `consumed` are to be consumed; their strings and arguments are borrowed. Queues on
 * direct exchanges are no part of it, as in Celery. False: out of memory. */
MUST_CHECK bool delayed_make(msgpack_zone *zone, const char *queue_type,
                             const struct broker_queue *known, size_t count, size_t consumed,
                             struct delayed *ret);
/* The key for DELAYED_ENTRY. False: there is none for that time, or it is too long. */
MUST_CHECK bool delayed_key(int64_t seconds, struct text key, char ret[DELAYED_KEY_SIZE]);
/* The key that a message had before it was delayed; `key` if it was not. */
struct text delayed_original(struct text key);

#endif
