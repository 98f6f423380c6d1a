/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way of a message to a delay queue. The original is acknowledged only when the copy is
 * confirmed: a crash in between leaves two messages, never none, and the second one says that it
 * was redelivered. */

#include "worker/consumer/park.h"

#include <string.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/consumer/origin.h"
#include "worker/consumer/republish.h"
#include "worker/consumer/revoking.h"
#include "worker/log/log.h"

enum { REFUSAL_US = 60 * 1000000 };

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
    char stamp[REVOKING_STAMP_SIZE];
    struct consumer *consumer = request->consumer;
    const struct broker_delivery *delivery = request->delivery;
    if (consumer->config.eta_hold <= 0 || !request->message.has_eta || is_expired(request) ||
        revoking_has(request, stamp) || !is_lasting(delivery->queue))
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

static int publish(struct request *request, const struct delay_place *place)
{
    msgpack_object origin, headers;
    if (!origin_describe(request, request->parks + 1, &origin) ||
        !republish_headers(request, 2, &headers))
        return BROKER_ENOMEM;
    if (request->losses > 0)
        value_map_put(&headers, LOSS_HEADER, value_int(request->losses));
    value_map_put(&headers, ORIGIN_HEADER, origin);
    struct broker_message copy = republish_message(request, &headers);
    copy.exchange = (struct text){place->name, strlen(place->name)};
    copy.declare = &place->queue;
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
