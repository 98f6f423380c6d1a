/* SPDX-License-Identifier: BSD-3-Clause */
/* The consumers of the consuming connection: how they are made, made anew and cancelled. Must not
 * know what they deliver. */

#include <stdio.h>
#include <string.h>

#include "broker/internal.h"
#include "broker/table.h"

enum { TAG_SIZE = 32, TEXT_SIZE = 2048, RENEW_PAUSE_MS = 200 };

static const char tag_prefix[] = "celeriac-";

static void tag_of(const struct broker *broker, size_t index, char ret[TAG_SIZE])
{
    unsigned generation = broker->config.queues[index].no_ack ? 0 : broker->consuming.generation;
    snprintf(ret, TAG_SIZE, "%s%zu.%u", tag_prefix, index, generation);
}

static amqp_channel_t channel_of(const struct broker *broker, size_t index)
{
    return broker->config.queues[index].no_ack ? CHANNEL_CONTROL
                                               : broker->consuming.lanes.current->channel;
}

size_t consumers_index(const struct broker *broker, amqp_bytes_t tag)
{
    const char *text = tag.bytes;
    size_t skip = sizeof(tag_prefix) - 1;
    size_t index = 0;
    if (tag.len <= skip || tag.len > TAG_SIZE || memcmp(text, tag_prefix, skip) != 0)
        return broker->config.queue_count;
    for (size_t i = skip; i < tag.len && text[i] != '.'; i++)
        index = index * 10 + (size_t)(text[i] - '0');
    return index < broker->config.queue_count ? index : broker->config.queue_count;
}

void consumers_refuse(struct broker *broker, const struct broker_queue *queue, const char *why)
{
    char text[TEXT_SIZE];
    snprintf(text, sizeof(text), "Cannot consume from queue '%s': %s", queue->name, why);
    broker_give_up(broker, text);
}

bool consumers_ask(struct broker *broker, size_t index)
{
    const struct broker_queue *queue = &broker->config.queues[index];
    msgpack_zone *zone = msgpack_zone_new(1024);
    size_t ignored = 0;
    char tag[TAG_SIZE];
    tag_of(broker, index, tag);
    amqp_basic_consume_t method = {
        .queue = amqp_cstring_bytes(queue->name),
        .consumer_tag = amqp_cstring_bytes(tag),
        .no_ack = queue->no_ack,
    };
    if (!zone || table_write(&queue->consumer_arguments, zone, &method.arguments, &ignored) != 0) {
        msgpack_zone_free(zone);
        consumers_refuse(broker, queue, "its arguments cannot be sent over AMQP");
        return false;
    }
    broker->consuming.consumers[index] = CONSUMER_ASKED;
    link_send_method(broker->consuming.side.link, channel_of(broker, index),
                     AMQP_BASIC_CONSUME_METHOD, &method);
    msgpack_zone_free(zone);
    return true;
}

const struct broker_queue *consumers_asked(const struct broker *broker)
{
    for (size_t i = 0; i < broker->config.queue_count; i++)
        if (broker->consuming.consumers[i] == CONSUMER_ASKED)
            return &broker->config.queues[i];
    return NULL;
}

/* What a consumer made now should have. */
static uint32_t own_window(const struct consuming *consuming)
{
    if (consuming->prefetch == 0)
        return 0;
    return consuming->lasting < consuming->prefetch ? consuming->prefetch - consuming->lasting : 1;
}

void consumers_note_window(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    consuming->own = own_window(consuming);
    consuming->own_lasting = consuming->lasting;
    consuming->renewed_at = uv_now(broker->loop);
}

static bool is_settled(const struct broker *broker, size_t index)
{
    return broker->consuming.consumers[index] == CONSUMER_ACTIVE &&
           !broker->config.queues[index].no_ack;
}

static void send_cancel(struct broker *broker, size_t index, bool answered)
{
    char tag[TAG_SIZE];
    tag_of(broker, index, tag);
    amqp_basic_cancel_t method = {.consumer_tag = amqp_cstring_bytes(tag), .nowait = !answered};
    link_send_method(broker->consuming.side.link, channel_of(broker, index),
                     AMQP_BASIC_CANCEL_METHOD, &method);
}

