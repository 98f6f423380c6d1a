/* SPDX-License-Identifier: BSD-3-Clause */
/* The broker object: its two sides, its start and its end, and what it tells its owner. */

#include "broker/broker.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/internal.h"

enum { NOTICE_SIZE = 4096 };

struct broker *broker_new(uv_loop_t *loop, const struct broker_config *config,
                          const struct broker_handler *handler, void *context)
{
    struct broker *broker = calloc(1, sizeof(*broker));
    if (!broker)
        return NULL;
    broker->loop = loop;
    broker->config = *config;
    broker->handler = *handler;
    broker->context = context;
    if (consuming_init(broker) && publishing_init(broker))
        return broker;
    broker_free(broker);
    return NULL;
}

void broker_free(struct broker *broker)
{
    if (!broker)
        return;
    assert(broker->links == 0 && broker->handles == 0);
    outbox_fail_all(&broker->publishing.outbox, "the broker was not started");
    consuming_done(broker);
    publishing_done(broker);
    free(broker);
}

void broker_notice(struct broker *broker, enum broker_severity severity, const char *format, ...)
{
    char text[NOTICE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!broker->closing)
        broker->handler.on_notice(broker->context, severity, text);
}

void broker_connected(struct broker *broker)
{
    broker->connects++;
}

void broker_update_blocked(struct broker *broker)
{
    bool blocked = broker->consuming.side.blocked || broker->publishing.side.blocked;
    if (blocked == broker->blocked)
        return;
    broker->blocked = blocked;
    if (!broker->closing)
        broker->handler.on_blocked(broker->context, blocked);
}

void broker_give_up(struct broker *broker, const char *text)
{
    if (broker->failed || broker->closing)
        return;
    broker->failed = true;
    side_end(&broker->consuming.side);
    side_end(&broker->publishing.side);
    broker->handler.on_failed(broker->context, text);
}

static bool is_flushed(const struct broker *broker)
{
    const struct consuming *consuming = &broker->consuming;
    return broker->publishing.outbox.messages == 0 &&
           !(consuming->up && lanes_pending(&consuming->lanes));
}

static void close_sides(struct broker *broker)
{
    if (broker->closing)
        return;
    broker->closing = true;
    side_close(&broker->publishing.side);
    side_close(&broker->consuming.side);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct broker *broker = prepare->data;
    publishing_flush(broker); /* may tell somebody who then settles */
    settling_flush(broker);
    link_flush(broker->consuming.side.link);
    link_flush(broker->publishing.side.link);
    if (broker->stopping && (broker->failed || is_flushed(broker)))
        close_sides(broker);
}

static void on_stop_timer(uv_timer_t *timer)
{
    close_sides(timer->data);
}

static void maybe_stopped(struct broker *broker)
{
    if (broker->ended && broker->handles == 0 && broker->links == 0)
        broker->handler.on_stopped(broker->context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct broker *broker = handle->data;
    broker->handles--;
    maybe_stopped(broker);
}

void broker_link_opened(struct broker *broker)
{
    broker->links++;
}

void broker_link_freed(struct broker *broker)
{
    broker->links--;
    maybe_stopped(broker);
}

/* The timers of the sides belong to the sides; their `data` is replaced, as all four end alike. */
static void close_handles(struct broker *broker)
{
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&broker->prepare,
        (uv_handle_t *)&broker->stop_timer,
        (uv_handle_t *)&broker->consuming.side.timer,
        (uv_handle_t *)&broker->publishing.side.timer,
    };
    broker->handles = ARRAY_LEN(handles);
    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        handles[i]->data = broker;
        uv_close(handles[i], on_handle_closed);
    }
}

void broker_side_ended(struct broker *broker)
{
    if (!broker->closing || broker->ended || broker->consuming.side.state != SIDE_IDLE ||
        broker->publishing.side.state != SIDE_IDLE)
        return;
    outbox_fail_all(&broker->publishing.outbox, "the worker stopped before it was confirmed");
    broker->ended = true;
    close_handles(broker);
}

void broker_start(struct broker *broker)
{
    broker->started = true;
    uv_prepare_init(broker->loop, &broker->prepare);
    uv_timer_init(broker->loop, &broker->stop_timer);
    broker->prepare.data = broker->stop_timer.data = broker;
    uv_prepare_start(&broker->prepare, on_prepare);
    side_start(&broker->consuming.side, !broker->config.publish_only);
    side_start(&broker->publishing.side, !broker->config.consume_only);
}

void broker_stop(struct broker *broker, double seconds)
{
    if (broker->stopping)
        return;
    if (!broker->started)
        broker_start(broker);
    broker->stopping = true;
    consumers_cancel(broker);
    uv_timer_start(&broker->stop_timer, on_stop_timer, (uint64_t)(seconds * 1000), 0);
}

void broker_get_stats(const struct broker *broker, struct broker_stats *ret)
{
    const struct consuming *consuming = &broker->consuming;
    const struct publishing *publishing = &broker->publishing;
    *ret = (struct broker_stats){
        .epoch = consuming->epoch,
        .consuming = consuming->up,
        .publishing = publishing->side.state == SIDE_UP && publishing->ready,
        .blocked = broker->blocked,
        .connects = broker->connects,
        .delivered = consuming->delivered,
        .settled = consuming->settled,
        .published = publishing->outbox.published,
        .confirmed = publishing->outbox.confirmed,
        .unsettled = lanes_unsettled(&consuming->lanes),
        .outbox_bytes = publishing->outbox.bytes,
        .outbox_messages = publishing->outbox.messages,
        .prefetch = consuming->prefetch,
    };
}

size_t broker_queue_bindings(const struct broker_queue *queue)
{
    return queue->binding_count > 0 ? queue->binding_count : 1;
}

struct broker_binding broker_queue_binding(const struct broker_queue *queue, size_t index)
{
    if (queue->binding_count > 0)
        return queue->bindings[index];
    return (struct broker_binding){
        .exchange = queue->exchange,
        .exchange_type = queue->exchange_type,
        .routing_key = queue->routing_key,
        .arguments = queue->binding_arguments,
        .exchange_arguments = queue->exchange_arguments,
        .exchange_transient = queue->exchange_transient,
        .exchange_auto_delete = queue->exchange_auto_delete,
        .exchange_no_declare = queue->exchange_no_declare,
    };
}

bool broker_queue_is_quorum(const struct broker_queue *queue)
{
    struct text type = {NULL, 0};
    return value_as_text(value_get(&queue->arguments, "x-queue-type"), &type) &&
           text_equal(type, "quorum");
}
