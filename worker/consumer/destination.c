/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the choice of exchange and key for a message, and the queues that are made for it. Publishes
 * and declares nothing. */

#include "worker/consumer/destination.h"

#include <stdlib.h>
#include <string.h>

enum { MADE_MAX = 1024 };

const char *destination_strerror(int error)
{
    static const char *const words[] = {
        [-DESTINATION_OK] = "ok",
        [-DESTINATION_UNKNOWN] =
            "its queue is not in task_queues, and task_create_missing_queues is off",
        [-DESTINATION_ENOMEM] = "out of memory",
        [-DESTINATION_EFULL] = "tasks have sent to too many queues that are not in task_queues",
    };
    return error <= 0 && -error < (int)ARRAY_LEN(words) ? words[-error] : "unknown error";
}

void destinations_init(struct destinations *destinations, const struct destination_rules *rules)
{
    *destinations = (struct destinations){.rules = *rules};
}

void destinations_done(struct destinations *destinations)
{
    for (size_t i = 0; i < destinations->made_count; i++) {
        free((char *)destinations->made[i]->name);
        free(destinations->made[i]);
    }
    free(destinations->made);
    *destinations = (struct destinations){0};
}

static struct text string_text(const char *string)
{
    return (struct text){string, strlen(string)};
}

/* ---- queues ---- */

static bool is_named(const struct broker_queue *queue, struct text name)
{
    return text_equal(name, queue->name) ||
           (queue->alias != NULL && text_equal(name, queue->alias));
}

static const struct broker_queue *find(const struct destinations *destinations, struct text name)
{
    const struct destination_rules *rules = &destinations->rules;
    for (size_t i = 0; i < rules->queue_count; i++)
        if (is_named(&rules->queues[i], name))
            return &rules->queues[i];
    for (size_t i = 0; i < destinations->made_count; i++)
        if (is_named(destinations->made[i], name))
            return destinations->made[i];
    return NULL;
}

static bool make_room(struct destinations *destinations)
{
    size_t count = destinations->made_count;
    if (count > 0 && (count & (count - 1)) != 0) /* the room is a power of two */
        return true;
    struct broker_queue **made =
        reallocarray(destinations->made, count > 0 ? 2 * count : 1, sizeof(struct broker_queue *));
    if (made == NULL)
        return false;
    destinations->made = made;
    return true;
}

static int make(struct destinations *destinations, struct text name,
                const struct broker_queue **ret)
{
    if (destinations->rules.missing == NULL)
        return DESTINATION_UNKNOWN;
    if (destinations->made_count == MADE_MAX)
        return DESTINATION_EFULL;
    struct broker_queue *queue = malloc(sizeof(*queue));
    char *copy = strndup(name.data, name.size);
    if (queue == NULL || copy == NULL || !make_room(destinations)) {
        free(queue);
        free(copy);
        return DESTINATION_ENOMEM;
    }
    *queue = *destinations->rules.missing;
    queue->name = queue->exchange = queue->routing_key = copy;
    destinations->made[destinations->made_count++] = queue;
    *ret = queue;
    return DESTINATION_OK;
}

static bool is_direct(const char *exchange, const char *type)
{
    return exchange[0] == '\0' || strcmp(type, "direct") == 0;
}

static bool is_consumed(const struct destination_rules *rules, const struct broker_queue *queue)
{
    return queue >= rules->queues && queue < rules->queues + rules->consumed_count;
}

int destination_of_queue(struct destinations *destinations, struct text queue, struct text key,
                         struct destination *ret)
{
    const struct broker_queue *found = find(destinations, queue);
    if (found == NULL) {
        int error = make(destinations, queue, &found);
        if (error != 0)
            return error;
    }
    *ret = (struct destination){{"", 0}, string_text(found->name), NULL, ""};
    if (!is_direct(found->exchange, found->exchange_type)) {
        ret->exchange = string_text(found->exchange);
        ret->routing_key = key.size > 0 ? key : string_text(found->routing_key);
    }
    if (!found->no_declare && !is_consumed(&destinations->rules, found))
        ret->declare = found;
    return DESTINATION_OK;
}

/* ---- exchanges ---- */

/* What came through the delay line may go back through it, but not with two delays in its key. The
 * exchange that it came from is the one that its last stay ended at. */
void destination_of_exchange(struct text exchange, struct text key, struct destination *ret)
{
    static const char prefix[] = "celery_delayed_";
    size_t size = strlen(prefix);
    *ret = (struct destination){exchange, key, NULL, ""};
    if (exchange.size < size || memcmp(exchange.data, prefix, size) != 0)
        return;
    ret->exchange = string_text(DELAYED_EXIT);
    ret->routing_key = delayed_original(key);
}

/* ---- the delay line ---- */

static struct text word_of(struct text key, struct text *rest)
{
    const char *dot = memchr(key.data, '.', key.size);
    size_t size = dot != NULL ? (size_t)(dot - key.data) : key.size;
    *rest = dot != NULL ? (struct text){dot + 1, key.size - size - 1} : (struct text){NULL, 0};
    return (struct text){key.data, size};
}

/* AMQP's topics: '*' is one word, '#' any number. Data NULL: no words left. */
static bool topic_matches(struct text pattern, struct text key)
{
    struct text patterns, words = {NULL, 0}, word = {NULL, 0};
    if (pattern.data == NULL)
        return key.data == NULL;
    struct text first = word_of(pattern, &patterns);
    if (key.data != NULL)
        word = word_of(key, &words);
    if (text_equal(first, "#"))
        return topic_matches(patterns, key) || (key.data != NULL && topic_matches(pattern, words));
    if (key.data == NULL)
        return false;
    bool same = text_equal(first, "*") ||
                (first.size == word.size && memcmp(first.data, word.data, word.size) == 0);
    return same && topic_matches(patterns, words);
}

/* The line's exit has a binding for the key of each of these bindings. */
static bool leads_to(const struct broker_queue *queue, const struct destination *destination)
{
    for (size_t i = 0; i < broker_queue_bindings(queue) && !queue->no_declare; i++) {
        struct broker_binding binding = broker_queue_binding(queue, i);
        if (!is_direct(binding.exchange, binding.exchange_type) &&
            (text_equal(destination->exchange, binding.exchange) ||
             text_equal(destination->exchange, DELAYED_EXIT)) &&
            topic_matches(string_text(binding.routing_key), destination->routing_key))
            return true;
    }
    return false;
}

void destination_delay(const struct destinations *destinations, int64_t seconds,
                       struct destination *destination)
{
    const struct destination_rules *rules = &destinations->rules;
    bool found = false;
    for (size_t i = 0; i < rules->queue_count && rules->delayed && !found; i++)
        found = leads_to(&rules->queues[i], destination);
    if (!found || !delayed_key(seconds, destination->routing_key, destination->key))
        return;
    destination->exchange = string_text(DELAYED_ENTRY);
    destination->routing_key = string_text(destination->key);
}
