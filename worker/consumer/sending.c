/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way from a PUBLISH frame's map to a message for the broker. Must not know whose it is,
 * nor what waits for it. */

#include "worker/consumer/sending.h"

#include <string.h>

#include "codec/iso8601.h"
#include "worker/consumer/internal.h"

static struct text text_of(const msgpack_object *message, const char *key)
{
    struct text text = {NULL, 0};
    value_as_text(value_get(message, key), &text);
    return text;
}

static int number_of(const msgpack_object *message, const char *key, int otherwise)
{
    int64_t number;
    if (!value_as_int(value_get(message, key), &number) || number < 0 || number > UINT8_MAX)
        return otherwise;
    return (int)number;
}

/* Where a task of the message's name goes (`route`: the name that it is routed by). */
static struct text routed_queue(const struct consumer_config *config, const msgpack_object *message)
{
    struct text route = text_of(message, "route");
    if (route.size == 0)
        route = text_of(value_get(message, "headers"), "task");
    const char *queue = routing_find(config->task_routes, config->task_route_count, route);
    if (queue == NULL)
        queue = config->task_default_queue;
    return (struct text){queue, queue != NULL ? strlen(queue) : 0};
}

static int64_t seconds_until_eta(const msgpack_object *message)
{
    int64_t eta;
    struct text text = text_of(value_get(message, "headers"), "eta");
    if (text.size == 0 || iso8601_parse(text, &eta, NULL) != 0)
        return 0;
    return (eta - consumer_now()) / 1000000;
}

/* By its queue, its exchange or, if it has neither, its task's name. */
static int address(struct consumer *consumer, const msgpack_object *message,
                   struct destination *ret)
{
    struct text queue = text_of(message, "queue");
    struct text exchange = text_of(message, "exchange");
    struct text key = text_of(message, "routing_key");
    int error = DESTINATION_OK;
    if (queue.size == 0 && (exchange.size > 0 || key.size > 0))
        destination_of_exchange(exchange, key, ret);
    else
        error = destination_of_queue(
            &consumer->destinations,
            queue.size > 0 ? queue : routed_queue(&consumer->config, message), key, ret);
    if (error == DESTINATION_OK)
        destination_delay(&consumer->destinations, seconds_until_eta(message), ret);
    return error;
}

static int publish(struct consumer *consumer, const msgpack_object *map,
                   const struct destination *destination, struct broker_message *message,
                   broker_published *published, void *context)
{
    const struct consumer_config *config = &consumer->config;
    const msgpack_object *headers = value_get(map, "headers");
    bool has_headers = headers != NULL && headers->type == MSGPACK_OBJECT_MAP;
    message->exchange = destination->exchange;
    message->routing_key = destination->routing_key;
    message->declare = destination->declare;
    message->content_type = text_of(map, "content_type");
    message->content_encoding = text_of(map, "content_encoding");
    message->correlation_id = text_of(map, "correlation_id");
    message->reply_to = text_of(map, "reply_to");
    message->expiration = text_of(map, "expiration");
    message->priority = number_of(map, "priority", config->task_default_priority);
    message->delivery_mode = number_of(map, "delivery_mode", config->task_default_delivery_mode);
    message->headers = has_headers ? headers : NULL;
    message->mandatory = true;
    return broker_publish(consumer->broker, message, published, context);
}

int sending_publish(struct consumer *consumer, const msgpack_object *map, struct bytes body,
                    broker_published *published, void *context, const char **ret_error)
{
    struct destination destination;
    struct broker_message message = {.body = body};
    int error = address(consumer, map, &destination);
    if (error != DESTINATION_OK) {
        *ret_error = destination_strerror(error);
        return BROKER_EINVALID;
    }
    error = publish(consumer, map, &destination, &message, published, context);
    if (error != BROKER_OK)
        *ret_error = broker_strerror(error);
    return error;
}
