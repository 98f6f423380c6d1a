/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes back over the consuming connection: settlements, once a turn, and the window's size. */

#include "broker/internal.h"

enum { ACK_FRAME_SIZE = 24, PREFETCH_MAX = UINT16_MAX };

/* The server counts what is on the channel: what is on the others is taken off. */
static uint32_t own_window(const struct consuming *consuming)
{
    const struct lanes *lanes = &consuming->lanes;
    if (consuming->per_consumer)
        return consuming->own;
    if (consuming->prefetch == 0)
        return 0;
    size_t elsewhere = lanes_unsettled(lanes) - lanes->current->settle.window.count;
    return elsewhere < consuming->prefetch ? (uint32_t)(consuming->prefetch - elsewhere) : 1;
}

void settling_send_prefetch(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    consuming->sent = own_window(consuming);
    consuming->prefetch_dirty = false;
    amqp_basic_qos_t method = {
        .prefetch_count = (uint16_t)consuming->sent,
        .global = !consuming->per_consumer,
    };
    link_send_method(consuming->side.link, consuming->lanes.current->channel, AMQP_BASIC_QOS_METHOD,
                     &method);
}

static bool send_settlement(struct link *link, amqp_channel_t channel, const struct settle_op *op)
{
    amqp_basic_ack_t ack = {.delivery_tag = op->tag, .multiple = op->multiple};
    amqp_basic_reject_t reject = {.delivery_tag = op->tag,
                                  .requeue = op->verb == BROKER_REJECT_REQUEUE};
    amqp_basic_nack_t nack = {.delivery_tag = op->tag, .multiple = op->multiple, .requeue = 1};
    if (op->verb == BROKER_ACK)
        return link_send_method(link, channel, AMQP_BASIC_ACK_METHOD, &ack);
    if (op->verb == BROKER_NACK_REQUEUE)
        return link_send_method(link, channel, AMQP_BASIC_NACK_METHOD, &nack);
    return link_send_method(link, channel, AMQP_BASIC_REJECT_METHOD, &reject);
}

static void flush_lane(struct link *link, struct lane *lane)
{
    struct settle_op op;
    if (!settle_pending(&lane->settle))
        return;
    while (link_may_send(link, ACK_FRAME_SIZE) && settle_next(&lane->settle, &op) &&
           send_settlement(link, lane->channel, &op))
        continue;
}

void settling_flush(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    if (consuming->side.state != SIDE_UP)
        return;
    consumers_follow(broker);
    if (!consuming->per_consumer && !consuming->moving && own_window(consuming) != consuming->sent)
        settling_send_prefetch(broker);
    for (size_t i = 0; i < consuming->lanes.count; i++)
        flush_lane(consuming->side.link, consuming->lanes.all[i]);
}

bool broker_settle(struct broker *broker, uint64_t epoch, uint64_t tag, enum broker_verb verb)
{
    struct consuming *consuming = &broker->consuming;
    if (!consuming->up || epoch != consuming->epoch)
        return false;
    uint64_t own_tag = 0;
    struct lane *lane = lanes_of_name(&consuming->lanes, tag, &own_tag);
    settle_mark(&lane->settle, own_tag, verb);
    consuming->settled++;
    return true;
}

void broker_set_prefetch(struct broker *broker, uint32_t prefetch, uint32_t lasting)
{
    struct consuming *consuming = &broker->consuming;
    if (prefetch > PREFETCH_MAX)
        prefetch = PREFETCH_MAX;
    consuming->prefetch_dirty |= prefetch != consuming->prefetch || lasting != consuming->lasting;
    consuming->prefetch = prefetch;
    consuming->lasting = lasting;
}
