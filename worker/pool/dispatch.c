/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the jobs that wait, and decides who is next. Must not know how anything reaches a child, nor
 * why there are children. */

#include "worker/pool/dispatch.h"

#include "worker/pool/ahead.h"
#include "worker/pool/limits.h"
#include "worker/pool/run.h"

static struct queue *queue_of(struct pool *pool, const struct pool_job *job)
{
    if (job->state == JOB_REFUSED)
        return &pool->refused;
    return job->suspect ? &pool->suspects : &pool->queue;
}

void dispatch_add(struct pool *pool, struct pool_job *job, enum job_state state)
{
    job->state = state;
    queue_insert(queue_of(pool, job), job);
    if (state == JOB_REFUSED)
        limits_watch(pool, pool_now());
}

void dispatch_remove(struct pool *pool, struct pool_job *job)
{
    queue_remove(queue_of(pool, job), job);
    job->state = JOB_OUTSIDE;
}

void dispatch_requeue(struct pool *pool, struct pool_job *job)
{
    dispatch_add(pool, job, JOB_QUEUED);
}

void dispatch_put_back(struct pool *pool, struct pool_job *job, unsigned weight)
{
    job->returned += weight;
    dispatch_requeue(pool, job);
}

struct pool_job *dispatch_next(struct pool *pool)
{
    struct pool_job *job = pool->queue.head;
    struct pool_job *suspect = pool->suspect == NULL ? pool->suspects.head : NULL;
    if (job == NULL || (suspect != NULL && suspect->number < job->number))
        return suspect;
    return job;
}

bool dispatch_allowed(const struct pool *pool)
{
    return pool->state == POOL_RUNNING && !pool->paused;
}

bool dispatch_take(struct pool *pool, struct pool_job *job)
{
    dispatch_remove(pool, job);
    if (!pool->handler.on_dispatch(pool->context, job))
        return false;
    if (dispatch_allowed(pool))
        return true;
    dispatch_add(pool, job, pool_stopping(pool) ? JOB_REFUSED : JOB_QUEUED);
    return false;
}

static void send_one(struct pool *pool, struct pool_job *job)
{
    if (!dispatch_take(pool, job))
        return;
    struct pool_child *child = LIST_FIRST(&pool->idle);
    if (child == NULL)
        dispatch_requeue(pool, job);
    else
        run_send(child, job);
}

/* Whoever is idle gets the oldest job that waits, or else one that waits in another child. */
static void serve_idle(struct pool *pool)
{
    while (dispatch_allowed(pool) && !LIST_EMPTY(&pool->idle)) {
        struct pool_job *job = dispatch_next(pool);
        if (job != NULL)
            send_one(pool, job);
        else if (!ahead_steal(pool))
            return;
    }
}

void dispatch_round(struct pool *pool)
{
    /* Callbacks may submit, retire and stop: the outer call goes on with what they have left. */
    if (pool->dispatching)
        return;
    pool->dispatching = true;
    ahead_look(pool);
    serve_idle(pool);
    ahead_fill(pool);
    pool->dispatching = false;
}
