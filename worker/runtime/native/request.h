/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_REQUEST_H
#define CELERIAC_NATIVE_REQUEST_H

/* The request of a JOB (PROTOCOL.md): what the main process says about the message. */

#include <stdbool.h>

#include "codec/value.h"
#include "include/celeriac/task.h"

/* Borrows the map; texts are without data, and pointers NULL, where there is none. */
struct request {
    struct text task, id; /* always there */
    const msgpack_object *headers, *properties, *delivery_info;
    struct text hostname;
    double hard_limit, soft_limit; /* seconds; 0: none */
    bool ignore_result;
    struct text result_serializer; /* "json" if the map names none */
    const msgpack_object *accept;
    struct text task_serializer; /* "json" if the map names none */
    bool track_started, store_errors_even_if_ignored, result_extended, inherit_parent_priority;
    bool chords;                  /* true if the map does not say */
    const msgpack_object *record; /* what is to be written down instead of a run; NULL: none */
};

/* False if `map` is no map with a task and an id in UTF-8; *ret is untouched then. */
MUST_CHECK bool request_read(const msgpack_object *map, struct request *ret);

/* A text of the headers or properties; no text if it is not there, no str or not UTF-8. */
struct text request_header(const struct request *request, const char *name);
struct text request_property(const struct request *request, const char *name);

int64_t request_retries(const struct request *request);
/* The id of the workflow's first task: the task's own where the message names none. */
struct text request_root_id(const struct request *request);
/* A text of delivery_info. */
struct text request_delivery(const struct request *request, const char *name);

/* True if the list of content types that may be decoded holds this one, or the name of its
 * serializer. */
bool request_accepts(const struct request *request, struct text content_type);

/* The request as task authors see it, in the zone; NULL when out of memory. */
const struct celeriac_request *request_publish(const struct request *request, msgpack_zone *zone);

#endif
