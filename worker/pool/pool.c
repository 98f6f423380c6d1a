/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the front door and the order of stopping: what is taken on, when nothing is sent any more,
 * when nobody is left. Must not know how anything reaches a child or how a child ends. */

#include "worker/pool/pool.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/pool/account.h"
#include "worker/pool/ahead.h"
#include "worker/pool/child.h"
#include "worker/pool/death.h"
#include "worker/pool/dispatch.h"
#include "worker/pool/forkserver.h"
#include "worker/pool/internal.h"
#include "worker/pool/limits.h"
#include "worker/pool/reap.h"
#include "worker/pool/run.h"
#include "worker/pool/slot.h"

/* What a frame takes beside request and body. */
enum { FRAME_MARGIN = 256 };

/* A forkserver that is killed from outside before its first HELLO is started again this often. */
enum { FIRST_STARTS_MAX = 5 };

/* A forkserver that lived this long has not failed at its start, and its successor need not wait.
 */
static const double SERVER_PROVEN = 10;

double pool_now(void)
{
    return (double)uv_hrtime() * 1e-9;
}

void pool_notice(struct pool *pool, enum pool_severity severity, const char *format, ...)
{
    char text[ACCOUNT_SIZE + 512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    pool->handler.on_notice(pool->context, severity, text);
}

bool pool_stopping(const struct pool *pool)
{
    return pool->state > POOL_RUNNING;
}

/* --- life --- */

struct pool *pool_new(uv_loop_t *loop, const struct pool_config *config,
                      const struct pool_handler *handler, void *context)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return NULL;
    pool->loop = loop;
    pool->config = *config;
    pool->handler = *handler;
    pool->context = context;
    pool->timer_due = INFINITY;
    LIST_INIT(&pool->children);
    LIST_INIT(&pool->idle);
    LIST_INIT(&pool->roomy);
    if (config->concurrency > 0 && pool_open(pool, config) != 0) {
        pool_free(pool);
        return NULL;
    }
    return pool;
}

int pool_open(struct pool *pool, const struct pool_config *config)
{
    assert(pool->slot_count == 0 && config->concurrency > 0);
    struct pool_config opened = *config;
    opened.argv = pool->config.argv;
    opened.load_timeout = pool->config.load_timeout;
    pool->config = opened;
    pool->memory_limited = config->max_memory_per_child > 0;
    if (slot_open(pool, config->concurrency) != 0)
        return -ENOMEM;
    pool_settle(pool);
    return 0;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->handles == 0);
    free(pool->slots);
    free(pool);
}

int pool_start(struct pool *pool)
{
    assert(pool->state == POOL_NEW);
    int rc = forkserver_start(pool);
    if (rc != 0)
        return rc;
    pool->reap = reap_new(pool);
    if (pool->reap == NULL) {
        forkserver_abandon(pool->server);
        pool->server = NULL;
        return -ENOMEM;
    }
    limits_open(pool);
    limits_watch(pool, pool->server->deadline);
    pool->state = POOL_RUNNING;
    return 0;
}

/* --- jobs --- */

static bool fits(const struct pool_job *job)
{
    size_t room = FRAME_MAX - FRAME_MARGIN;
    return job->request.size <= room && job->body.size <= room - job->request.size;
}

void pool_submit(struct pool *pool, struct pool_job *job)
{
    bool refused = !fits(job) || pool_stopping(pool);
    job->number = ++pool->last_number;
    job->child = NULL;
    job->returned = 0;
    job->kill_signal = job->sent_signal = 0;
    pool->stats.submitted++;
    dispatch_add(pool, job, refused ? JOB_REFUSED : JOB_QUEUED);
    if (!refused)
        dispatch_round(pool);
}

bool pool_withdraw(struct pool *pool, struct pool_job *job)
{
    if (job->state == JOB_STAGED)
        return ahead_withdraw(job);
    if (job->state != JOB_QUEUED && job->state != JOB_REFUSED)
        return false;
    dispatch_remove(pool, job);
    return true;
}

/* If it has begun, the job before it has ended, and the news of that will make it the child's job.
 */
static bool is_begun(struct pool *pool, struct pool_job *job)
{
    if (!ahead_withdraw(job))
        return true;
    dispatch_requeue(pool, job);
    return false;
}

bool pool_kill_job(struct pool *pool, struct pool_job *job, int signal)
{
    if (job->state == JOB_STAGED && is_begun(pool, job)) {
        job->kill_signal = signal;
        return true;
    }
    if (job->state != JOB_SENT)
        return false;
    run_kill(job->child, signal);
    return true;
}

bool pool_signal_job(struct pool *pool, struct pool_job *job, int signal)
{
    if (job->state == JOB_STAGED && is_begun(pool, job)) {
        job->sent_signal = signal;
        return true;
    }
    if (job->state != JOB_SENT)
        return false;
    run_signal(job->child, signal);
    return true;
}

void pool_listen(struct pool *pool, struct pool_job *job)
{
    (void)pool;
    if (job->state == JOB_SENT)
        run_listen(job->child);
}

void pool_pause(struct pool *pool)
{
    pool->paused = true;
    if (pool->staged > 0)
        ahead_take_back_all(pool);
}

void pool_resume(struct pool *pool)
{
    pool->paused = false;
    dispatch_round(pool);
}

/* --- size --- */

