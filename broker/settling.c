/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes back over the consuming connection: settlements, once a turn, and the window's size. */

#include "broker/internal.h"

enum { ACK_FRAME_SIZE = 24, PREFETCH_MAX = UINT16_MAX };

void settling_send_prefetch(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    amqp_basic_qos_t method = {
        .prefetch_count =
            (uint16_t)(consuming->per_consumer ? consuming->own : consuming->prefetch),
        .global = !consuming->per_consumer,
    };
    consuming->prefetch_dirty = false;
    link_send_method(consuming->side.link, CHANNEL_MAIN, AMQP_BASIC_QOS_METHOD, &method);
}

static bool send_settlement(struct link *link, const struct settle_op *op)
{
    amqp_basic_ack_t ack = {.delivery_tag = op->tag, .multiple = op->multiple};
    amqp_basic_reject_t reject = {.delivery_tag = op->tag,
                                  .requeue = op->verb == BROKER_REJECT_REQUEUE};
    amqp_basic_nack_t nack = {.delivery_tag = op->tag, .requeue = 1};
    if (op->verb == BROKER_ACK)
        return link_send_method(link, CHANNEL_MAIN, AMQP_BASIC_ACK_METHOD, &ack);
    if (op->verb == BROKER_NACK_REQUEUE)
        return link_send_method(link, CHANNEL_MAIN, AMQP_BASIC_NACK_METHOD, &nack);
    return link_send_method(link, CHANNEL_MAIN, AMQP_BASIC_REJECT_METHOD, &reject);
}

void settling_flush(struct broker *broker)
{
    struct consuming *consuming = &broker->consuming;
    struct link *link = consuming->side.link;
    struct settle_op op;
    if (consuming->side.state != SIDE_UP)
        return;
    if (consuming->prefetch_dirty && consuming->per_consumer)
        consumers_renew(broker);
    else if (consuming->prefetch_dirty)
        settling_send_prefetch(broker);
    if (!settle_pending(&consuming->settle))
        return;
    while (link_may_send(link, ACK_FRAME_SIZE) && settle_next(&consuming->settle, &op) &&
           send_settlement(link, &op))
        continue;
}

bool broker_settle(struct broker *broker, uint64_t epoch, uint64_t tag, enum broker_verb verb)
{
    struct consuming *consuming = &broker->consuming;
    if (!consuming->up || epoch != consuming->epoch)
        return false;
    settle_mark(&consuming->settle, tag, verb);
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
    consuming->lasting = lasting < prefetch ? lasting : prefetch;
}
