/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the choice of queues and the declare arguments of those that Celery makes by itself.
 * Declares nothing. */

#include "worker/cli/queues.h"

#include <stdio.h>
#include <string.h>

#include "worker/cli/task_queues.h"

struct selecting {
    const struct options *options;
    const struct settings *settings;
    const char *nodename;
    struct queues all; /* known ones only, in their order */
    size_t *chosen;    /* their indexes */
    size_t count;
    char *error;
};

static const char *or_else(const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

static int fail(const struct selecting *selecting, const char *text)
{
    snprintf(selecting->error, QUEUES_ERROR_SIZE, "%s", text);
    return -1;
}

/* ---- what Celery makes by itself ---- */

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

static bool default_queue(const struct selecting *selecting, struct broker_queue *ret)
{
    const struct settings *settings = selecting->settings;
    const char *name = settings->task_default_queue;
    *ret = (struct broker_queue){
        .name = name,
        .exchange = or_else(settings->task_default_exchange, name),
        .exchange_type = or_else(settings->task_default_exchange_type, "direct"),
        .routing_key = or_else(settings->task_default_routing_key, name),
        .durable = true,
    };
    return arguments_of(settings->task_default_queue_type, settings->task_queue_max_priority,
                        selecting->all.zone, &ret->arguments);
}

bool queues_missing(const struct queues *queues, const struct settings *settings,
                    struct broker_queue *ret)
{
    *ret = (struct broker_queue){
        .exchange_type = or_else(settings->task_create_missing_queue_exchange_type, "direct"),
        .durable = true,
    };
    return arguments_of(settings->task_create_missing_queue_type, settings->task_queue_max_priority,
                        queues->zone, &ret->arguments);
}

/* The queue by which tasks reach this worker and no other. */
static bool direct_queue(const struct selecting *selecting, struct broker_queue *ret)
{
    static const char suffix[] = ".dq2";
    msgpack_zone *zone = selecting->all.zone;
    size_t size = strlen(selecting->nodename) + sizeof(suffix);
    char *name = msgpack_zone_malloc_no_align(zone, size);
    if (name == NULL)
        return false;
    snprintf(name, size, "%s%s", selecting->nodename, suffix);
    *ret = (struct broker_queue){
        .name = name,
        .exchange = "C.dq2",
        .exchange_type = "direct",
        .routing_key = selecting->nodename,
        .durable = true,
    };
    return arguments_of(NULL, selecting->settings->task_queue_max_priority, zone, &ret->arguments);
}

/* ---- what is known ---- */

static bool make_all(struct selecting *selecting, size_t configured)
{
    size_t room = configured + SETTING_LIST_MAX + 1; /* -Q, and worker_direct */
    if (!queues_make(room, &selecting->all, selecting->error))
        return false;
    selecting->chosen = msgpack_zone_malloc(selecting->all.zone, room * sizeof(*selecting->chosen));
    return selecting->chosen != NULL || fail(selecting, "out of memory") == 0;
}

static int add_configured(struct selecting *selecting)
{
    msgpack_object described;
    msgpack_zone *zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (zone == NULL)
        return fail(selecting, "out of memory");
    int rc = task_queues_describe(selecting->settings, zone, &described, selecting->error);
    if (rc == 0)
        rc = make_all(selecting, described.via.array.size) ? 0 : -1;
    if (rc == 0)
        rc = queues_append(&selecting->all, &described, selecting->error);
    msgpack_zone_free(zone);
    return rc;
}

static int add_default(struct selecting *selecting)
{
    if (!make_all(selecting, 1))
        return -1;
    if (!default_queue(selecting, &selecting->all.items[selecting->all.known++]))
        return fail(selecting, "out of memory");
    return 0;
}

/* ---- what is consumed ---- */

static bool is_called(const struct broker_queue *queue, const char *name)
{
    return strcmp(queue->name, name) == 0 ||
           (queue->alias != NULL && strcmp(queue->alias, name) == 0);
}

static size_t index_of(const struct queues *all, const char *name)
{
    size_t index = 0;
    while (index < all->known && !is_called(&all->items[index], name))
        index++;
    return index;
}

static void choose(struct selecting *selecting, size_t index)
{
    for (size_t i = 0; i < selecting->count; i++)
        if (selecting->chosen[i] == index)
            return;
    selecting->chosen[selecting->count++] = index;
}

/* Of -Q: a queue that nobody has configured is made. */
static int choose_named(struct selecting *selecting, const char *name)
{
    struct queues *all = &selecting->all;
    size_t index = index_of(all, name);
    if (index < all->known) {
        choose(selecting, index);
        return 0;
    }
    if (!selecting->settings->task_create_missing_queues) {
        snprintf(selecting->error, QUEUES_ERROR_SIZE,
                 "the queue %.100s is not configured, and task_create_missing_queues is off", name);
        return -1;
    }
    struct broker_queue *queue = &all->items[all->known++];
    if (!queues_missing(all, selecting->settings, queue))
        return fail(selecting, "out of memory");
    queue->name = queue->exchange = queue->routing_key = name;
    choose(selecting, index);
    return 0;
}

static int include(struct selecting *selecting)
{
    const struct setting_list *wanted = &selecting->options->queues;
    for (size_t i = 0; i < wanted->count; i++)
        if (choose_named(selecting, wanted->items[i]) != 0)
            return -1;
    for (size_t i = 0; i < selecting->all.known && wanted->count == 0; i++)
        choose(selecting, i);
    return 0;
}

static bool is_excluded(const struct selecting *selecting, size_t index)
{
    const struct setting_list *unwanted = &selecting->options->exclude_queues;
    for (size_t i = 0; i < unwanted->count; i++)
        if (is_called(&selecting->all.items[index], unwanted->items[i]))
            return true;
    return false;
}

static void exclude(struct selecting *selecting)
{
    size_t kept = 0;
    for (size_t i = 0; i < selecting->count; i++)
        if (!is_excluded(selecting, selecting->chosen[i]))
            selecting->chosen[kept++] = selecting->chosen[i];
    selecting->count = kept;
}

static int choose_all(struct selecting *selecting)
{
    if (include(selecting) != 0)
        return -1;
    exclude(selecting);
    if (selecting->settings->worker_direct) {
        if (!direct_queue(selecting, &selecting->all.items[selecting->all.known]))
            return fail(selecting, "out of memory");
        choose(selecting, selecting->all.known++);
    }
    if (selecting->count == 0)
        return fail(selecting, "no queue is left to consume: see -Q and -X");
    return 0;
}

/* The chosen ones first, in the order in which they were chosen. */
static int sort(struct selecting *selecting)
{
    struct queues *all = &selecting->all;
    struct broker_queue *items = msgpack_zone_malloc(all->zone, all->known * sizeof(*items));
    size_t count = 0;
    if (items == NULL)
        return fail(selecting, "out of memory");
    for (size_t i = 0; i < selecting->count; i++)
        items[count++] = all->items[selecting->chosen[i]];
    for (size_t i = 0; i < all->known; i++) {
        size_t at = 0;
        while (at < selecting->count && selecting->chosen[at] != i)
            at++;
        if (at == selecting->count)
            items[count++] = all->items[i];
        /* Each worker declares its own Broadcast queue, and senders none. */
        items[count - 1].no_declare |= at == selecting->count && all->items[i].alias != NULL;
    }
    all->items = items;
    all->count = selecting->count;
    return 0;
}

int queues_select(const struct options *options, const struct settings *settings,
                  const char *nodename, struct queues *ret, char error[QUEUES_ERROR_SIZE])
{
    struct selecting selecting = {
        .options = options, .settings = settings, .nodename = nodename, .error = error};
    if (settings->task_default_queue == NULL)
        return fail(&selecting, "task_default_queue must name a queue");
    int rc = task_queues_given(settings) ? add_configured(&selecting) : add_default(&selecting);
    if (rc == 0)
        rc = choose_all(&selecting);
    if (rc == 0)
        rc = sort(&selecting);
    if (rc == 0)
        *ret = selecting.all;
    else
        queues_done(&selecting.all);
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
