/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_QUEUES_H
#define CELERIAC_CLI_QUEUES_H

/* Which queues are consumed, and how they are declared: what HELLO says of an app's queues, else
 * Celery's rules for -Q, -X and the default queue (celery-wire.md 1.2, 1.3). */

#include "broker/broker.h"
#include "worker/cli/options.h"
#include "worker/cli/settings.h"

struct queues {
    struct broker_queue *items;
    size_t count;
    msgpack_zone *zone; /* of all of it that is not borrowed */
};

enum { QUEUES_ERROR_SIZE = 256 };

/* Borrows the strings of both. -1, and nothing to free, with a sentence in `error`. */
MUST_CHECK int queues_select(const struct options *options, const struct settings *settings,
                             struct queues *ret, char error[QUEUES_ERROR_SIZE]);
/* Takes HELLO's `queues` (PROTOCOL.md); copies all of it. Likewise. */
MUST_CHECK int queues_read(const msgpack_object *described, struct queues *ret,
                           char error[QUEUES_ERROR_SIZE]);
/* Empty, with room for so many. False: out of memory, said in `error`. */
MUST_CHECK bool queues_make(size_t room, struct queues *ret, char error[QUEUES_ERROR_SIZE]);
void queues_done(struct queues *queues);

#endif
