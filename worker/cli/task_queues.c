/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the meaning of task_queues: from what the user says of a queue to what is declared. Selects
 * and declares nothing. */

#include "worker/cli/task_queues.h"

#include <stdio.h>
#include <string.h>

#include "codec/uuid.h"
#include "worker/cli/queue_fields.h"

enum { QUEUES_MAX = 4096, DESCRIBED = 20, LIMITS = 5 };

struct describing {
    const struct settings *settings;
    msgpack_zone *zone;
    char *error;
};

static int refuse(const struct describing *describing, const char *text)
{
    snprintf(describing->error, QUEUES_ERROR_SIZE, "%s", text);
    return -1;
}

static int out_of_memory(const struct describing *describing)
{
    return refuse(describing, "out of memory");
}

/* ---- what was said ---- */

static int check(const struct describing *describing, const char *queue, const msgpack_object *said)
{
    for (uint32_t i = 0; i < said->via.map.size; i++) {
        const msgpack_object_kv *pair = &said->via.map.ptr[i];
        struct text key = {"", 0};
        value_as_text(&pair->key, &key);
        const struct queue_field *field = queue_field_find(key);
        if (value_is_nil(&pair->val) || (field == NULL && queue_field_is_argument(key)))
            continue;
        if (field == NULL || !queue_field_fits(field->kind, &pair->val))
            return queue_field_refuse(field, key, queue, describing->error);
    }
    return 0;
}

static bool flag_of(const msgpack_object *said, const char *key, bool otherwise)
{
    bool flag = otherwise;
    value_as_bool(value_get(said, key), &flag);
    return flag;
}

static msgpack_object said_or(const msgpack_object *said, const char *key, msgpack_object otherwise)
{
    const msgpack_object *value = value_get(said, key);
    return value_is_nil(value) ? otherwise : *value;
}

/* ---- the queue's arguments ---- */

/* Those of kombu's Queue, in seconds where RabbitMQ has milliseconds. */
static void put_limits(const msgpack_object *said, msgpack_object *arguments)
{
    static const struct {
        const char *said, *argument;
        int factor;
    } limits[LIMITS] = {
        {"expires", "x-expires", 1000},        {"message_ttl", "x-message-ttl", 1000},
        {"max_length", "x-max-length", 1},     {"max_length_bytes", "x-max-length-bytes", 1},
        {"max_priority", "x-max-priority", 1},
    };
    double number;
    for (size_t i = 0; i < LIMITS; i++)
        if (value_as_double(value_get(said, limits[i].said), &number))
            queue_field_put(arguments, value_string(limits[i].argument),
                            value_int((int64_t)(number * limits[i].factor)));
}

static bool make_arguments(const struct describing *describing, const msgpack_object *said,
                           msgpack_object *ret)
{
    const msgpack_object *given = value_get(said, "queue_arguments");
    uint32_t size = value_is_nil(given) ? 0 : given->via.map.size;
    struct text key;
    if (!value_map(describing->zone, size + said->via.map.size + LIMITS + 1, ret))
        return false;
    if (describing->settings->task_queue_max_priority > 0)
        queue_field_put(ret, value_string("x-max-priority"),
                        value_int(describing->settings->task_queue_max_priority));
    for (uint32_t i = 0; i < size; i++)
        queue_field_put(ret, given->via.map.ptr[i].key, given->via.map.ptr[i].val);
    for (uint32_t i = 0; i < said->via.map.size; i++) {
        const msgpack_object_kv *pair = &said->via.map.ptr[i];
        if (value_as_text(&pair->key, &key) && queue_field_is_argument(key) &&
            !value_is_nil(&pair->val))
            queue_field_put(ret, pair->key, pair->val);
    }
    put_limits(said, ret);
    return true;
}

/* ---- the description ---- */

