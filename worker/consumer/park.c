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

static int publish(struct request *request, const struct delay_rung *rung)
{
    msgpack_object origin, headers;
    if (!origin_describe(request, request->parks + 1, &origin) ||
        !republish_headers(request, 2, &headers))
        return BROKER_ENOMEM;
    if (request->losses > 0)
        value_map_put(&headers, LOSS_HEADER, value_int(request->losses));
    value_map_put(&headers, ORIGIN_HEADER, origin);
    struct broker_message copy = republish_message(request, &headers);
    copy.exchange = (struct text){rung->name, strlen(rung->name)};
    copy.declare = &rung->queue;
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
