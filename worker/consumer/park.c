/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way of a message to a delay queue and what it needs to come back as it was. The original
 * is acknowledged only when the copy is confirmed: a crash in between leaves two messages, never
 * none, and the second one says that it was redelivered. */

#include "worker/consumer/park.h"

#include <string.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/consumer/republish.h"
#include "worker/consumer/revoking.h"
#include "worker/log/log.h"

/* ---- back ---- */

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
    request->parks = count;
    value_as_bool(value_get(parked, "redelivered"), &request->was_redelivered);
    delivery->exchange = copied(delivery->zone, parked, "exchange");
    delivery->routing_key = copied(delivery->zone, parked, "routing_key");
    delivery->expiration = copied(delivery->zone, parked, "expiration");
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

static const struct delay_rung *rung_of(const struct request *request)
{
    const struct consumer *consumer = request->consumer;
    char stamp[REVOKING_STAMP_SIZE];
    if (consumer->config.eta_hold <= 0 || consumer->parking_refused || !request->message.has_eta ||
        is_expired(request) || revoking_has(request, stamp) ||
        !is_lasting(request->delivery->queue))
        return NULL;
    double left = seconds_left(request);
    return left > consumer->config.eta_hold ? delay_find(&consumer->delay, left) : NULL;
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
        if (!consumer->parking_refused)
            log_warning("consumer: Tasks that are due later than worker_eta_hold are held here: "
                        "the broker did not take one for its delay queue (%s)",
                        error);
        consumer->parking_refused = true;
        intake_keep(request);
    }
    consumer_adjust(consumer);
}

static bool describe(const struct request *request, msgpack_object *ret)
{
    const struct broker_delivery *delivery = request->delivery;
    if (!value_map(delivery->zone, 5, ret))
        return false;
    value_map_put(ret, "count", value_int(request->parks + 1));
    value_map_put(ret, "exchange", value_text(delivery->exchange));
    value_map_put(ret, "routing_key", value_text(delivery->routing_key));
    if (delivery->expiration.data != NULL)
        value_map_put(ret, "expiration", value_text(delivery->expiration));
    value_map_put(ret, "redelivered",
                  value_bool(delivery->redelivered || request->was_redelivered));
    return true;
}

static int publish(struct request *request, const struct delay_rung *rung)
{
    msgpack_object parked, headers;
    if (!describe(request, &parked) || !republish_headers(request, 2, &headers))
        return BROKER_ENOMEM;
    if (request->losses > 0)
        value_map_put(&headers, LOSS_HEADER, value_int(request->losses));
    value_map_put(&headers, PARK_HEADER, parked);
    struct broker_message copy = republish_message(request, &headers);
    copy.exchange = (struct text){rung->name, strlen(rung->name)};
    copy.expiration = (struct text){NULL, 0};
    return broker_publish(request->consumer->broker, &copy, on_parked, request);
}

bool park_take(struct request *request)
{
    const struct delay_rung *rung = rung_of(request);
    if (rung == NULL || publish(request, rung) != 0)
        return false;
    log_line(request->parks == 0 ? LOG_INFO : LOG_DEBUG,
             "Task %s is due in %.0f seconds: parked at the broker for %u", request_label(request),
             seconds_left(request), rung->seconds);
    request->consumer->parking++;
    request_set_state(request, REQUEST_PARKING);
    prefetch_arrived(&request->consumer->prefetch, true);
    consumer_adjust(request->consumer);
    return true;
}
