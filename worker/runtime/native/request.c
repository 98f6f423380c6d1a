/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the keys of a JOB's request. Knows neither the body nor the task. */

#include "worker/runtime/native/request.h"

#include "codec/serializer.h"
#include "codec/utf8.h"

/* What goes into every result: it must be fit for every serializer. */
static bool is_text(const msgpack_object *value)
{
    struct text text;
    return value_as_text(value, &text) && utf8_is_valid(text);
}

bool request_read(const msgpack_object *map, struct request *ret)
{
    struct request request = {.headers = value_get(map, "headers"),
                              .properties = value_get(map, "properties"),
                              .delivery_info = value_get(map, "delivery_info"),
                              .accept = value_get(map, "accept"),
                              .record = value_get(map, "record"),
                              .result_serializer = {"json", 4},
                              .task_serializer = {"json", 4},
                              .chords = true};
    if (!is_text(value_get(map, "task")) || !is_text(value_get(map, "id")))
        return false;
    value_as_text(value_get(map, "task"), &request.task);
    value_as_text(value_get(map, "id"), &request.id);
    const msgpack_object *limits = value_get(map, "timelimit");
    value_as_double(value_at(limits, 0), &request.hard_limit);
    value_as_double(value_at(limits, 1), &request.soft_limit);
    value_as_text(value_get(map, "hostname"), &request.hostname);
    value_as_bool(value_get(map, "ignore_result"), &request.ignore_result);
    value_as_text(value_get(map, "result_serializer"), &request.result_serializer);
    value_as_text(value_get(map, "task_serializer"), &request.task_serializer);
    value_as_bool(value_get(map, "track_started"), &request.track_started);
    value_as_bool(value_get(map, "store_errors_even_if_ignored"),
                  &request.store_errors_even_if_ignored);
    value_as_bool(value_get(map, "result_extended"), &request.result_extended);
    value_as_bool(value_get(map, "inherit_parent_priority"), &request.inherit_parent_priority);
    value_as_bool(value_get(map, "chords"), &request.chords);
    *ret = request;
    return true;
}

static struct text text_under(const msgpack_object *map, const char *name)
{
    struct text text = {NULL, 0};
    const msgpack_object *value = value_get(map, name);
    if (is_text(value))
        value_as_text(value, &text);
    return text;
}

struct text request_header(const struct request *request, const char *name)
{
    return text_under(request->headers, name);
}

struct text request_property(const struct request *request, const char *name)
{
    return text_under(request->properties, name);
}

struct text request_delivery(const struct request *request, const char *name)
{
    return text_under(request->delivery_info, name);
}

int64_t request_retries(const struct request *request)
{
    int64_t retries = 0;
    value_as_int(value_get(request->headers, "retries"), &retries);
    return retries < 0 || retries > INT32_MAX ? 0 : retries;
}

struct text request_root_id(const struct request *request)
{
    struct text root_id = request_header(request, "root_id");
    return root_id.data != NULL ? root_id : request->id;
}

bool request_accepts(const struct request *request, struct text content_type)
{
    const struct serializer *serializer = serializer_by_content_type(content_type);
    if (serializer == NULL)
        return false;
    struct text accepted;
    for (size_t i = 0; value_as_text(value_at(request->accept, i), &accepted); i++) {
        if (text_equal(accepted, serializer->content_type) ||
            text_equal(accepted, serializer->name))
            return true;
    }
    return false;
}

static bool publish_text(msgpack_zone *zone, struct text text, const char **ret)
{
    if (text.data == NULL)
        return true;
    *ret = text_copy(zone, text);
    return *ret != NULL;
}

static bool publish_texts(const struct request *request, msgpack_zone *zone,
                          struct celeriac_request *ret)
{
    const struct {
        struct text text;
        const char **ret;
    } texts[] = {
        {request->id, &ret->id},
        {request->task, &ret->task},
        {request_header(request, "root_id"), &ret->root_id},
        {request_header(request, "parent_id"), &ret->parent_id},
        {request_header(request, "group"), &ret->group},
        {request_header(request, "eta"), &ret->eta},
        {request_header(request, "expires"), &ret->expires},
        {request_property(request, "correlation_id"), &ret->correlation_id},
        {request_property(request, "reply_to"), &ret->reply_to},
        {text_under(request->delivery_info, "exchange"), &ret->exchange},
        {text_under(request->delivery_info, "routing_key"), &ret->routing_key},
        {request->hostname, &ret->hostname},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!publish_text(zone, texts[i].text, texts[i].ret))
            return false;
    }
    return true;
}

const struct celeriac_request *request_publish(const struct request *request, msgpack_zone *zone)
{
    struct celeriac_request *public_request = msgpack_zone_malloc(zone, sizeof(*public_request));
    if (public_request == NULL)
        return NULL;
    int64_t priority = -1;
    *public_request = (struct celeriac_request){.time_limit = request->hard_limit,
                                                .soft_time_limit = request->soft_limit};
    value_as_int(value_get(request->headers, "retries"), &public_request->retries);
    value_as_int(value_get(request->delivery_info, "priority"), &priority);
    value_as_bool(value_get(request->delivery_info, "redelivered"), &public_request->redelivered);
    public_request->priority = priority >= 0 && priority <= 255 ? (int)priority : -1;
    return publish_texts(request, zone, public_request) ? public_request : NULL;
}
