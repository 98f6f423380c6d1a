/* SPDX-License-Identifier: BSD-3-Clause */
/* The consuming connection: consumers and the deliveries that come in. Channel MAIN has
 * the consumers whose deliveries are settled, channel CONTROL those without acks, so that the
 * window never holds remote control back. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/internal.h"
#include "broker/table.h"

/* A delivery that nobody wants any more goes back to its queue. */
static void give_back(struct broker *broker, struct broker_delivery *delivery)
{
    uint64_t tag = 0;
    if (delivery->tag) {
        struct lane *lane = lanes_of_name(&broker->consuming.lanes, delivery->tag, &tag);
        settle_mark(&lane->settle, tag, BROKER_NACK_REQUEUE);
    }
    broker_delivery_free(delivery);
}

static void hand_over(struct broker *broker, struct broker_delivery *delivery)
{
    struct consuming *consuming = &broker->consuming;
    uint64_t oversize = delivery_oversize(delivery);
    if (consuming->cancelled) {
        give_back(broker, delivery);
        return;
    }
    delivery->epoch = consuming->epoch;
    consuming->delivered++;
    if (oversize)
        broker->handler.on_oversized(broker->context, delivery, oversize);
    else
        broker->handler.on_delivery(broker->context, delivery);
}

static void hand_over_early(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    while (consuming->early && consuming->up) {
        struct broker_delivery *delivery = consuming->early;
        consuming->early = *delivery_next(delivery);
        if (!consuming->early)
            consuming->early_end = &consuming->early;
        hand_over(broker, delivery);
    }
}

/* Every consumer is active. */
static void go_up(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    side_answered(&consuming->side);
    if (consuming->side.state == SIDE_DECLARING) {
        consuming->up = true;
        consuming->epoch++;
        side_up(&consuming->side);
        broker->handler.on_up(broker->context, consuming->epoch);
        hand_over_early(broker);
    }
    /* A queue may have been deleted in the meantime. */
    if (consuming->up && topology_wants(&consuming->side.topology))
        side_declare_again(&consuming->side);
}

static void on_declared(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    lanes_limit(&consuming->lanes, link_channel_max(consuming->side.link));
    consumers_note_window(broker);
    settling_send_prefetch(broker);
    for (size_t i = 0; i < broker->config.queue_count && !consuming->cancelled; i++)
        if (consuming->consumers[i] == CONSUMER_ABSENT && !broker->config.queues[i].declare_only &&
            !consumers_ask(broker, i))
            return;
    if (consumers_asked(broker))
        side_expect_answer(&consuming->side);
    else
        go_up(broker);
}

static void on_consume_ok(struct broker *broker, amqp_channel_t channel,
                          const amqp_method_t *method)
{
    (void)channel;
    const amqp_basic_consume_ok_t *ok = method->decoded;
    size_t index = consumers_index(broker, ok->consumer_tag);
    if (index == broker->config.queue_count)
        return;
    broker->consuming.consumers[index] = CONSUMER_ACTIVE;
    if (!consumers_asked(broker))
        go_up(broker);
}

/* The server ended a consumer: its queue is gone, or its node is. */
static void on_cancel(struct broker *broker, amqp_channel_t channel, const amqp_method_t *method)
{
    (void)channel;
    const amqp_basic_cancel_t *cancel = method->decoded;
    struct consuming *consuming = &broker->consuming;
    size_t index = consumers_index(broker, cancel->consumer_tag);
    if (index == broker->config.queue_count || consuming->cancelled)
        return;
    const struct broker_queue *queue = &broker->config.queues[index];
    consuming->consumers[index] = CONSUMER_ABSENT;
    broker_notice(broker, BROKER_WARNING,
                  "consumer: the server cancelled the consumer of queue '%s' (deleted?). "
                  "Declaring it again...",
                  queue->name);
    topology_want_queue(&consuming->side.topology, queue);
    side_declare_again(&consuming->side);
}

/* Deliveries cannot be settled any more, so the whole connection starts anew. A refused consumer is
 * final at first. */
