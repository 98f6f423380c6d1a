/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns HELLO's description: what the library's tasks set themselves, under Celery's names. */

#include "worker/runtime/native/hello.h"

#include "worker/runtime/native/pack.h"

static void put_choice(struct pack *pack, const char *key, enum celeriac_choice choice)
{
    if (choice == CELERIAC_UNSET)
        return;
    pack_string(pack, key);
    pack_bool(pack, choice == CELERIAC_YES);
}

static void put_seconds(struct pack *pack, const char *key, double seconds)
{
    if (seconds == 0)
        return;
    pack_string(pack, key);
    pack_double(pack, seconds);
}

static void put_retries(struct pack *pack, int max_retries)
{
    if (max_retries == 0)
        return;
    pack_string(pack, "max_retries");
    if (max_retries == CELERIAC_RETRIES_UNLIMITED)
        pack_nil(pack);
    else
        pack_int(pack, max_retries == CELERIAC_RETRIES_NONE ? 0 : max_retries);
}

static void put_task(struct pack *pack, const struct celeriac_task_definition *definition)
{
    int options = (definition->acks_late != CELERIAC_UNSET) +
                  (definition->reject_on_worker_lost != CELERIAC_UNSET) +
                  (definition->ignore_result != CELERIAC_UNSET) + (definition->time_limit != 0) +
                  (definition->soft_time_limit != 0) + (definition->max_retries != 0) +
                  (definition->rate_limit != NULL);
    pack_string(pack, definition->name);
    pack_map(pack, (size_t)options);
    put_choice(pack, "acks_late", definition->acks_late);
    put_choice(pack, "reject_on_worker_lost", definition->reject_on_worker_lost);
    put_choice(pack, "ignore_result", definition->ignore_result);
    put_seconds(pack, "time_limit", definition->time_limit);
    put_seconds(pack, "soft_time_limit", definition->soft_time_limit);
    put_retries(pack, definition->max_retries);
    if (definition->rate_limit != NULL) {
        pack_string(pack, "rate_limit");
        pack_string(pack, definition->rate_limit);
    }
}

bool hello_describe(const struct library *library, struct buffer *buffer)
{
    struct pack pack;
    pack_init(&pack, buffer);
    pack_map(&pack, 5);
    pack_string(&pack, "runtime");
    pack_string(&pack, "native");
    pack_string(&pack, "tasks");
    pack_map(&pack, library->count);
    for (size_t i = 0; i < library->count; i++)
        put_task(&pack, &library->tasks[i].definition);
    pack_string(&pack, "settings");
    pack_map(&pack, 0);
    pack_string(&pack, "records");
    pack_bool(&pack, true);
    pack_string(&pack, "ahead");
    pack_bool(&pack, true);
    return !pack.broken;
}
