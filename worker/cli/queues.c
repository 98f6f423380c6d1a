/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the choice of queues and their declare arguments. Declares nothing. */

#include "worker/cli/queues.h"

#include <stdio.h>
#include <string.h>

static const char *or_else(const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

/* RabbitMQ refuses a queue that exists with other arguments, so these are exactly the ones Celery
 * sends. */
static bool arguments_of(const char *queue_type, int max_priority, msgpack_zone *zone,
                         msgpack_object *ret)
{
    if (!value_map(zone, 2, ret))
        return false;
    if (queue_type != NULL && strcmp(queue_type, "classic") != 0)
        value_map_put(ret, "x-queue-type", value_string(queue_type));
    if (max_priority > 0)
        value_map_put(ret, "x-max-priority", value_int(max_priority));
    return true;
}

static bool default_queue(const struct settings *settings, msgpack_zone *zone,
                          struct broker_queue *ret)
{
    const char *name = settings->task_default_queue;
    *ret = (struct broker_queue){
        .name = name,
        .exchange = or_else(settings->task_default_exchange, name),
        .exchange_type = or_else(settings->task_default_exchange_type, "direct"),
        .routing_key = or_else(settings->task_default_routing_key, name),
        .durable = true,
    };
    return arguments_of(settings->task_default_queue_type, settings->task_queue_max_priority, zone,
                        &ret->arguments);
}

static bool missing_queue(const struct settings *settings, const char *name, msgpack_zone *zone,
                          struct broker_queue *ret)
{
    *ret = (struct broker_queue){
        .name = name,
        .exchange = name,
        .exchange_type = or_else(settings->task_create_missing_queue_exchange_type, "direct"),
        .routing_key = name,
        .durable = true,
    };
    return arguments_of(settings->task_create_missing_queue_type, settings->task_queue_max_priority,
                        zone, &ret->arguments);
}

static bool listed(const struct setting_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], name) == 0)
            return true;
    }
    return false;
}

static int add(const struct settings *settings, const char *name, struct queues *queues,
               char error[QUEUES_ERROR_SIZE])
{
    bool is_default = strcmp(name, settings->task_default_queue) == 0;
    if (!is_default && !settings->task_create_missing_queues) {
        snprintf(error, QUEUES_ERROR_SIZE,
                 "the queue %.100s is not configured, and task_create_missing_queues is off", name);
        return -1;
    }
    struct broker_queue *queue = &queues->items[queues->count];
    bool made = is_default ? default_queue(settings, queues->zone, queue)
                           : missing_queue(settings, name, queues->zone, queue);
    if (!made) {
        snprintf(error, QUEUES_ERROR_SIZE, "out of memory");
        return -1;
    }
    queues->count++;
    return 0;
}

static int fill(const struct options *options, const struct settings *settings,
                struct queues *queues, char error[QUEUES_ERROR_SIZE])
{
    struct setting_list only_default = {{settings->task_default_queue}, 1};
    const struct setting_list *wanted =
        options->queues.count > 0 ? &options->queues : &only_default;
    struct setting_list taken = {.count = 0};
    for (size_t i = 0; i < wanted->count; i++) {
        const char *name = wanted->items[i];
        if (listed(&options->exclude_queues, name) || listed(&taken, name))
            continue;
        taken.items[taken.count++] = name;
        if (add(settings, name, queues, error) != 0)
            return -1;
    }
    if (queues->count == 0) {
        snprintf(error, QUEUES_ERROR_SIZE, "no queue is left to consume: see -Q and -X");
        return -1;
    }
    return 0;
}

int queues_select(const struct options *options, const struct settings *settings,
                  struct queues *ret, char error[QUEUES_ERROR_SIZE])
{
    if (settings->task_default_queue == NULL) {
        snprintf(error, QUEUES_ERROR_SIZE, "task_default_queue must name a queue");
        return -1;
    }
    struct queues queues;
    if (!queues_make(SETTING_LIST_MAX, &queues, error))
        return -1;
    int rc = fill(options, settings, &queues, error);
    if (rc == 0)
        *ret = queues;
    else
        queues_done(&queues);
    return rc;
}

bool queues_make(size_t room, struct queues *ret, char error[QUEUES_ERROR_SIZE])
{
    *ret = (struct queues){.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE)};
    if (ret->zone != NULL)
        ret->items = msgpack_zone_malloc(ret->zone, room * sizeof(*ret->items));
    if (ret->items != NULL)
        return true;
    snprintf(error, QUEUES_ERROR_SIZE, "out of memory");
    queues_done(ret);
    return false;
}

void queues_done(struct queues *queues)
{
    if (queues->zone != NULL)
        msgpack_zone_free(queues->zone);
    *queues = (struct queues){0};
}
