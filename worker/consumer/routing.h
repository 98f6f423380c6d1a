/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_ROUTING_H
#define CELERIAC_CONSUMER_ROUTING_H

/* Where messages of a task go (Celery's task_routes): by its name, else by the first pattern that
 * fits, in their order. */

#include <stddef.h>

#include "codec/value.h"
#include "worker/consumer/consumer.h"

/* The queue for a task, or NULL. */
const char *routing_find(const struct routing_rule *rules, size_t count, struct text task);

#endif
