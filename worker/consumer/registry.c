/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of task names. Knows no message and no process. */

#include "worker/consumer/registry.h"

#include <stdint.h>
#include <string.h>

#include "worker/consumer/appsignal.h"
#include "worker/consumer/hash.h"

static enum tristate option_flag(const msgpack_object *options, const char *name)
{
    bool flag;
    if (!value_as_bool(value_get(options, name), &flag))
        return UNSET;
    return flag ? YES : NO;
}

static double option_seconds(const msgpack_object *options, const char *name)
{
    double seconds;
    return value_as_double(value_get(options, name), &seconds) && seconds > 0 ? seconds : 0;
}

/* Nil unless it is something that can be kept. False: out of memory. */
static bool option_rate(struct registry *registry, const msgpack_object *options,
                        msgpack_object *ret)
{
    const msgpack_object *value = value_get(options, "rate_limit");
    double number;
    struct text text;
    *ret = value_nil();
    if (value_as_double(value, &number))
        *ret = value_double(number);
    if (!value_as_text(value, &text))
        return true;
    text.data = text_copy(registry->zone, text);
    *ret = value_text(text);
    return text.data != NULL;
}

static bool add_task(struct registry *registry, const msgpack_object_kv *entry)
{
    struct text name;
    if (!value_as_text(&entry->key, &name))
        return true; /* not a name: nobody can call it */
    struct task *task = msgpack_zone_malloc(registry->zone, sizeof(*task));
    char *copy = text_copy(registry->zone, name);
    if (task == NULL || copy == NULL)
        return false;
    *task = (struct task){
        .name = {copy, name.size},
        .acks_late = option_flag(&entry->val, "acks_late"),
        .reject_on_worker_lost = option_flag(&entry->val, "reject_on_worker_lost"),
        .acks_on_failure_or_timeout = option_flag(&entry->val, "acks_on_failure_or_timeout"),
        .ignore_result = option_flag(&entry->val, "ignore_result"),
        .time_limit = option_seconds(&entry->val, "time_limit"),
        .soft_time_limit = option_seconds(&entry->val, "soft_time_limit"),
    };
    if (!option_rate(registry, &entry->val, &task->rate_limit))
        return false;
    struct task **bucket = &registry->buckets[hash_text(name) % REGISTRY_BUCKETS];
    task->next = *bucket;
    *bucket = task;
    registry->count++;
    return true;
}

bool registry_init(struct registry *registry, const msgpack_object *description)
{
    *registry = (struct registry){.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE)};
    if (registry->zone == NULL)
        return false;
    value_as_bool(value_get(description, "records"), &registry->records);
    registry->app_decides = !value_is_nil(value_get(description, "backend"));
    registry->signals = appsignal_wanted(description);
    const msgpack_object *tasks = value_get(description, "tasks");
    if (tasks == NULL || tasks->type != MSGPACK_OBJECT_MAP)
        return true;
    for (uint32_t i = 0; i < tasks->via.map.size; i++) {
        if (!add_task(registry, &tasks->via.map.ptr[i])) {
            registry_done(registry);
            return false;
        }
    }
    return true;
}

void registry_done(struct registry *registry)
{
    if (registry->zone != NULL)
        msgpack_zone_free(registry->zone);
    *registry = (struct registry){0};
}

struct task *registry_find(const struct registry *registry, struct text name)
{
    struct task *task = registry->buckets[hash_text(name) % REGISTRY_BUCKETS];
    while (task != NULL &&
           (task->name.size != name.size || memcmp(task->name.data, name.data, name.size) != 0))
        task = task->next;
    return task;
}
