/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the choice of an address. Declares and sends nothing. */

#include "client/route.h"

#include <string.h>

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static const char *or_else(const char *text, const char *otherwise)
{
    return is_set(text) ? text : otherwise;
}

static const char *default_queue(const struct celeriac_client_config *config)
{
    return or_else(config->task_default_queue, "celery");
}

/* What the settings say of a queue that is not the default one is its name. */
static struct broker_queue describe(const struct celeriac_client_config *config, const char *name)
{
    bool is_default = strcmp(name, default_queue(config)) == 0;
    const char *type = is_default ? config->task_default_exchange_type
                                  : config->task_create_missing_queue_exchange_type;
    return (struct broker_queue){
        .name = name,
        .exchange = is_default ? or_else(config->task_default_exchange, name) : name,
        .exchange_type = or_else(type, "direct"),
        .routing_key = is_default ? or_else(config->task_default_routing_key, name) : name,
        .durable = true,
        .declare_only = true,
    };
}

void route_find(const struct celeriac_client_config *config, const struct celeriac_call *call,
                struct route *ret)
{
    const char *name = or_else(call->queue, default_queue(config));
    const struct broker_queue queue = describe(config, name);
    /* Half an address counts only where the queue's own exchange is not a direct one. */
    bool whole = is_set(call->exchange) && is_set(call->routing_key);
    if (!whole && strcmp(queue.exchange_type, "direct") == 0) {
        *ret = (struct route){name, "", name};
        return;
    }
    *ret = (struct route){
        .queue = name,
        .exchange = or_else(call->exchange, queue.exchange),
        .routing_key = or_else(call->routing_key, queue.routing_key),
    };
}

bool route_queue(const struct celeriac_client_config *config, const char *name, msgpack_zone *zone,
                 struct broker_queue *ret)
{
    const char *copy = text_copy(zone, (struct text){name, strlen(name)});
    msgpack_object arguments;
    if (copy == NULL || !value_map(zone, 2, &arguments))
        return false;
    bool is_default = strcmp(name, default_queue(config)) == 0;
    const char *type =
        is_default ? config->task_default_queue_type : config->task_create_missing_queue_type;
    if (is_set(type) && strcmp(type, "classic") != 0)
        value_map_put(&arguments, "x-queue-type", value_string(type));
    if (config->task_queue_max_priority > 0)
        value_map_put(&arguments, "x-max-priority", value_int(config->task_queue_max_priority));
    *ret = describe(config, copy);
    ret->arguments = arguments;
    return true;
}
