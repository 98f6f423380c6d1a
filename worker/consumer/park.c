/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way of a message to a delay queue and what it needs to come back as it was. The original
 * is acknowledged only when the copy is confirmed: a crash in between leaves two messages, never
 * none, and the second one says that it was redelivered. */

#include "worker/consumer/park.h"

#include <stddef.h>
#include <string.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/consumer/republish.h"
#include "worker/log/log.h"

enum { COUNT_MAX = 1000000, REFUSAL_US = 60 * 1000000 };

/* ---- back ---- */

/* What a message is to its receiver, and does not keep on the way. */
static const struct {
    const char *key;
    size_t offset;
} kept[] = {
    {"exchange", offsetof(struct broker_delivery, exchange)},
    {"routing_key", offsetof(struct broker_delivery, routing_key)},
    {"expiration", offsetof(struct broker_delivery, expiration)},
    {"message_id", offsetof(struct broker_delivery, message_id)},
    {"type", offsetof(struct broker_delivery, type)},
    {"user_id", offsetof(struct broker_delivery, user_id)},
    {"app_id", offsetof(struct broker_delivery, app_id)},
};

static struct text *kept_text(struct broker_delivery *delivery, size_t index)
{
    return (struct text *)(void *)((char *)delivery + kept[index].offset);
}

static struct text copied(msgpack_zone *zone, const msgpack_object *map, const char *key)
{
    struct text text = {NULL, 0};
    if (value_as_text(value_get(map, key), &text))
        text.data = text_copy(zone, text);
    return text.data != NULL ? text : (struct text){NULL, 0};
}

bool park_restore(struct request *request)
{
    struct broker_delivery *delivery = request->delivery;
    const msgpack_object *parked = value_get(&delivery->headers, PARK_HEADER);
    msgpack_object headers;
    int64_t count = 0;
    if (parked == NULL || parked->type != MSGPACK_OBJECT_MAP)
        return true;
    if (!republish_headers(request, 1, &headers))
        return false;
    if (loss_count(&delivery->headers) > 0)
        value_map_put(&headers, LOSS_HEADER, value_int(loss_count(&delivery->headers)));
    request->parked = *parked;
    value_as_int(value_get(parked, "count"), &count);
    request->parks = count > 0 && count < COUNT_MAX ? count : 0;
    value_as_bool(value_get(parked, "redelivered"), &request->was_redelivered);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        *kept_text(delivery, i) = copied(delivery->zone, parked, kept[i].key);
    delivery->headers = headers.via.map.size > 0 ? headers : value_nil();
    return true;
}

/* ---- away ---- */

static double seconds_left(const struct request *request)
{
    return (double)(request->message.eta - consumer_now()) / 1e6;
}

static bool is_expired(const struct request *request)
{
    return request->message.has_expires && request->message.expires < consumer_now();
}

/* A queue that may go while its messages are parked is none to come back to: a delay queue keeps,
 * and tries again and again, what finds no queue. */
static bool is_lasting(const struct broker_queue *queue)
{
    return queue->durable && !queue->auto_delete && !queue->exclusive && !queue->no_ack;
}

/* So many are held that others must go to the broker, although they are due soon. */
static bool is_crowded(const struct consumer *consumer)
{
    const struct eta_heap *waiting = &consumer->waiting;
    return waiting->count >= PARK_CROWD || waiting->count >= consumer->prefetch.eta_limit ||
           waiting->weight >= PARK_CROWD_BYTES;
}

/* NULL: it stays. */
static struct delay_place *place_of(const struct request *request)
{
    struct consumer *consumer = request->consumer;
    const struct broker_delivery *delivery = request->delivery;
    if (consumer->config.eta_hold <= 0 || !request->message.has_eta || is_expired(request) ||
        !is_lasting(delivery->queue))
        return NULL;
    double left = seconds_left(request);
    unsigned stay = delay_stay(left);
    if (stay == 0 || (left <= consumer->config.eta_hold && !is_crowded(consumer)))
        return NULL;
    struct delay_place *place =
        delay_place(&consumer->delay, delivery->queue, delivery->priority, stay);
    return place == NULL || place->refused_until > consumer_now() ? NULL : place;
}

static void note_refusal(struct delay_place *place, const char *error)
{
    if (place->refused_until <= consumer_now())
        log_warning("consumer: Tasks that are due later than worker_eta_hold are held here: the "
                    "broker did not take one for its delay queue '%s' (%s)",
                    place->name, error);
    place->refused_until = consumer_now() + REFUSAL_US;
}

static void on_parked(void *context, const char *error)
{
    struct request *request = context;
    struct consumer *consumer = request->consumer;
    consumer->parking--;
    if (error == NULL) {
        finish_close(request, BROKER_ACK);
    } else if (request->orphan || consumer->state != CONSUMER_RUNNING) {
        finish_close(request, BROKER_NACK_REQUEUE);
    } else {
        note_refusal(request->place, error);
        intake_keep(request);
    }
    consumer_adjust(consumer);
}

static bool describe(const struct request *request, msgpack_object *ret)
{
    struct broker_delivery *delivery = request->delivery;
    if (!value_map(delivery->zone, 2 + ARRAY_LEN(kept), ret))
        return false;
    value_map_put(ret, "count", value_int(request->parks + 1));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (kept_text(delivery, i)->data != NULL)
            value_map_put(ret, kept[i].key, value_text(*kept_text(delivery, i)));
    value_map_put(ret, "redelivered",
                  value_bool(delivery->redelivered || request->was_redelivered));
    return true;
}

static int publish(struct request *request, const struct delay_place *place)
{
    msgpack_object parked, headers;
    if (!describe(request, &parked) || !republish_headers(request, 2, &headers))
        return BROKER_ENOMEM;
    if (request->losses > 0)
        value_map_put(&headers, LOSS_HEADER, value_int(request->losses));
    value_map_put(&headers, PARK_HEADER, parked);
    struct broker_message copy = republish_message(request, &headers);
    copy.routing_key = (struct text){place->name, strlen(place->name)};
    copy.place = &place->queue;
    copy.expiration = (struct text){NULL, 0};
    return broker_publish(request->consumer->broker, &copy, on_parked, request);
}

bool park_take(struct request *request)
{
    struct delay_place *place = place_of(request);
    if (place == NULL || publish(request, place) != 0)
        return false;
    log_line(request->parks == 0 ? LOG_INFO : LOG_DEBUG,
             "Task %s is due in %.0f seconds: parked at the broker for %u", request_label(request),
             seconds_left(request), place->seconds);
    request->place = place;
    request->consumer->parking++;
    request_set_state(request, REQUEST_PARKING);
    prefetch_arrived(&request->consumer->prefetch, true);
    consumer_adjust(request->consumer);
    return true;
}
