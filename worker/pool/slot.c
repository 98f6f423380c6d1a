/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the numbered slots: how many there are, and which child has which. A slot may have two
 * children for a while, one at its last job and its successor, of which only one works. Must not
 * know sockets or signals. */

#include "worker/pool/slot.h"

#include <stdlib.h>

#include "worker/pool/ahead.h"
#include "worker/pool/child.h"
#include "worker/pool/forkserver.h"
#include "worker/pool/limits.h"

static struct slot *slot_of(const struct pool_child *child)
{
    return &child->pool->slots[child->slot - 1];
}

static bool slot_extend(struct pool *pool)
{
    struct slot *slots = realloc(pool->slots, (pool->slot_room + 1) * sizeof(*slots));
    if (slots == NULL)
        return false;
    slots[pool->slot_room++] = (struct slot){.used = false};
    pool->slots = slots;
    return true;
}

/* The lowest number that is free. */
int slot_open(struct pool *pool, unsigned count)
{
    for (unsigned i = 0; count > 0; i++) {
        if (i == pool->slot_room && !slot_extend(pool))
            return -ENOMEM;
        if (pool->slots[i].used)
            continue;
        pool->slots[i].used = true;
        pool->slot_count++;
        count--;
    }
    return 0;
}

static bool is_busy(const struct slot *slot)
{
    return slot->current != NULL && slot->current->state == CHILD_BUSY;
}

static void pass_on_busy(struct pool_child *child)
{
    slot_pass_on(child);
    ahead_take_back(child);
}

static void shut(struct pool *pool, struct slot *slot)
{
    struct pool_child *child = slot->current;
    slot->used = false;
    pool->slot_count--;
    if (child == NULL)
        return;
    if (child->state == CHILD_BUSY)
        pass_on_busy(child);
    else
        child_retire(child);
}

/* The highest numbers first, and those that are not at work before those that are. */
void slot_shut(struct pool *pool, unsigned count)
{
    for (int busy = 0; busy <= 1; busy++) {
        for (unsigned i = pool->slot_room; i > 0 && count > 0; i--) {
            struct slot *slot = &pool->slots[i - 1];
            if (!slot->used || is_busy(slot) != busy)
                continue;
            shut(pool, slot);
            count--;
        }
    }
}

/* While children fail to start, one at a time is tried. */
static bool may_spawn(struct pool *pool)
{
    if (pool->server == NULL || !forkserver_ready(pool->server))
        return false;
    return pool->stats.failures == 0 || pool->states[CHILD_STARTING] == 0;
}

void slot_fill(struct pool *pool)
{
    for (unsigned i = 0; i < pool->slot_room; i++) {
        struct slot *slot = &pool->slots[i];
        if (!slot->used || slot->current != NULL)
            continue;
        if (!may_spawn(pool))
            return;
        if (!restart_allowed(&pool->child_restart, pool_now())) {
            limits_watch(pool, pool->child_restart.due);
            return;
        }
        int rc = child_spawn(pool, pool->server, i + 1, &slot->current);
        if (rc == 0)
            continue;
        if (rc != -EAGAIN)
            pool_notice(pool, POOL_ERROR, "cannot make a child: %s", uv_strerror(rc));
        return;
    }
}

void slot_pass_on(struct pool_child *child)
{
    struct slot *slot = slot_of(child);
    child->last = true;
    slot->current = NULL;
    slot->leaver = child;
}

void slot_release(struct pool_child *child)
{
    struct slot *slot = slot_of(child);
    if (slot->current == child)
        slot->current = NULL;
    if (slot->leaver != child)
        return;
    slot->leaver = NULL;
    if (slot->current != NULL && slot->current->state == CHILD_STANDBY)
        child_set_state(slot->current, CHILD_IDLE);
}

bool slot_occupied(const struct pool_child *child)
{
    return slot_of(child)->leaver != NULL;
}
