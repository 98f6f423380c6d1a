/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the staged jobs: which child may have some, and when they are taken back. A job is staged
 * only if nobody is idle, only behind a short job, and never stays behind one that turns out to be
 * long while somebody else could run it. Must not know how frames are written, nor how jobs end. */

#include "worker/pool/ahead.h"

#include "worker/pool/death.h"
#include "worker/pool/dispatch.h"
#include "worker/pool/limits.h"
#include "worker/pool/run.h"

/* Staged behind one job at most; up to this size, request and body together. */
enum { AHEAD_MAX = 8, SMALL = 16 * 1024 };

/* Seconds: a job is short up to SHORT, and long from LONG on; as often as that, what is staged is
 * looked at. */
static const double SHORT = 1e-3, LONG = 2e-3;

static bool is_plain(const struct pool_job *job)
{
    return !job->suspect && !run_wants_started(job) && job->request.size + job->body.size <= SMALL;
}

/* --- which children have room --- */

static bool is_under_way(const struct pool_child *child)
{
    return child->frame_count - child->frames_past >= CLAIMS_UNDER_WAY;
}

static bool may_open(const struct pool_child *child)
{
    const struct pool_config *config = &child->pool->config;
    bool recycled = config->max_tasks_per_child > 0 || config->max_memory_per_child > 0;
    return child->claims != NULL && !recycled && !child->last && child->state == CHILD_BUSY &&
           child->reason == VERDICT_BY_ITSELF && is_plain(child->job) && !is_under_way(child);
}

/* Only once half of them are gone, so that one write brings several. */
void ahead_open(struct pool_child *child)
{
    if (child->roomy || child->pace > SHORT || child->ahead.count > AHEAD_MAX / 2 ||
        !may_open(child))
        return;
    child->roomy = true;
    LIST_INSERT_HEAD(&child->pool->roomy, child, roomies);
}

void ahead_shut(struct pool_child *child)
{
    if (child->roomy)
        LIST_REMOVE(child, roomies);
    child->roomy = false;
}

/* A single slow one, or a moment of ours elsewhere, changes little; three in a row do. */
void ahead_note(struct pool_child *child, double seconds)
{
    double counted = seconds < 2 * SHORT ? seconds : 2 * SHORT;
    child->pace += (counted - child->pace) / 4;
}

void ahead_start(struct pool_child *child)
{
    child->pace = 2 * SHORT;
}

static struct pool_child *roomy_child(struct pool *pool)
{
    double now = pool_now();
    struct pool_child *child;
    while ((child = LIST_FIRST(&pool->roomy)) != NULL && now - child->job->sent_at > SHORT)
        ahead_shut(child);
    return child;
}

/* --- staging --- */

static void stage(struct pool_child *child, struct pool_job *job)
{
    struct bytes rest;
    if (run_write(child, job, &rest) != 0) {
        dispatch_requeue(child->pool, job);
        death_cut(child);
        return;
    }
    job->state = JOB_STAGED;
    job->child = child;
    queue_append(&child->ahead, job);
    child->pool->staged++;
    if (child->ahead.count == AHEAD_MAX || is_under_way(child))
        ahead_shut(child);
}

static void flush(struct pool_child *child)
{
    if (child->state == CHILD_BUSY && link_send(&child->link, (struct bytes){NULL, 0}) != 0)
        death_cut(child);
}

/* One look every LONG, however many jobs there are. */
static void plan_look(struct pool *pool, double now)
{
    if (pool->look_due <= now)
        pool->look_due = now + LONG;
    limits_watch(pool, pool->look_due);
}

void ahead_fill(struct pool *pool)
{
    struct pool_child *child, *filled = NULL;
    struct pool_job *job;
    while (dispatch_allowed(pool) && (job = dispatch_next(pool)) != NULL && is_plain(job) &&
           roomy_child(pool) != NULL) {
        if (!dispatch_take(pool, job))
            continue;
        child = LIST_FIRST(&pool->roomy);
        if (filled != NULL && filled != child)
            flush(filled);
        filled = child;
        if (child != NULL)
            stage(child, job);
        else
            dispatch_requeue(pool, job);
    }
    if (filled == NULL)
        return;
    flush(filled);
    plan_look(pool, pool_now());
}

/* --- taking back --- */

static void take_out(struct pool_job *job)
{
    struct pool_child *child = job->child;
    queue_remove(&child->ahead, job);
    child->pool->staged--;
    job->child = NULL;
    job->state = JOB_OUTSIDE;
}

struct pool_job *ahead_next(struct pool_child *child)
{
    struct pool_job *job = child->ahead.head;
    if (job != NULL)
        take_out(job);
    return job;
}

bool ahead_withdraw(struct pool_job *job)
{
    if (!claims_withdraw(job->child->claims, job->frame))
        return false;
    take_out(job);
    return true;
}

/* The last first, so that the child does not run one whose elders have been taken back. */
bool ahead_take_back(struct pool_child *child)
{
    struct pool_job *job;
    ahead_shut(child);
    while ((job = child->ahead.tail) != NULL) {
        if (!ahead_withdraw(job))
            return false;
        dispatch_requeue(child->pool, job);
    }
    return true;
}

void ahead_take_back_all(struct pool *pool)
{
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    ahead_take_back(child);
}

static void take_back_late(struct pool *pool, double now)
{
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    if (child->ahead.count > 0 && now - child->job->sent_at > LONG)
        ahead_take_back(child);
}

void ahead_look(struct pool *pool)
{
    if (pool->staged == 0)
        return;
    double now = pool_now();
    if (now >= pool->look_due)
        take_back_late(pool, now);
    if (pool->staged > 0)
        plan_look(pool, now);
}

static bool give_up_one(struct pool_child *child)
{
    for (struct pool_job *job = child->ahead.head; job != NULL; job = job->next) {
        if (!ahead_withdraw(job))
            continue;
        dispatch_requeue(child->pool, job);
        return true;
    }
    return false;
}

static bool is_slower(const struct pool_child *child, const struct pool_child *other)
{
    return other == NULL || child->job->sent_at < other->job->sent_at;
}

bool ahead_steal(struct pool *pool)
{
    struct pool_child *child, *slowest = NULL;
    if (pool->staged == 0)
        return false;
    LIST_FOREACH(child, &pool->children, all)
    if (child->ahead.count > 0 && is_slower(child, slowest))
        slowest = child;
    if (slowest != NULL && give_up_one(slowest))
        return true;
    LIST_FOREACH(child, &pool->children, all)
    if (give_up_one(child))
        return true;
    return false;
}
