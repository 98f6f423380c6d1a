/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the names, times and arguments of the delay queues. Publishes nothing. */

#include "worker/consumer/delay.h"

#include <stdio.h>

enum { SECONDS_MAX = 7 * 86400 /* RabbitMQ's times have 32 bits of milliseconds */ };

/* Of the argument's key, which the accessors take as text. */
static msgpack_object_kv argument(const char *key, msgpack_object value)
{
    return (msgpack_object_kv){value_string(key), value};
}

/* A quorum queue that dead-letters at least once: a message leaves it when the queue behind has
 * confirmed it. That asks for reject-publish. */
static void fill_arguments(struct delay_rung *rung)
{
    rung->arguments[0] = argument("x-queue-type", value_string("quorum"));
    rung->arguments[1] = argument("x-message-ttl", value_int((int64_t)rung->seconds * 1000));
    rung->arguments[2] = argument("x-dead-letter-exchange", value_string(""));
    rung->arguments[3] = argument("x-dead-letter-strategy", value_string("at-least-once"));
    rung->arguments[4] = argument("x-overflow", value_string("reject-publish"));
}

static void fill_queue(struct delay_rung *rung)
{
    rung->queue = (struct broker_queue){
        .name = rung->name,
        .exchange = rung->name,
        .exchange_type = "fanout",
        .routing_key = "",
        .durable = true,
        .arguments = {.type = MSGPACK_OBJECT_MAP, .via.map = {DELAY_ARGUMENTS, rung->arguments}},
    };
}

void delay_init(struct delay *delay, double hold)
{
    double seconds = hold < 1 ? 1 : hold;
    for (size_t i = 0; i < DELAY_RUNGS; i++) {
        struct delay_rung *rung = &delay->rungs[i];
        rung->seconds = seconds < SECONDS_MAX ? (unsigned)seconds : SECONDS_MAX;
        snprintf(rung->name, sizeof(rung->name), "celeriac.delay.%u", rung->seconds);
        fill_arguments(rung);
        fill_queue(rung);
        seconds *= 2;
    }
}

const struct delay_rung *delay_find(const struct delay *delay, double seconds)
{
    const struct delay_rung *found = NULL;
    for (size_t i = 0; i < DELAY_RUNGS; i++)
        if (delay->rungs[i].seconds <= seconds)
            found = &delay->rungs[i];
    return found;
}
