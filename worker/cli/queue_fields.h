/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_QUEUE_FIELDS_H
#define CELERIAC_CLI_QUEUE_FIELDS_H

/* What may be said of a queue in task_queues: Celery's words, and what RabbitMQ calls an argument
 * of the queue ("x-..."). */

#include "codec/value.h"

enum { QUEUES_ERROR_SIZE = 256 };

enum queue_field_kind {
    QUEUE_FIELD_TEXT, /* at most 255 bytes, no null among them */
    QUEUE_FIELD_FLAG,
    QUEUE_FIELD_NUMBER,
    QUEUE_FIELD_TABLE,
    QUEUE_FIELD_LIST,
};

struct queue_field {
    const char *name;
    enum queue_field_kind kind;
};

/* NULL: there is none of that name. */
const struct queue_field *queue_field_find(struct text name);
bool queue_field_is_argument(struct text name);
bool queue_field_fits(enum queue_field_kind kind, const msgpack_object *value);
/* False: it is no JSON. The value borrows from nothing but the zone and the text. */
MUST_CHECK bool queue_field_json(const char *text, msgpack_zone *zone, msgpack_object *ret);
/* Puts the pair into a map that has room for it, in the place of one of the same name. */
void queue_field_put(msgpack_object *map, msgpack_object key, msgpack_object value);
/* Says that `name` is no field (NULL), or that its value does not fit. Returns -1. */
int queue_field_refuse(const struct queue_field *field, struct text name, const char *queue,
                       char error[QUEUES_ERROR_SIZE]);

#endif