static void on_channel_close(struct broker *broker, amqp_channel_t channel,
                             const amqp_method_t *method)
{
    (void)channel;
    struct consuming *consuming = &broker->consuming;
    const struct broker_queue *queue = consumers_asked(broker);
    char said[WORDS_SIZE];
    int code = words_code(method);
    words_of_close(method, said);
    if (!queue || consuming->up || code == AMQP_RESOURCE_LOCKED) {
        side_lose(&consuming->side, code, said);
        return;
    }
    consumers_refuse(broker, queue, said);
}

static void out_of_memory(struct broker *broker)
{
    side_lose(&broker->consuming.side, 0, "out of memory");
}

/* The delivery gets the number by which others know it. False: out of memory. */
static bool enter(struct lane *lane, struct broker_delivery *delivery)
{
    if (!settle_delivered(&lane->settle, delivery->tag))
        return false;
    delivery->tag = lanes_name(lane, delivery->tag);
    return true;
}

/* `lane`: NULL for channel CONTROL. */
static void on_progress(struct broker *broker, struct lane *lane, struct assembly *assembly,
                        enum assembly_progress progress)
{
    struct consuming *consuming = &broker->consuming;
    if (progress == ASSEMBLY_MORE)
        return;
    if (progress < 0) {
        side_lose(&consuming->side, 0,
                  progress == ASSEMBLY_BROKEN ? "frames out of order" : "out of memory");
        return;
    }
    struct broker_delivery *delivery = assembly_take(assembly);
    if (lane && !enter(lane, delivery)) {
        broker_delivery_free(delivery);
        out_of_memory(broker);
    } else if (consuming->up) {
        hand_over(broker, delivery);
    } else {
        *consuming->early_end = delivery;
        consuming->early_end = delivery_next(delivery);
    }
}

static void on_deliver(struct broker *broker, amqp_channel_t channel, const amqp_method_t *method)
{
    const amqp_basic_deliver_t *deliver = method->decoded;
    size_t index = consumers_index(broker, deliver->consumer_tag);
    if (index == broker->config.queue_count) {
        side_lose(&broker->consuming.side, 0, "a delivery for an unknown consumer");
        return;
    }
    const struct broker_queue *queue = &broker->config.queues[index];
    struct lane *lane = lanes_of_channel(&broker->consuming.lanes, channel);
    if (queue->no_ack ? lane != NULL : !lane || deliver->delivery_tag <= lane->last_tag) {
        side_lose(&broker->consuming.side, 0, "delivery tags out of order");
        return;
    }
    if (lane)
        lane->last_tag = deliver->delivery_tag;
    struct assembly *assembly = lane ? &lane->assembly : &broker->consuming.control;
    enum assembly_progress progress = assembly_begin(assembly, deliver);
    if (progress == ASSEMBLY_MORE) {
        assembly->delivery->queue = queue;
        if (queue->no_ack)
            assembly->delivery->tag = 0;
    }
    on_progress(broker, lane, assembly, progress);
}

static void on_open(struct broker *broker, amqp_channel_t channel, const amqp_method_t *method)
{
    (void)method;
    consumers_on_open(broker, channel);
}

static void on_cancel_ok(struct broker *broker, amqp_channel_t channel, const amqp_method_t *method)
{
    const amqp_basic_cancel_ok_t *ok = method->decoded;
    (void)channel;
    consumers_on_left(broker, ok->consumer_tag);
}

static void on_method(struct broker *broker, amqp_channel_t channel, const amqp_method_t *method)
{
    static const struct {
        amqp_method_number_t id;
        void (*handle)(struct broker *broker, amqp_channel_t channel, const amqp_method_t *method);
    } handlers[] = {
        {AMQP_BASIC_DELIVER_METHOD, on_deliver},
        {AMQP_BASIC_CONSUME_OK_METHOD, on_consume_ok},
        {AMQP_BASIC_CANCEL_METHOD, on_cancel},
        {AMQP_BASIC_CANCEL_OK_METHOD, on_cancel_ok},
        {AMQP_CHANNEL_CLOSE_METHOD, on_channel_close},
        {AMQP_CHANNEL_OPEN_OK_METHOD, on_open},
    };
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (handlers[i].id == method->id) {
            handlers[i].handle(broker, channel, method);
            return;
        }
}

