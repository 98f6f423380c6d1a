/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_QUEUES_H
#define CELERIAC_CLI_QUEUES_H

/* Which queues are known and which of them are consumed, and how they are declared: what HELLO says
 * of an app's queues, else Celery's rules for task_queues, -Q, -X, the default queue and
 * worker_direct (celery-wire.md 1.2, 1.3). */

#include "broker/broker.h"
#include "worker/cli/options.h"
#include "worker/cli/settings.h"

struct queues {
    struct broker_queue *items; /* the consumed ones first */
    size_t count;               /* consumed */
    size_t known;               /* all: the others are only sent to */
    msgpack_zone *zone;         /* of all of it that is not borrowed */
};

/* Borrows the strings of all three. -1, and nothing to free, with a sentence in `error`. */
MUST_CHECK int queues_select(const struct options *options, const struct settings *settings,
                             const char *nodename, struct queues *ret,
                             char error[QUEUES_ERROR_SIZE]);
/* How a queue is made that tasks send to and nobody has configured; it has no name, exchange and
 * key yet. In the queues' zone. False: out of memory. */
MUST_CHECK bool queues_missing(const struct queues *queues, const struct settings *settings,
                               struct broker_queue *ret);
/* Takes HELLO's `queues` and `other_queues` (PROTOCOL.md); copies all of it. As queues_select. */
MUST_CHECK int queues_read(const msgpack_object *described, const msgpack_object *others,
                           struct queues *ret, char error[QUEUES_ERROR_SIZE]);
/* Adds an array of such descriptions to the known ones; there is room for them. -1 with a sentence
 * in `error`. */
MUST_CHECK int queues_append(struct queues *queues, const msgpack_object *described,
                             char error[QUEUES_ERROR_SIZE]);
/* Empty, with room for so many. False: out of memory, said in `error`. */
MUST_CHECK bool queues_make(size_t room, struct queues *ret, char error[QUEUES_ERROR_SIZE]);
void queues_done(struct queues *queues);

#endif
