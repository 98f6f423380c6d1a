/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way of a remote control message in and of its answer out. Knows no command. */

#include "worker/consumer/control.h"

#include <stdio.h>
#include <string.h>

#include "codec/control.h"
#include "worker/consumer/control_commands.h"
#include "worker/consumer/control_match.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

/* A clock beyond it is no clock: adding to it must not overflow. */
static const int64_t CLOCK_MAX = (int64_t)1 << 62;
enum { REPLY_MAX = 16 * 1024 * 1024 };

/* ---- what the broker is to have ---- */

/* None, which is 0 here, is no argument. */
static void put_milliseconds(struct control *control, const char *name, double seconds)
{
    if (seconds > 0)
        control->arguments[control->argument_count++] =
            (msgpack_object_kv){value_string(name), value_int((int64_t)(seconds * 1000))};
}

void control_init(struct control *control, const struct consumer_config *config)
{
    const char *prefix = config->control_exchange;
    snprintf(control->queue, CONTROL_NAME_SIZE, "%s.%s.pidbox", config->nodename, prefix);
    snprintf(control->exchange, CONTROL_NAME_SIZE, "%s.pidbox", prefix);
    snprintf(control->replies, CONTROL_NAME_SIZE, "reply.%s.pidbox", prefix);
    control->argument_count = 0;
    put_milliseconds(control, "x-expires", config->control_queue_expires);
    put_milliseconds(control, "x-message-ttl", config->control_queue_ttl);
}

void control_queue(const struct control *control, struct broker_queue *ret)
{
    *ret = (struct broker_queue){
        .name = control->queue,
        .exchange = control->exchange,
        .exchange_type = "fanout",
        .exchange_transient = true,
        .routing_key = "",
        .auto_delete = true,
        .no_ack = true,
        .arguments = {.type = MSGPACK_OBJECT_MAP,
                      .via.map = {.size = control->argument_count,
                                  .ptr = (msgpack_object_kv *)control->arguments}},
    };
}

void control_exchange(const struct control *control, struct broker_exchange *ret)
{
    *ret = (struct broker_exchange){.name = control->replies, .type = "direct", .transient = true};
}

bool control_is(const struct control *control, const struct broker_delivery *delivery)
{
    return delivery->queue->name == control->queue;
}

/* ---- the answer ---- */

static void publish(struct consumer *consumer, const struct control_message *message,
                    const struct serializer *serializer, struct bytes body)
{
    msgpack_object_kv pairs[] = {
        {value_string("ticket"), message->ticket},
        {value_string("clock"), value_int(++consumer->control.clock)},
    };
    const msgpack_object headers = {.type = MSGPACK_OBJECT_MAP,
                                    .via.map = {.size = ARRAY_LEN(pairs), .ptr = pairs}};
    const struct broker_message reply = {
        .exchange = message->reply_exchange,
        .routing_key = message->reply_key,
        .content_type = {serializer->content_type, strlen(serializer->content_type)},
        .content_encoding = {serializer->content_encoding, strlen(serializer->content_encoding)},
        .priority = 0,
        .delivery_mode = 1,
        .headers = &headers,
        .body = body,
    };
    int error = broker_publish(consumer->broker, &reply, NULL, NULL);
    if (error != 0)
        log_warning("A remote control reply could not be sent: %s", broker_strerror(error));
}

/* A serializer that is not one of ours (pickle) becomes JSON, which every client accepts. */
static const struct serializer *reply_serializer(const struct consumer *consumer)
{
    const char *name = consumer->config.task_serializer;
    const struct serializer *serializer = name != NULL ? serializer_by_name(name) : NULL;
    return serializer != NULL ? serializer : serializer_by_name("json");
}

static void answer(struct consumer *consumer, const struct control_message *message,
                   const msgpack_object *value)
{
    const struct serializer *serializer = reply_serializer(consumer);
    struct buffer body;
    /* Publishing to an exchange that is not there costs the connection; only this one surely is. */
    if (message->reply_exchange.size > 0 &&
        !text_equal(message->reply_exchange, consumer->control.replies)) {
        log_warning("A remote control reply is wanted at the exchange '%.*s', which is not that of "
                    "this worker: it is not sent",
                    text_quoted_size(message->reply_exchange), message->reply_exchange.data);
        return;
    }
    buffer_init(&body, REPLY_MAX);
    int error = control_write_reply(consumer->config.nodename, value, serializer, &body);
    if (error == 0)
        publish(consumer, message, serializer, buffer_bytes(&body));
    else
        log_error("A remote control reply cannot be written: %s", codec_strerror(error));
    buffer_done(&body);
}

/* ---- the question ---- */

static void adjust_clock(struct control *control, const msgpack_object *headers)
{
    int64_t theirs = 0;
    value_as_int(value_get(headers, "clock"), &theirs);
    if (theirs > control->clock && theirs < CLOCK_MAX)
        control->clock = theirs;
    control->clock++;
}

static void dispatch(struct consumer *consumer, const struct control_message *message,
                     msgpack_zone *zone)
{
    struct control_call call = {
        .consumer = consumer,
        .method = message->method,
        .arguments = &message->arguments,
        .zone = zone,
        .reply = value_nil(),
    };
    log_debug("pidbox received method %.*s [%s]", text_quoted_size(message->method),
              message->method.data,
              message->reply_key.data != NULL ? "a reply is wanted" : "no reply");
    control_run(&call);
    if (message->reply_key.data != NULL)
        answer(consumer, message, &call.reply);
}

static bool is_accepted(const struct consumer *consumer, struct text content_type)
{
    const struct serializer *const *accepted = consumer->config.accept_content;
    while (accepted != NULL && *accepted != NULL &&
           !text_equal(content_type, (*accepted)->content_type))
        accepted++;
    return accepted == NULL || *accepted != NULL;
}

static void take(struct consumer *consumer, const struct broker_delivery *delivery)
{
    struct control_message message;
    struct codec_reason reason = {"its content type is not in accept_content"};
    if (!is_accepted(consumer, delivery->content_type) ||
        control_read(delivery->content_type, delivery->body, delivery->zone, &message, &reason) !=
            0) {
        log_error("Cannot decode message: a remote control command is dropped: %s", reason.text);
        return;
    }
    adjust_clock(&consumer->control, &delivery->headers);
    switch (control_match(consumer->config.nodename, &message)) {
    case CONTROL_OURS:
        dispatch(consumer, &message, delivery->zone);
        break;
    case CONTROL_UNCLEAR:
        log_warning("A remote control command is dropped: whom it is for is said with a pattern or "
                    "a matcher that celeriac does not know");
        break;
    case CONTROL_OTHERS:
        break;
    }
}

void control_delivery(struct consumer *consumer, struct broker_delivery *delivery)
{
    if (consumer->state == CONSUMER_RUNNING)
        take(consumer, delivery);
    broker_delivery_free(delivery);
}

void control_oversized(struct broker_delivery *delivery, uint64_t size)
{
    log_error("Cannot decode message: a remote control command of %llu bytes is dropped",
              (unsigned long long)size);
    broker_delivery_free(delivery);
}
