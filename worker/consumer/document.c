/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the result documents that no child can make: lost, limited, revoked and unknown tasks. */

#include <string.h>

#include "codec/result_message.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

static msgpack_object argument_of(const struct failure *failure)
{
    if (failure->message != NULL)
        return value_string(failure->message);
    if (failure->number == (double)(int64_t)failure->number)
        return value_int(
            (int64_t)failure->number); /* Celery writes the limit as it was set: mostly an int */
    return value_double(failure->number);
}

void document_write(struct request *request, const struct failure *failure)
{
    const struct task_message *message = &request->message;
    msgpack_object argument = argument_of(failure);
    msgpack_object arguments = {
        .type = MSGPACK_OBJECT_ARRAY,
        .via.array = {.size = failure->message != NULL || failure->has_number ? 1 : 0,
                      .ptr = &argument},
    };
    struct result_exception exception = {
        .type = {failure->type, strlen(failure->type)},
        .module = {failure->module, strlen(failure->module)},
        .arguments = arguments,
    };
    struct result_message result = {
        .task_id = message->id,
        .status = failure->status,
        .exception = &exception,
        .group_id = message->group,
        .parent_id = message->parent_id,
        .date_done = consumer_now(),
    };
    buffer_clear(&request->document, 0);
    int error = result_message_write(&result, request->consumer->config.result_serializer,
                                     &request->document);
    if (error != 0)
        log_error("Task %s: the result %s cannot be written: %s", request_label(request),
                  failure->status, codec_strerror(error));
}