static const char *or_else(const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

/* Broadcast: a queue of this worker's own on a fanout exchange of the name that tasks use. */
static bool put_broadcast(const struct describing *describing, msgpack_object alias,
                          msgpack_object *ret)
{
    static const char prefix[] = "bcast.";
    char *name = msgpack_zone_malloc_no_align(describing->zone, sizeof(prefix) + UUID_SIZE);
    if (name == NULL)
        return false;
    memcpy(name, prefix, sizeof(prefix));
    uuid_make(name + strlen(prefix));
    value_map_put(ret, "name", value_string(name));
    value_map_put(ret, "alias", alias);
    return true;
}

/* Celery's: a queue without an exchange is on the default one; "durable" and "auto_delete" are of
 * both, unless one is named. */
static void put_exchange(const struct describing *describing, const msgpack_object *said,
                         msgpack_object name, msgpack_object *ret)
{
    const struct settings *settings = describing->settings;
    bool broadcast = flag_of(said, "broadcast", false);
    bool own = broadcast || !value_is_nil(value_get(said, "exchange"));
    bool durable = !own || flag_of(said, "durable", true);
    bool auto_delete = own && !broadcast && flag_of(said, "auto_delete", false);
    msgpack_object exchange =
        value_string(or_else(settings->task_default_exchange, settings->task_default_queue));
    msgpack_object type = value_string(or_else(settings->task_default_exchange_type, "direct"));
    if (own) {
        exchange = said_or(said, "exchange", name);
        type = said_or(said, "exchange_type", value_string(broadcast ? "fanout" : "direct"));
    }
    value_map_put(ret, "exchange", exchange);
    value_map_put(ret, "exchange_type", type);
    value_map_put(ret, "exchange_durable",
                  value_bool(own ? flag_of(said, "exchange_durable", durable) : durable));
    value_map_put(ret, "exchange_auto_delete",
                  value_bool(own ? flag_of(said, "exchange_auto_delete", auto_delete) : false));
}

static int describe(const struct describing *describing, msgpack_object name,
                    const msgpack_object *said, msgpack_object *ret)
{
    static const char *const same[] = {"no_declare",         "exchange_no_declare",
                                       "exchange_arguments", "binding_arguments",
                                       "consumer_arguments", "bindings"};
    const struct settings *settings = describing->settings;
    bool broadcast = flag_of(said, "broadcast", false);
    bool exclusive = flag_of(said, "exclusive", false);
    bool auto_delete = flag_of(said, "auto_delete", broadcast);
    msgpack_object key = name, arguments;
    if (!value_map(describing->zone, DESCRIBED, ret) ||
        !make_arguments(describing, said, &arguments) ||
        (broadcast && !put_broadcast(describing, name, ret)))
        return out_of_memory(describing);
    if (!broadcast)
        value_map_put(ret, "name", name);
    else
        key =
            value_string(or_else(settings->task_default_routing_key, settings->task_default_queue));
    value_map_put(ret, "routing_key",
                  said_or(said, "binding_key", said_or(said, "routing_key", key)));
    value_map_put(ret, "durable",
                  value_bool(flag_of(said, "queue_durable", flag_of(said, "durable", true))));
    value_map_put(ret, "exclusive", value_bool(exclusive));
    value_map_put(ret, "auto_delete",
                  value_bool(exclusive || flag_of(said, "queue_auto_delete", auto_delete)));
    value_map_put(ret, "arguments", arguments);
    put_exchange(describing, said, name, ret);
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        value_map_put(ret, same[i], said_or(said, same[i], value_nil()));
    return 0;
}

static int add(const struct describing *describing, msgpack_object name, const msgpack_object *said,
               msgpack_object *ret)
{
    static const msgpack_object nothing = {.type = MSGPACK_OBJECT_MAP};
    struct text text;
    if (value_is_nil(said))
        said = &nothing;
    if (said->type != MSGPACK_OBJECT_MAP || !queue_field_fits(QUEUE_FIELD_TEXT, &name) ||
        !value_as_text(&name, &text) || text.size == 0)
        return refuse(describing, "task_queues must be a JSON object of objects, by queue name");
    const char *queue = text_copy(describing->zone, text);
    if (queue == NULL)
        return out_of_memory(describing);
    if (check(describing, queue, said) != 0)
        return -1;
    return describe(describing, said_or(said, "name", name), said, ret);
}

static int read_dictionary(const struct describing *describing, msgpack_object *ret)
{
    const struct settings *settings = describing->settings;
    if (settings->task_queues == NULL)
        return queue_lines_read(&settings->queue_lines, describing->zone, ret, describing->error);
    if (settings->queue_lines.count > 0)
        return refuse(describing, "task_queues and [queue NAME] sections say the same: use one");
    if (!queue_field_json(settings->task_queues, describing->zone, ret) ||
        ret->type != MSGPACK_OBJECT_MAP)
        return refuse(describing, "task_queues must be a JSON object like {\"feeds\": "
                                  "{\"exchange\": \"feeds\", \"routing_key\": \"feed.#\"}}");
    return 0;
}

bool task_queues_given(const struct settings *settings)
{
    return settings->task_queues != NULL || settings->queue_lines.count > 0;
}

int task_queues_describe(const struct settings *settings, msgpack_zone *zone, msgpack_object *ret,
                         char error[QUEUES_ERROR_SIZE])
{
    struct describing describing = {settings, zone, error};
    msgpack_object dictionary, list;
    if (read_dictionary(&describing, &dictionary) != 0)
        return -1;
    uint32_t count = dictionary.via.map.size;
    if (count > QUEUES_MAX)
        return refuse(&describing, "there are too many queues in task_queues");
    if (!value_array(zone, count, &list))
        return out_of_memory(&describing);
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object_kv *pair = &dictionary.via.map.ptr[i];
        if (add(&describing, pair->key, &pair->val, &list.via.array.ptr[i]) != 0)
            return -1;
    }
    *ret = list;
    return 0;
}