void pool_grow(struct pool *pool, unsigned by)
{
    if (slot_open(pool, by) != 0)
        pool_notice(pool, POOL_ERROR, "out of memory: the pool has %u slots", pool->slot_count);
    pool_settle(pool);
}

bool pool_shrink(struct pool *pool, unsigned by)
{
    if (by >= pool->slot_count)
        return false;
    slot_shut(pool, by);
    return true;
}

/* --- stopping --- */

static void end_unsent(struct pool *pool, struct queue *queue)
{
    struct pool_job *job;
    while ((job = queue->head) != NULL) {
        struct pool_ending ending = {.verdict = pool_stopping(pool) ? POOL_RETURNED : POOL_LOST};
        queue_remove(queue, job);
        job->state = JOB_OUTSIDE;
        pool->stats.lost += ending.verdict == POOL_LOST;
        pool->handler.on_ended(pool->context, job, &ending);
    }
}

void pool_end_refused(struct pool *pool)
{
    if (pool->refused.head != NULL && !pool_stopping(pool))
        pool_notice(pool, POOL_ERROR, "a job is larger than a frame may be: it cannot run");
    end_unsent(pool, &pool->refused);
}

/* False if the pool is stopped that far already. */
static bool stop(struct pool *pool, enum pool_state state)
{
    bool started = pool->state != POOL_NEW;
    if (pool->state >= state)
        return false;
    pool->state = state;
    ahead_take_back_all(pool);
    end_unsent(pool, &pool->queue);
    end_unsent(pool, &pool->suspects);
    pool_end_refused(pool);
    if (started)
        return true;
    pool->state = POOL_STOPPED;
    pool->handler.on_stopped(pool->context);
    return false;
}

void pool_leave(struct pool *pool)
{
    if (!stop(pool, POOL_LEAVING))
        return;
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    if (child->state != CHILD_BUSY)
        child_retire(child);
    pool_settle(pool);
}

void pool_terminate(struct pool *pool)
{
    if (!stop(pool, POOL_TERMINATING))
        return;
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    death_kill(child, VERDICT_STOP);
    pool_settle(pool);
}

static void close_all(struct pool *pool)
{
    if (pool->closing)
        return;
    pool->closing = true;
    limits_close(pool);
    reap_free(pool->reap);
}

/* Children first, then the forkserver, then our own handles. */
static void stop_step(struct pool *pool)
{
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    if (child->state != CHILD_DEAD)
        return;
    if (pool->server == NULL)
        close_all(pool);
    else if (pool->state == POOL_TERMINATING && pool->server->state == SERVER_STARTING)
        forkserver_kill(pool->server, NULL); /* it is loading an app and hears nothing */
    else
        forkserver_leave(pool->server);
}

void pool_handle_closed(struct pool *pool)
{
    pool->handles--;
    if (!pool->closing || pool->handles > 0)
        return;
    pool_end_refused(pool);
    pool->state = POOL_STOPPED;
    pool->handler.on_stopped(pool->context);
}

/* --- forkservers --- */

static void restart_server(struct pool *pool)
{
    if (pool->failed || !restart_allowed(&pool->server_restart, pool_now()))
        return;
    int rc = forkserver_start(pool);
    if (rc != 0)
        pool_server_lost(pool, uv_strerror(rc), 0, false);
    else
        limits_watch(pool, pool->server->deadline);
}

void pool_server_lost(struct pool *pool, const char *why, double lived, bool killed)
{
    char account[ACCOUNT_SIZE];
    if (pool_stopping(pool))
        return;
    if (!pool->greeted && (!killed || pool->server_restart.step >= FIRST_STARTS_MAX)) {
        pool->failed = true;
        pool->handler.on_failed(pool->context, why);
        return;
    }
    if (lived >= SERVER_PROVEN)
        restart_succeeded(&pool->server_restart);
    restart_failed(&pool->server_restart, pool_now());
    limits_watch(pool, pool->server_restart.due);
    account_keep((struct text){why, strlen(why)}, account, sizeof(account));
    pool_notice(pool, POOL_ERROR, "The forkserver is gone and will be replaced: %s", account);
}

void pool_settle(struct pool *pool)
{
    if (pool_stopping(pool))
        stop_step(pool);
    if (pool->state != POOL_RUNNING)
        return;
    if (pool->server == NULL)
        restart_server(pool);
    slot_fill(pool);
    dispatch_round(pool);
}

bool pool_signal(struct pool *pool, const char *name, struct bytes arguments)
{
    return pool->server != NULL && forkserver_signal(pool->server, name, arguments);
}

/* --- figures --- */

void pool_get_stats(const struct pool *pool, struct pool_stats *ret)
{
    const unsigned *states = pool->states;
    *ret = pool->stats;
    ret->slots = pool->slot_count;
    ret->busy = states[CHILD_BUSY];
    ret->ready = states[CHILD_STANDBY] + states[CHILD_IDLE] + states[CHILD_BUSY];
    ret->queued = pool->queue.count + pool->suspects.count + pool->refused.count + pool->staged;
}

size_t pool_get_pids(const struct pool *pool, pid_t *ret, size_t room)
{
    size_t count = 0;
    const struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    {
        if (child->state == CHILD_DEAD || child->pid == 0)
            continue;
        if (count < room)
            ret[count] = child->pid;
        count++;
    }
    return count;
}
