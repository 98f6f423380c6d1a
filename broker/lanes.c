/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the set of lanes: which one is next, and whose a delivery is. Must not know consumers. */

#include "broker/lanes.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FIRST_CHANNEL = 1, /* 2 and 3 are the topology's and remote control's */
    MORE_CHANNELS = 3,
    NAME_SHIFT = 48, /* tags below: a thousand million a second for three days */
};

static bool add(struct lanes *lanes)
{
    struct lane *lane = calloc(1, sizeof(*lane));
    if (!lane)
        return false;
    lane->index = lanes->count;
    lane->channel =
        (amqp_channel_t)(lane->index == 0 ? FIRST_CHANNEL : MORE_CHANNELS + lane->index);
    settle_init(&lane->settle);
    assembly_init(&lane->assembly, lanes->store, lanes->body_max);
    lanes->all[lanes->count++] = lane;
    return true;
}

bool lanes_init(struct lanes *lanes, struct delivery_store *store, size_t body_max)
{
    *lanes = (struct lanes){.store = store, .body_max = body_max, .limit = LANES_MAX};
    if (!add(lanes))
        return false;
    lanes_clear(lanes);
    return true;
}

void lanes_done(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++) {
        assembly_reset(&lanes->all[i]->assembly);
        settle_done(&lanes->all[i]->settle);
        free(lanes->all[i]);
    }
    lanes->count = 0;
}

void lanes_clear(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++) {
        struct lane *lane = lanes->all[i];
        lane->open = i == 0;
        lane->last_tag = 0;
        settle_clear(&lane->settle);
        assembly_reset(&lane->assembly);
    }
    lanes->current = lanes->all[0];
}

struct lane *lanes_of_channel(const struct lanes *lanes, amqp_channel_t channel)
{
    size_t index = channel > MORE_CHANNELS ? channel - (size_t)MORE_CHANNELS : 0;
    if (index >= lanes->count || lanes->all[index]->channel != channel)
        return NULL;
    return lanes->all[index];
}

void lanes_limit(struct lanes *lanes, unsigned channel_max)
{
    size_t limit = channel_max > MORE_CHANNELS ? channel_max - (size_t)MORE_CHANNELS + 1 : 1;
    if (channel_max != 0 && limit < lanes->limit)
        lanes->limit = limit;
}

uint64_t lanes_name(const struct lane *lane, uint64_t tag)
{
    assert(tag >> NAME_SHIFT == 0);
    return (uint64_t)lane->index << NAME_SHIFT | tag;
}

struct lane *lanes_of_name(const struct lanes *lanes, uint64_t name, uint64_t *ret_tag)
{
    assert(name >> NAME_SHIFT < lanes->count);
    *ret_tag = name & (((uint64_t)1 << NAME_SHIFT) - 1);
    return lanes->all[name >> NAME_SHIFT];
}

size_t lanes_unsettled(const struct lanes *lanes)
{
    size_t unsettled = 0;
    for (size_t i = 0; i < lanes->count; i++)
        unsettled += lanes->all[i]->settle.window.count;
    return unsettled;
}

bool lanes_pending(const struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++)
        if (settle_pending(&lanes->all[i]->settle))
            return true;
    return false;
}

bool lanes_full(const struct lanes *lanes, size_t lasting)
{
    size_t unsettled = lanes_unsettled(lanes);
    size_t passing = unsettled > lasting ? unsettled - lasting : 0;
    return lanes->current->settle.window.count >= passing + LANE_FULL;
}

struct lane *lanes_next(struct lanes *lanes)
{
    struct lane *best = NULL;
    for (size_t i = 0; i < lanes->count; i++) {
        struct lane *lane = lanes->all[i];
        if (lane != lanes->current &&
            (!best || lane->settle.window.count < best->settle.window.count))
            best = lane;
    }
    size_t count = best ? best->settle.window.count : LANE_FULL;
    if (count > LANE_FULL / 8 && lanes->count < lanes->limit && add(lanes))
        return lanes->all[lanes->count - 1];
    return count < LANE_FULL / 2 ? best : NULL;
}
