/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns HELLO's description: what the library's tasks set themselves, under Celery's names. */

#include "worker/runtime/native/hello.h"

#include <string.h>

struct description {
    msgpack_packer packer;
    bool broken; /* the buffer has refused something */
};

static void put(struct description *description, int result)
{
    if (result != 0)
        description->broken = true;
}

static void put_text(struct description *description, const char *text)
{
    put(description, msgpack_pack_str(&description->packer, strlen(text)));
    put(description, msgpack_pack_str_body(&description->packer, text, strlen(text)));
}

static void put_choice(struct description *description, const char *key,
                       enum celeriac_choice choice)
{
    if (choice == CELERIAC_UNSET)
        return;
    put_text(description, key);
    put(description, choice == CELERIAC_YES ? msgpack_pack_true(&description->packer)
                                            : msgpack_pack_false(&description->packer));
}

static void put_seconds(struct description *description, const char *key, double seconds)
{
    if (seconds == 0)
        return;
    put_text(description, key);
    put(description, msgpack_pack_double(&description->packer, seconds));
}

static void put_retries(struct description *description, int max_retries)
{
    if (max_retries == 0)
        return;
    put_text(description, "max_retries");
    if (max_retries == CELERIAC_RETRIES_UNLIMITED)
        put(description, msgpack_pack_nil(&description->packer));
    else
        put(description, msgpack_pack_int(&description->packer,
                                          max_retries == CELERIAC_RETRIES_NONE ? 0 : max_retries));
}

static void put_task(struct description *description,
                     const struct celeriac_task_definition *definition)
{
    int options = (definition->acks_late != CELERIAC_UNSET) +
                  (definition->reject_on_worker_lost != CELERIAC_UNSET) +
                  (definition->ignore_result != CELERIAC_UNSET) + (definition->time_limit != 0) +
                  (definition->soft_time_limit != 0) + (definition->max_retries != 0);
    put_text(description, definition->name);
    put(description, msgpack_pack_map(&description->packer, (size_t)options));
    put_choice(description, "acks_late", definition->acks_late);
    put_choice(description, "reject_on_worker_lost", definition->reject_on_worker_lost);
    put_choice(description, "ignore_result", definition->ignore_result);
    put_seconds(description, "time_limit", definition->time_limit);
    put_seconds(description, "soft_time_limit", definition->soft_time_limit);
    put_retries(description, definition->max_retries);
}

bool hello_describe(const struct library *library, struct buffer *buffer)
{
    struct description description = {.broken = false};
    msgpack_packer_init(&description.packer, buffer, buffer_msgpack_write);
    put(&description, msgpack_pack_map(&description.packer, 3));
    put_text(&description, "runtime");
    put_text(&description, "native");
    put_text(&description, "tasks");
    put(&description, msgpack_pack_map(&description.packer, library->count));
    for (size_t i = 0; i < library->count; i++)
        put_task(&description, &library->tasks[i].definition);
    put_text(&description, "settings");
    put(&description, msgpack_pack_map(&description.packer, 0));
    return !description.broken;
}
