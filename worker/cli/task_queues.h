/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_TASK_QUEUES_H
#define CELERIAC_CLI_TASK_QUEUES_H

/* task_queues, as Celery's dictionary has it: as JSON, {"feeds": {"exchange": "feeds",
 * "exchange_type": "topic", "routing_key": "feed.#"}}, or as sections [queue NAME] of the
 * configuration file (docs/queues.md). */

#include "worker/cli/settings.h"

/* True if there are any. */
bool task_queues_given(const struct settings *settings);
/* Writes them, in their order, as the descriptions that HELLO has of an app's queues (PROTOCOL.md),
 * with Celery's rules for what is not said. All in the zone, or borrowed from the settings. -1 with
 * a sentence in `error`. */
MUST_CHECK int task_queues_describe(const struct settings *settings, msgpack_zone *zone,
                                    msgpack_object *ret, char error[QUEUES_ERROR_SIZE]);

#endif
