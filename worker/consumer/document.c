/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the result documents that no child can write any more: of tasks that a cold shutdown has cut
 * off, and in place of a result that could not be stored. */

#include <assert.h>
#include <string.h>

#include "codec/result_message.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

void document_write(struct request *request, const struct failure *failure)
{
    const struct task_message *message = &request->message;
    msgpack_object argument = failure_argument(failure);
    msgpack_object arguments = {
        .type = MSGPACK_OBJECT_ARRAY,
        .via.array = {.size = value_is_nil(&argument) ? 0 : 1, .ptr = &argument},
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
        .date_done = strcmp(failure->status, "RETRY") == 0 ? 0 : consumer_now(),
    };
    buffer_clear(&request->document, 0);
    assert(request->consumer->config.result_serializer != NULL);
    int error = result_message_write(&result, request->consumer->config.result_serializer,
                                     &request->document);
    if (error != 0)
        log_error("Task %s: the result %s cannot be written: %s", request_label(request),
                  failure->status, codec_strerror(error));
}
