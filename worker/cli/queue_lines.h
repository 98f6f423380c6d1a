/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_QUEUE_LINES_H
#define CELERIAC_CLI_QUEUE_LINES_H

/* What the sections [queue NAME] of the configuration file say, and the dictionary that this is:
 * what task_queues would be in a Python file. */

#include "codec/value.h"
#include "worker/cli/queue_fields.h"

struct queue_line {
    char *queue, *key, *value; /* owned */
};

struct queue_lines {
    struct queue_line *items;
    size_t count;
};

/* Copies. False: out of memory. */
MUST_CHECK bool queue_lines_add(struct queue_lines *lines, const char *queue, const char *key,
                                const char *value);
void queue_lines_done(struct queue_lines *lines);

/* A map from queue to what is said of it, in their order. In the zone, or borrowed from the lines.
 * -1 with a sentence in `error`. */
MUST_CHECK int queue_lines_read(const struct queue_lines *lines, msgpack_zone *zone,
                                msgpack_object *ret, char error[QUEUES_ERROR_SIZE]);

#endif
