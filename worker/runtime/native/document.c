/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what goes into a result document. Knows neither who stores it nor when. */

#include "worker/runtime/native/document.h"

#include <string.h>
#include <time.h>

static int64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct document document_of(const struct request *request, const char *state)
{
    return (struct document){.task_id = request->id,
                             .group_id = request_header(request, "group"),
                             .parent_id = request_header(request, "parent_id"),
                             .state = {state, strlen(state)},
                             .request = request};
}

const struct serializer *document_serializer(struct text name, msgpack_zone *zone)
{
    const char *copy = text_copy(zone, name);
    const struct serializer *serializer = copy == NULL ? NULL : serializer_by_name(copy);
    return serializer != NULL ? serializer : serializer_by_name("json");
}

bool document_keeps_errors(const struct request *request)
{
    return !request->ignore_result || request->store_errors_even_if_ignored;
}

static bool is_ready(struct text state)
{
    return text_equal(state, "SUCCESS") || text_equal(state, "FAILURE") ||
           text_equal(state, "REVOKED");
}

/* `argument` is where the one argument is put that the exception has. */
static struct result_exception exception_of(const struct failure *failure, msgpack_object *argument)
{
    struct result_exception exception = {.type = failure->type,
                                         .module = failure->module,
                                         .arguments = {.type = MSGPACK_OBJECT_ARRAY}};
    *argument = failure->message;
    if (!value_is_nil(argument))
        exception.arguments.via.array = (msgpack_object_array){1, argument};
    return exception;
}

static struct result_extended extended_of(const struct document *document)
{
    const struct request *request = document->request;
    if (document->step != NULL)
        return (struct result_extended){.name = document->step->task,
                                        .args = &document->step->args,
                                        .kwargs = &document->step->kwargs};
    return (struct result_extended){.name = request->task,
                                    .worker = request->hostname,
                                    .queue = request_delivery(request, "routing_key"),
                                    .args = &document->body->args,
                                    .kwargs = &document->body->kwargs,
                                    .stamped_headers =
                                        value_get(request->headers, "stamped_headers"),
                                    .stamps = value_get(request->headers, "stamps"),
                                    .retries = request_retries(request)};
}

int document_write(const struct document *document, const struct serializer *serializer,
                   msgpack_zone *zone, struct buffer *buffer)
{
    const char *state = text_copy(zone, document->state);
    if (state == NULL)
        return CODEC_ENOMEM;
    struct result_message message = {.task_id = document->task_id,
                                     .status = state,
                                     .result = document->result,
                                     .group_id = document->group_id,
                                     .parent_id = document->parent_id,
                                     .children = document->children,
                                     .date_done = is_ready(document->state) ? now_usec() : 0};
    struct result_exception exception;
    struct result_extended extended;
    msgpack_object argument;
    if (document->result == NULL) {
        exception = exception_of(document->failure, &argument);
        message.exception = &exception;
        message.traceback = failure_traceback(document->failure, zone);
    }
    if (document->request != NULL && (document->body != NULL || document->step != NULL) &&
        document->request->result_extended) {
        extended = extended_of(document);
        message.extended = &extended;
    }
    return result_message_write(&message, serializer, buffer);
}

static bool put_exception(const struct failure *failure, msgpack_zone *zone, msgpack_object *ret)
{
    msgpack_object argument, map, arguments;
    struct result_exception exception = exception_of(failure, &argument);
    uint32_t count = exception.arguments.via.array.size;
    if (!value_map(zone, 3, &map) || !value_array(zone, count, &arguments))
        return false;
    if (count > 0)
        arguments.via.array.ptr[0] = argument;
    value_map_put(&map, "exc_type", value_text(exception.type));
    value_map_put(&map, "exc_message", arguments);
    value_map_put(&map, "exc_module", value_text(exception.module));
    *ret = map;
    return true;
}

int document_write_member(const struct document *document, const struct serializer *serializer,
                          msgpack_zone *zone, struct buffer *buffer)
{
    msgpack_object member, result;
    if (!value_array(zone, 4, &member))
        return CODEC_ENOMEM;
    if (document->result != NULL)
        result = *document->result;
    else if (!put_exception(document->failure, zone, &result))
        return CODEC_ENOMEM;
    member.via.array.ptr[0] = value_int(1);
    member.via.array.ptr[1] = value_text(document->task_id);
    member.via.array.ptr[2] = value_text(document->state);
    member.via.array.ptr[3] = result;
    return serializer->encode(&member, buffer);
}
