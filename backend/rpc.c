/* SPDX-License-Identifier: BSD-3-Clause */
/* Results as messages to the queue that the client named in reply_to (celery-wire.md 4.5). The
 * client declares that queue; if it is gone the message goes nowhere and counts as stored, because
 * nobody is left to read it. */

#include <stdlib.h>

#include "backend/internal.h"

struct rpc {
    struct broker *broker;
    struct text content_type, content_encoding;
    int delivery_mode;
};

static struct text text_of(const char *string)
{
    size_t size = 0;
    while (string && string[size])
        size++;
    return (struct text){string, size};
}

static void *rpc_open(const struct backend_config *config)
{
    struct rpc *rpc = malloc(sizeof(*rpc));
    if (!rpc)
        return NULL;
    *rpc = (struct rpc){
        .broker = config->broker,
        .content_type = text_of(config->serializer->content_type),
        .content_encoding = text_of(config->serializer->content_encoding),
        .delivery_mode = config->persistent ? 2 : 1,
    };
    return rpc;
}

static void rpc_close(void *self)
{
    free(self);
}

static enum backend_answer rpc_store(void *self, const struct backend_result *result,
                                     backend_stored *stored, void *context)
{
    const struct rpc *rpc = self;
    if (result->reply_to.size == 0)
        return BACKEND_NOTHING;
    struct broker_message message = {
        .routing_key = result->reply_to,
        .content_type = rpc->content_type,
        .content_encoding = rpc->content_encoding,
        .correlation_id =
            result->correlation_id.size > 0 ? result->correlation_id : result->task_id,
        .priority = 0,
        .delivery_mode = rpc->delivery_mode,
        .body = result->document,
    };
    switch (broker_publish(rpc->broker, &message, stored, context)) {
    case BROKER_OK:
        return BACKEND_PENDING;
    case BROKER_EFULL:
        return BACKEND_FULL;
    default:
        return BACKEND_FAILED;
    }
}

const struct backend_type backend_rpc = {
    .schemes = {"rpc"},
    .open = rpc_open,
    .close = rpc_close,
    .store = rpc_store,
};
