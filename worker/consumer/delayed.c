/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the names, keys and arguments of Celery's delay line. Publishes nothing. */

#include "worker/consumer/delayed.h"

#include <stdio.h>
#include <string.h>

enum {
    PREFIX_SIZE = 2 * DELAYED_LEVELS, /* "0.1. ..." */
    NAME_SIZE = 32,
    ARGUMENTS = 5,
};

bool delayed_is_wanted(const struct broker_queue *queues, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (broker_queue_is_quorum(&queues[i]))
            return true;
    return false;
}

static bool is_direct(const struct broker_binding *binding)
{
    return binding->exchange[0] == '\0' || strcmp(binding->exchange_type, "direct") == 0;
}

/* ---- texts in the zone; NULL: out of memory ---- */

static const char *level_name(msgpack_zone *zone, unsigned level)
{
    char *name = msgpack_zone_malloc_no_align(zone, NAME_SIZE);
    if (name != NULL)
        snprintf(name, NAME_SIZE, "celery_delayed_%u", level);
    return name;
}

/* "*.*.1.#": of the keys whose bit for this level is as `bit` says. */
static const char *level_key(msgpack_zone *zone, unsigned level, char bit)
{
    char *key = msgpack_zone_malloc_no_align(zone, PREFIX_SIZE + 4);
    if (key == NULL)
        return NULL;
    char *end = key;
    for (unsigned above = DELAYED_LEVELS - 1; above > level; above--)
        end = stpcpy(end, "*.");
    *end++ = bit;
    memcpy(end, ".#", sizeof(".#"));
    return key;
}

static const char *task_key(msgpack_zone *zone, const char *routing_key)
{
    size_t size = strlen(routing_key) + 3;
    char *key = msgpack_zone_malloc_no_align(zone, size);
    if (key != NULL)
        snprintf(key, size, "%s%s", routing_key[0] == '#' ? "" : "#.", routing_key);
    return key;
}

/* ---- the line ---- */

static bool fill_arguments(msgpack_zone *zone, const char *queue_type, unsigned level,
                           msgpack_object *ret)
{
    const char *next = level > 0 ? level_name(zone, level - 1) : DELAYED_EXIT;
    if (next == NULL || !value_map(zone, ARGUMENTS, ret))
        return false;
    value_map_put(ret, "x-queue-type", value_string(queue_type));
    value_map_put(ret, "x-overflow", value_string("reject-publish"));
    value_map_put(ret, "x-message-ttl", value_int((INT64_C(1) << level) * 1000));
    value_map_put(ret, "x-dead-letter-exchange", value_string(next));
    if (strcmp(queue_type, "quorum") == 0)
        value_map_put(ret, "x-dead-letter-strategy", value_string("at-least-once"));
    return true;
}

static bool fill_level(msgpack_zone *zone, const char *queue_type, unsigned level,
                       struct broker_queue *ret)
{
    const char *name = level_name(zone, level);
    *ret = (struct broker_queue){
        .name = name,
        .exchange = name,
        .exchange_type = "topic",
        .routing_key = level_key(zone, level, '1'),
        .durable = true,
        .declare_only = true,
        .late = true,
    };
    return name != NULL && ret->routing_key != NULL &&
           fill_arguments(zone, queue_type, level, &ret->arguments);
}

/* Messages that do not stay at `level` go on to the next. */
static bool fill_link(msgpack_zone *zone, unsigned level, struct broker_exchange *ret)
{
    *ret = (struct broker_exchange){
        .name = level > 0 ? level_name(zone, level - 1) : DELAYED_EXIT,
        .type = "topic",
        .no_declare = level > 0, /* it came with its queue */
        .late = true,
        .source = level_name(zone, level),
        .source_key = level_key(zone, level, '0'),
    };
    return ret->name != NULL && ret->source != NULL && ret->source_key != NULL;
}

/* ---- the way from the line to a task queue ---- */

