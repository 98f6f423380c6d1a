/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_DESTINATION_H
#define CELERIAC_CONSUMER_DESTINATION_H

/* Where messages go that tasks send, by Celery's rules: a queue on a direct exchange is reached by
 * its name, any other one by its exchange and key; a queue that nobody has configured is made
 * (task_create_missing_queues); what is not due goes through the delay line where there is one. */

#include <stdbool.h>
#include <stddef.h>

#include "broker/broker.h"
#include "worker/consumer/delayed.h"

enum destination_error {
    DESTINATION_OK = 0,
    DESTINATION_UNKNOWN = -1, /* not configured, and task_create_missing_queues is off */
    DESTINATION_ENOMEM = -2,
    DESTINATION_EFULL = -3, /* too many queues that nobody has configured */
};
const char *destination_strerror(int error);

/* What is known of queues; borrowed. */
struct destination_rules {
    const struct broker_queue *queues; /* all that are configured; the consumed ones first */
    size_t queue_count, consumed_count;
    const struct broker_queue *missing; /* how a missing one is made; NULL: none is */
    bool delayed;                       /* there is a delay line */
};

struct destinations {
    struct destination_rules rules;
    struct broker_queue **made; /* owned; their places do not change */
    size_t made_count;
};

struct destination {
    struct text exchange, routing_key;
    const struct broker_queue *declare; /* NULL: nothing is to be declared */
    char key[DELAYED_KEY_SIZE];         /* behind routing_key, if it is delayed */
};

void destinations_init(struct destinations *destinations, const struct destination_rules *rules);
void destinations_done(struct destinations *destinations);

/* Of a message to `queue`; `key`: instead of the queue's own, if not empty. The destination points
 * into the arguments, and is not to be copied. */
MUST_CHECK int destination_of_queue(struct destinations *destinations, struct text queue,
                                    struct text key, struct destination *ret);
/* Of a message to an exchange. */
void destination_of_exchange(struct text exchange, struct text key, struct destination *ret);
/* The message is due in so many seconds: through the delay line, if that leads there. */
void destination_delay(const struct destinations *destinations, int64_t seconds,
                       struct destination *destination);

#endif
