/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns copies of messages, and the counted return of a lost task's message to its queue: a copy
 * with the loss count raised, confirmed, then the ack of the original. The order means that a crash
 * in between leaves two messages, never none. */

#include "worker/consumer/republish.h"

#include <string.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/consumer/origin.h"
#include "worker/log/log.h"

/* A loss that cannot be counted in the message ends the task here: it could cost processes for ever
 * otherwise. */
static void give_up(struct request *request, const char *error)
{
    log_error("Task %s: its copy with a raised loss count was not taken by the broker (%s): it "
              "ends here, "
              "as FAILURE",
              request_label(request), error);
    request->verb = BROKER_REJECT;
    record_submit(request); /* prepared when the process was lost */
}

static void on_republished(void *context, const char *error)
{
    struct request *request = context;
    if (error == NULL)
        finish_close(request, BROKER_ACK);
    else if (request->consumer->state >= CONSUMER_LEAVING)
        finish_close(request, BROKER_REJECT_REQUEUE);
    else
        give_up(request, error);
}

/* RabbitMQ's own notes about dead letters must not be carried on: they break its cycle detection
 * (celery-wire.md 1.8). */
static bool header_is_carried(struct text name)
{
    static const char *const prefixes[] = {"x-death", "x-first-death-", "x-last-death-"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t size = strlen(prefixes[i]);
        if (name.size >= size && memcmp(name.data, prefixes[i], size) == 0)
            return false;
    }
    return !text_equal(name, LOSS_HEADER) && !text_equal(name, ORIGIN_HEADER);
}

bool republish_headers(const struct request *request, uint32_t more, msgpack_object *ret)
{
    const struct broker_delivery *delivery = request->delivery;
    uint32_t size =
        delivery->headers.type == MSGPACK_OBJECT_MAP ? delivery->headers.via.map.size : 0;
    if (!value_map(delivery->zone, size + more, ret))
        return false;
    for (uint32_t i = 0; i < size; i++) {
        const msgpack_object_kv *pair = &delivery->headers.via.map.ptr[i];
        struct text name;
        if (value_as_text(&pair->key, &name) && header_is_carried(name))
            ret->via.map.ptr[ret->via.map.size++] = *pair;
    }
    return true;
}

struct broker_message republish_message(const struct request *request,
                                        const msgpack_object *headers)
{
    const struct broker_delivery *delivery = request->delivery;
    return (struct broker_message){
        .exchange = {"", 0},
        .routing_key = {delivery->queue->name, strlen(delivery->queue->name)},
        .content_type = delivery->content_type,
        .content_encoding = delivery->content_encoding,
        .correlation_id = delivery->correlation_id,
        .reply_to = delivery->reply_to,
        .expiration = delivery->expiration,
        .message_id = delivery->message_id,
        .type = delivery->type,
        .app_id = delivery->app_id,
        .user_id = delivery->user_id,
        .timestamp = delivery->timestamp,
        .priority = delivery->priority,
        .delivery_mode = delivery->delivery_mode > 0 ? delivery->delivery_mode : 2,
        .headers = headers,
        .body = delivery->body,
        .mandatory = true,
    };
}

void republish_counted(struct request *request)
{
    msgpack_object headers, origin;
    int error = BROKER_ENOMEM;
    if (republish_headers(request, 2, &headers) &&
        origin_describe(request, request->parks, &origin)) {
        value_map_put(&headers, LOSS_HEADER, value_int(request->losses + 1));
        value_map_put(&headers, ORIGIN_HEADER, origin);
        struct broker_message copy = republish_message(request, &headers);
        request_set_state(request, REQUEST_REPUBLISHING);
        error = broker_publish(request->consumer->broker, &copy, on_republished, request);
    }
    if (error == BROKER_EFULL || error == BROKER_ENOMEM)
        finish_close(request, BROKER_REJECT_REQUEUE); /* it passes */
    else if (error != 0)
        on_republished(request, broker_strerror(error));
}