static bool fill_way(msgpack_zone *zone, const struct broker_queue *queue,
                     const struct broker_binding *binding, struct delayed *ret)
{
    const char *key = task_key(zone, binding->routing_key);
    if (key == NULL)
        return false;
    ret->queues[ret->queue_count++] = (struct broker_queue){
        .name = queue->name,
        .exchange = binding->exchange,
        .exchange_type = binding->exchange_type,
        .routing_key = key,
        .declare_only = true,
        .late = true,
        .bind_only = true,
    };
    ret->exchanges[ret->exchange_count++] = (struct broker_exchange){
        .name = binding->exchange,
        .type = binding->exchange_type,
        .no_declare = true,
        .late = true,
        .source = DELAYED_EXIT,
        .source_key = key,
    };
    return true;
}

static bool fill_ways(msgpack_zone *zone, const struct broker_queue *queue, struct delayed *ret)
{
    for (size_t i = 0; i < broker_queue_bindings(queue) && !queue->no_declare; i++) {
        struct broker_binding binding = broker_queue_binding(queue, i);
        if (!is_direct(&binding) && !fill_way(zone, queue, &binding, ret))
            return false;
    }
    return true;
}

/* The exit first, so that a message finds no gap behind it. */
static bool fill(msgpack_zone *zone, const char *queue_type, const struct broker_queue *known,
                 size_t count, struct delayed *ret)
{
    for (unsigned level = 0; level < DELAYED_LEVELS; level++)
        if (!fill_level(zone, queue_type, level, &ret->queues[ret->queue_count++]))
            return false;
    if (!fill_link(zone, 0, &ret->exchanges[ret->exchange_count++]))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!fill_ways(zone, &known[i], ret))
            return false;
    for (unsigned level = 1; level < DELAYED_LEVELS; level++)
        if (!fill_link(zone, level, &ret->exchanges[ret->exchange_count++]))
            return false;
    return true;
}

bool delayed_make(msgpack_zone *zone, const char *queue_type, const struct broker_queue *known,
                  size_t count, size_t consumed, struct delayed *ret)
{
    struct delayed made = {0};
    size_t room = DELAYED_LEVELS;
    for (size_t i = 0; i < count; i++)
        room += broker_queue_bindings(&known[i]);
    made.queues = msgpack_zone_malloc(zone, (consumed + room) * sizeof(*made.queues));
    made.exchanges = msgpack_zone_malloc(zone, room * sizeof(*made.exchanges));
    if (made.queues == NULL || made.exchanges == NULL)
        return false;
    memcpy(made.queues, known, consumed * sizeof(*known));
    made.queue_count = consumed;
    if (!fill(zone, queue_type, known, count, &made))
        return false;
    *ret = made;
    return true;
}

/* ---- keys ---- */

bool delayed_key(int64_t seconds, struct text key, char ret[DELAYED_KEY_SIZE])
{
    if (seconds < 1 || seconds >= INT64_C(1) << DELAYED_LEVELS || key.size == 0 ||
        key.size >= DELAYED_KEY_SIZE - PREFIX_SIZE)
        return false;
    for (size_t i = 0; i < DELAYED_LEVELS; i++) {
        ret[2 * i] = seconds >> (DELAYED_LEVELS - 1 - i) & 1 ? '1' : '0';
        ret[2 * i + 1] = '.';
    }
    memcpy(ret + PREFIX_SIZE, key.data, key.size);
    ret[PREFIX_SIZE + key.size] = '\0';
    return true;
}

struct text delayed_original(struct text key)
{
    if (key.size <= PREFIX_SIZE)
        return key;
    for (size_t i = 0; i < DELAYED_LEVELS; i++)
        if ((key.data[2 * i] != '0' && key.data[2 * i] != '1') || key.data[2 * i + 1] != '.')
            return key;
    return (struct text){key.data + PREFIX_SIZE, key.size - PREFIX_SIZE};
}
