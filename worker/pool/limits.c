/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the one timer. Every deadline lies in the thing that it is for; the timer is set for the
 * earliest that was ever asked for, and looks at all of them when it fires. A job's limits thus
 * cost two assignments, and the look at a few dozen children comes about once per limit. Must not
 * know what a deadline is for. */

#include "worker/pool/limits.h"

#include <math.h>

#include "worker/pool/child.h"
#include "worker/pool/forkserver.h"

static void on_timer(uv_timer_t *timer);

void limits_open(struct pool *pool)
{
    uv_timer_init(pool->loop, &pool->timer);
    pool->timer.data = pool;
    pool->handles++;
}

static void on_closed(uv_handle_t *handle)
{
    pool_handle_closed(handle->data);
}

void limits_close(struct pool *pool)
{
    uv_close((uv_handle_t *)&pool->timer, on_closed);
}

void limits_watch(struct pool *pool, double when)
{
    if (when >= pool->timer_due || pool->closing)
        return;
    double wait = ceil((when - pool_now()) * 1000);
    pool->timer_due = when;
    uv_update_time(pool->loop);
    uv_timer_start(&pool->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void watch_deadline(struct pool *pool, double deadline)
{
    if (deadline > 0)
        limits_watch(pool, deadline);
}

static void watch_restart(struct pool *pool, const struct restart *restart)
{
    if (restart->waiting)
        limits_watch(pool, restart->due);
}

static void watch_all(struct pool *pool)
{
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    watch_deadline(pool, child->deadline);
    if (pool->server != NULL)
        watch_deadline(pool, pool->server->deadline);
    watch_restart(pool, &pool->server_restart);
}

static void on_timer(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    double now = pool_now();
    struct pool_child *child;
    pool->timer_due = INFINITY;
    LIST_FOREACH(child, &pool->children, all)
    if (child->deadline > 0 && child->deadline <= now)
        child_expired(child, now);
    if (pool->server != NULL && pool->server->deadline > 0 && pool->server->deadline <= now)
        forkserver_expired(pool->server, now);
    pool_end_refused(pool);
    pool_settle(pool);
    watch_all(pool);
}
