/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the names, times and arguments of the delay queues. Publishes nothing. */

#include "worker/consumer/delay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECONDS_MAX = 1 << 21, /* 24 days; RabbitMQ's timers have 32 bits of milliseconds */
    NAME_SIZE_MAX = 255,   /* AMQP */
};

/* Seconds that a stay may end too late, its way back included: it grows with the number of messages
 * that end theirs together, and they are more the longer it takes. */
static double slack_of(unsigned seconds)
{
    double slack = seconds / 8.0;
    return slack < 1 ? 1 : slack > 30 ? 30 : slack;
}

unsigned delay_stay(double left)
{
    unsigned found = 0;
    for (unsigned seconds = 1; seconds <= SECONDS_MAX; seconds *= 2)
        if (seconds + slack_of(seconds) <= left)
            found = seconds;
    return found;
}

/* A quorum queue that dead-letters at least once: a message leaves it when the queue behind has
 * confirmed it. That asks for reject-publish. */
static void fill_arguments(struct delay_place *place)
{
    const struct {
        const char *key;
        msgpack_object value;
    } arguments[DELAY_ARGUMENTS] = {
        {"x-queue-type", value_string("quorum")},
        {"x-message-ttl", value_int((int64_t)place->seconds * 1000)},
        {"x-dead-letter-exchange", value_string("")},
        {"x-dead-letter-routing-key", value_string(place->home->name)},
        {"x-dead-letter-strategy", value_string("at-least-once")},
        {"x-overflow", value_string("reject-publish")},
    };
    for (size_t i = 0; i < DELAY_ARGUMENTS; i++)
        place->arguments[i] =
            (msgpack_object_kv){value_string(arguments[i].key), arguments[i].value};
    place->queue = (struct broker_queue){
        .name = place->name,
        .exchange = place->name,
        .exchange_type = "fanout",
        .routing_key = "",
        .durable = true,
        .arguments = {.type = MSGPACK_OBJECT_MAP, .via.map = {DELAY_ARGUMENTS, place->arguments}},
    };
}

static struct delay_place *make_place(const struct broker_queue *home, int priority,
                                      unsigned seconds)
{
    char level[16] = "";
    if (priority >= 0)
        snprintf(level, sizeof(level), "p%d", priority);
    int size = snprintf(NULL, 0, "celeriac.delay.%u%s.%s", seconds, level, home->name);
    if (size < 0 || size > NAME_SIZE_MAX)
        return NULL;
    struct delay_place *place = calloc(1, sizeof(*place) + (size_t)size + 1);
    if (place == NULL)
        return NULL;
    snprintf(place->name, (size_t)size + 1, "celeriac.delay.%u%s.%s", seconds, level, home->name);
    place->home = home;
    place->priority = priority;
    place->seconds = seconds;
    fill_arguments(place);
    return place;
}

void delay_done(struct delay *delay)
{
    while (delay->first != NULL) {
        struct delay_place *place = delay->first;
        delay->first = place->next;
        free(place);
    }
    delay->count = 0;
}

struct delay_place *delay_place(struct delay *delay, const struct broker_queue *home, int priority,
                                unsigned seconds)
{
    struct delay_place *place = delay->first;
    while (place != NULL &&
           (place->home != home || place->priority != priority || place->seconds != seconds))
        place = place->next;
    if (place != NULL || delay->count == DELAY_PLACES_MAX)
        return place;
    place = make_place(home, priority, seconds);
    if (place == NULL)
        return NULL;
    place->next = delay->first;
    delay->first = place;
    delay->count++;
    return place;
}