static void on_frame(struct broker *broker, const amqp_frame_t *frame)
{
    struct consuming *consuming = &broker->consuming;
    if (frame->frame_type == AMQP_FRAME_METHOD) {
        on_method(broker, frame->channel, &frame->payload.method);
        return;
    }
    struct lane *lane = lanes_of_channel(&consuming->lanes, frame->channel);
    struct assembly *assembly = lane ? &lane->assembly : &consuming->control;
    on_progress(broker, lane, assembly, assembly_frame(assembly, frame));
}

/* The server may allow a user fewer channels than it has said. */
static void note_refused_channel(struct consuming *consuming, int code)
{
    if (consuming->moving && code == AMQP_NOT_ALLOWED)
        lanes_limit(&consuming->lanes, consuming->moving->channel - 1U);
    consuming->moving = NULL;
}

static void on_down(struct broker *broker, int code)
{
    struct consuming *consuming = &broker->consuming;
    bool was_up = consuming->up;
    consuming->up = false;
    if (code == AMQP_NOT_IMPLEMENTED && !consuming->per_consumer) {
        consuming->per_consumer = true; /* a quorum queue that was not declared as one by us */
        broker_notice(broker, BROKER_INFO,
                      "consumer: the prefetch count is now per queue: the "
                      "server has no global one for these queues");
    }
    note_refused_channel(consuming, code);
    lanes_clear(&consuming->lanes);
    assembly_reset(&consuming->control);
    while (consuming->early) {
        struct broker_delivery *delivery = consuming->early;
        consuming->early = *delivery_next(delivery);
        broker_delivery_free(delivery);
    }
    consuming->early_end = &consuming->early;
    for (size_t i = 0; i < broker->config.queue_count; i++)
        consuming->consumers[i] = CONSUMER_ABSENT;
    if (was_up && !broker->closing)
        broker->handler.on_down(broker->context);
}

static const struct side_role role = {
    .name = "consumer",
    .channels = CHANNEL_CONTROL,
    .loud = true,
    .on_declared = on_declared,
    .on_frame = on_frame,
    .on_writable = settling_flush,
    .on_down = on_down,
};

static bool add_queues(struct broker *broker, struct topology *topology)
{
    const struct broker_config *config = &broker->config;
    for (size_t i = 0; i < config->queue_count; i++) {
        const struct broker_queue *queue = &config->queues[i];
        if (queue->declare_only)
            continue;
        broker->consuming.per_consumer |=
            config->detect_quorum_queues && broker_queue_is_quorum(queue);
        if (!topology_add(topology, (struct topology_item){.queue = queue, .purge = config->purge}))
            return false;
    }
    return true;
}

static bool add_late(const struct broker_config *config, struct topology *topology)
{
    for (size_t i = 0; i < config->queue_count; i++) {
        const struct broker_queue *queue = &config->queues[i];
        if (queue->late &&
            !topology_add(topology, (struct topology_item){.queue = queue, .optional = true}))
            return false;
    }
    for (size_t i = 0; i < config->exchange_count; i++) {
        const struct broker_exchange *exchange = &config->exchanges[i];
        if (exchange->late &&
            !topology_add(topology, (struct topology_item){.exchange = exchange, .optional = true}))
            return false;
    }
    return true;
}

bool consuming_init(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    const struct broker_config *config = &broker->config;
    side_init(&consuming->side, broker, &role);
    consuming->consumers = calloc(config->queue_count + 1, sizeof(enum consumer_state));
    consuming->store = delivery_store_new();
    if (!consuming->consumers || !consuming->store ||
        !lanes_init(&consuming->lanes, consuming->store, config->body_max))
        return false;
    assembly_init(&consuming->control, consuming->store, config->body_max);
    consuming->early_end = &consuming->early;
    broker_set_prefetch(broker, config->prefetch, 0);
    return add_queues(broker, &consuming->side.topology) &&
           add_late(config, &consuming->side.topology);
}

void consuming_done(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    lanes_done(&consuming->lanes);
    delivery_store_free(consuming->store);
    free(consuming->consumers);
    side_done(&consuming->side);
}
