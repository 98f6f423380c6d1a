/* SPDX-License-Identifier: BSD-3-Clause */
/* Settlements and how they are coalesced. Rejects and nacks go first, so that they do not cut the
 * run of acks: nacks below all else as one (RabbitMQ sorts the whole queue for each), the others
 * one by one; then one ack for all tags below the oldest undecided one; then the acks above it, one
 * by one. The tag of a `multiple` is always one that was not settled before: RabbitMQ
 * closes the channel otherwise. */

#include "broker/settle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The items of the window. */
struct decision {
    enum broker_verb verb;
};
static const struct decision undecided;
static const struct decision decisions[] = {
    [BROKER_ACK] = {BROKER_ACK},
    [BROKER_REJECT] = {BROKER_REJECT},
    [BROKER_REJECT_REQUEUE] = {BROKER_REJECT_REQUEUE},
    [BROKER_NACK_REQUEUE] = {BROKER_NACK_REQUEUE},
};

enum { FIRST_ROOM = 64 };

void settle_init(struct settle *settle)
{
    *settle = (struct settle){0};
    window_init(&settle->window);
}

void settle_done(struct settle *settle)
{
    window_done(&settle->window);
    free(settle->acks.tags);
    free(settle->returns.tags);
    settle_init(settle);
}

static void queue_clear(struct settle_queue *queue)
{
    queue->head = queue->end = 0;
}

void settle_clear(struct settle *settle)
{
    window_clear(&settle->window);
    queue_clear(&settle->acks);
    queue_clear(&settle->returns);
}

/* Makes sure that `more` tags can be put without allocating. */
static bool queue_reserve(struct settle_queue *queue, size_t more)
{
    size_t room = queue->room ? queue->room : FIRST_ROOM;
    if (queue->end + more <= queue->room)
        return true;
    if (queue->head >= queue->room / 2 && queue->head > 0) {
        queue->end -= queue->head;
        memmove(queue->tags, queue->tags + queue->head, queue->end * sizeof(uint64_t));
        queue->head = 0;
    }
    while (room < queue->end + more)
        room *= 2;
    uint64_t *tags = reallocarray(queue->tags, room, sizeof(uint64_t));
    if (!tags)
        return false;
    queue->tags = tags;
    queue->room = room;
    return true;
}

static bool queue_take(struct settle_queue *queue, uint64_t *ret)
{
    if (queue->head == queue->end)
        return false;
    *ret = queue->tags[queue->head++];
    if (queue->head == queue->end)
        queue_clear(queue);
    return true;
}

bool settle_delivered(struct settle *settle, uint64_t tag)
{
    size_t most = settle->window.count + 1;
    return queue_reserve(&settle->acks, most) && queue_reserve(&settle->returns, most) &&
           window_add(&settle->window, tag, (void *)&undecided);
}

void settle_mark(struct settle *settle, uint64_t tag, enum broker_verb verb)
{
    struct settle_queue *queue = verb == BROKER_ACK ? &settle->acks : &settle->returns;
    struct window_entry *entry = window_find(&settle->window, tag);
    assert(entry && entry->item == &undecided);
    assert(queue->end < queue->room);
    entry->item = (void *)&decisions[verb];
    queue->tags[queue->end++] = tag;
}

static bool next_return(struct settle *settle, struct settle_op *ret)
{
    uint64_t tag = 0;
    while (queue_take(&settle->returns, &tag)) {
        struct window_entry *entry = window_find(&settle->window, tag);
        if (!entry)
            continue;
        assert(entry->item != &undecided);
        *ret = (struct settle_op){((const struct decision *)entry->item)->verb, tag, false};
        window_remove(&settle->window, entry);
        return true;
    }
    return false;
}

static bool next_run(struct settle *settle, enum broker_verb verb, struct settle_op *ret)
{
    struct window_entry *entry = window_first(&settle->window);
    struct settle_op op = {verb, 0, false};
    while (entry && entry->item == &decisions[verb]) {
        op.multiple = op.tag != 0;
        op.tag = entry->tag;
        window_remove(&settle->window, entry);
        entry = window_first(&settle->window);
    }
    if (op.tag == 0)
        return false;
    *ret = op;
    return true;
}

static bool next_ack(struct settle *settle, struct settle_op *ret)
{
    uint64_t tag = 0;
    while (queue_take(&settle->acks, &tag)) {
        struct window_entry *entry = window_find(&settle->window, tag);
        if (!entry)
            continue;
        *ret = (struct settle_op){BROKER_ACK, tag, false};
        window_remove(&settle->window, entry);
        return true;
    }
    return false;
}

bool settle_next(struct settle *settle, struct settle_op *ret)
{
    return next_run(settle, BROKER_NACK_REQUEUE, ret) || next_return(settle, ret) ||
           next_run(settle, BROKER_ACK, ret) || next_ack(settle, ret);
}

bool settle_pending(const struct settle *settle)
{
    return settle->acks.head < settle->acks.end || settle->returns.head < settle->returns.end;
}
