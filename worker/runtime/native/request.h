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
};

/* False if `map` is no map with a task and an id in UTF-8; *ret is untouched then. */
MUST_CHECK bool request_read(const msgpack_object *map, struct request *ret);

/* A text of the headers or properties; no text if it is not there, no str or not UTF-8. */
struct text request_header(const struct request *request, const char *name);
struct text request_property(const struct request *request, const char *name);

/* True if the list of content types that may be decoded holds this one, or the name of its
 * serializer. */
bool request_accepts(const struct request *request, struct text content_type);

/* The request as task authors see it, in the zone; NULL when out of memory. */
const struct celeriac_request *request_publish(const struct request *request, msgpack_zone *zone);

#endif
