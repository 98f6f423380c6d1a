/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_QUEUES_H
#define CELERIAC_CLI_QUEUES_H

/* Which queues are consumed, and how they are declared: Celery's rules for -Q, -X and the default
 * queue (celery-wire.md 1.2, 1.3). */

#include "broker/broker.h"
#include "worker/cli/options.h"
#include "worker/cli/settings.h"

struct queues {
    struct broker_queue items[SETTING_LIST_MAX];
    size_t count;
    msgpack_zone *zone; /* of the arguments */
};

enum { QUEUES_ERROR_SIZE = 256 };

/* Borrows the strings of both. -1 with a sentence in `error`. */
MUST_CHECK int queues_select(const struct options *options, const struct settings *settings,
                             struct queues *ret, char error[QUEUES_ERROR_SIZE]);
void queues_done(struct queues *queues);

#endif