/* Also when half of it is taken by what will stay. */
static bool wants_renewal(const struct broker *broker)
{
    const struct consuming *consuming = &broker->consuming;
    uint32_t own = own_window(consuming);
    uint32_t taken = consuming->lasting - consuming->own_lasting;
    bool in_time = uv_now(broker->loop) - consuming->renewed_at >= RENEW_PAUSE_MS;
    bool raises = own == 0 || (consuming->own != 0 && own > consuming->own);
    return (own != consuming->own && (raises || in_time)) || (own != 0 && taken > own / 2);
}

static void ask_all(struct broker *broker, enum consumer_state state)
{
    consumers_note_window(broker);
    settling_send_prefetch(broker);
    broker->consuming.generation++;
    for (size_t i = 0; i < broker->config.queue_count; i++)
        if (broker->consuming.consumers[i] == state && !broker->config.queues[i].no_ack &&
            !consumers_ask(broker, i))
            return;
    if (consumers_asked(broker))
        side_expect_answer(&broker->consuming.side);
}

/* A new tag, as RabbitMQ 3.10 closes the channel when a quorum queue's consumer comes back under
 * the old one while it has messages in hand. */
static void renew(struct broker *broker)
{
    for (size_t i = 0; i < broker->config.queue_count; i++)
        if (is_settled(broker, i))
            send_cancel(broker, i, false);
    ask_all(broker, CONSUMER_ACTIVE);
}

static bool somebody_leaves(const struct broker *broker)
{
    for (size_t i = 0; i < broker->config.queue_count; i++)
        if (broker->consuming.consumers[i] == CONSUMER_LEAVING)
            return true;
    return false;
}

static void arrive(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    if (!consuming->moving->open || somebody_leaves(broker))
        return;
    side_answered(&consuming->side);
    consuming->lanes.current = consuming->moving;
    consuming->moving = NULL;
    if (!consuming->cancelled)
        ask_all(broker, CONSUMER_LEFT);
    /* A queue may have been deleted in the meantime. */
    if (!consumers_asked(broker) && topology_wants(&consuming->side.topology))
        side_declare_again(&consuming->side);
}

void consumers_on_open(struct broker *broker, amqp_channel_t channel)
{
    struct lane *lane = broker->consuming.moving;
    if (!lane || lane->channel != channel)
        return;
    lane->open = true;
    arrive(broker);
}

void consumers_on_left(struct broker *broker, amqp_bytes_t tag)
{
    size_t index = consumers_index(broker, tag);
    if (!broker->consuming.moving || index == broker->config.queue_count)
        return;
    if (broker->consuming.consumers[index] == CONSUMER_LEAVING)
        broker->consuming.consumers[index] = CONSUMER_LEFT;
    arrive(broker);
}

/* The window of the next lane is what the others leave of it, so that all that was delivered there
 * must have come. */
static void move(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    amqp_channel_open_t method = {.out_of_band = amqp_empty_bytes};
    struct lane *lane = lanes_next(&consuming->lanes);
    if (!lane)
        return;
    consuming->moving = lane;
    for (size_t i = 0; i < broker->config.queue_count; i++)
        if (is_settled(broker, i)) {
            send_cancel(broker, i, true);
            consuming->consumers[i] = CONSUMER_LEAVING;
        }
    if (!lane->open)
        link_send_method(consuming->side.link, lane->channel, AMQP_CHANNEL_OPEN_METHOD, &method);
    side_expect_answer(&consuming->side);
}

/* Nothing comes over any lane while the window is full; and none can have a window of 0. */
static bool has_room(const struct consuming *consuming)
{
    return consuming->prefetch == 0 || lanes_unsettled(&consuming->lanes) < consuming->prefetch;
}

void consumers_follow(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    if (consuming->own_lasting > consuming->lasting)
        consuming->own_lasting = consuming->lasting;
    if (consuming->cancelled || consuming->side.awaiting)
        return;
    if (has_room(consuming) && lanes_full(&consuming->lanes, consuming->lasting))
        move(broker);
    else if (consuming->per_consumer && consuming->prefetch_dirty && wants_renewal(broker))
        renew(broker);
}

void consumers_cancel(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    if (consuming->cancelled)
        return;
    consuming->cancelled = true;
    for (size_t i = 0; i < broker->config.queue_count; i++) {
        if (consuming->consumers[i] != CONSUMER_ABSENT)
            send_cancel(broker, i, false);
    }
}

void broker_cancel_consumers(struct broker *broker)
{
    consumers_cancel(broker);
}
