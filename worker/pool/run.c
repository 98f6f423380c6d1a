/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a job from its dispatch to its end: sending, STARTED, RESULT, limits, and what its child's
 * death means for it. Must not know how a child is made or reaped. */

#include "worker/pool/run.h"

#include <signal.h>

#include "worker/pool/ahead.h"
#include "worker/pool/child.h"
#include "worker/pool/death.h"
#include "worker/pool/dispatch.h"
#include "worker/pool/slot.h"

/* Up to this size a body is copied behind the request, for one contiguous send. */
enum { COPY_MAX = 16 * 1024 };

bool run_wants_started(const struct pool_job *job)
{
    return job->want_started || job->soft_limit > 0 || job->hard_limit > 0;
}

static bool is_limited(const struct pool_child *child)
{
    return child->pool->memory_limited;
}

/* --- dispatch --- */

int run_write(struct pool_child *child, struct pool_job *job, struct bytes *ret_body)
{
    struct buffer *output = &child->link.output;
    struct bytes body = job->body;
    uint32_t flags = (run_wants_started(job) ? FRAME_JOB_WANT_STARTED : 0U) |
                     (is_limited(child) ? FRAME_JOB_WANT_RSS : 0U);
    int rc = frame_write_job(output, job->number, flags, job->request, body.size);
    if (rc == 0 && body.size <= COPY_MAX) {
        rc = buffer_append(output, body.data, body.size);
        body.size = 0;
    }
    job->frame = child->frame_count++;
    if (child->claims != NULL)
        claims_stage(child->claims, job->frame);
    child->jobs++;
    *ret_body = body;
    return rc;
}

static int write_job(struct pool_child *child, struct pool_job *job)
{
    struct bytes body;
    int rc = run_write(child, job, &body);
    return rc == 0 ? link_send(&child->link, body) : rc;
}

static void assign(struct pool_child *child, struct pool_job *job)
{
    if (job->suspect)
        child->pool->suspect = job;
    job->state = JOB_SENT;
    job->child = child;
    job->sent_at = pool_now();
    job->started_at = 0;
    child->job = job;
    child->written = false;
    child->soft_armed = false;
}

void run_send(struct pool_child *child, struct pool_job *job)
{
    const struct pool_config *config = &child->pool->config;
    assign(child, job);
    child_set_state(child, CHILD_BUSY);
    if (write_job(child, job) != 0) {
        death_cut(child);
        return;
    }
    child->written = !link_pending(&child->link);
    if (run_wants_started(job) || !child->written)
        child_set_deadline(child, job->sent_at + config->start_timeout);
    if (config->max_tasks_per_child > 0 && child->jobs >= config->max_tasks_per_child) {
        slot_pass_on(child);
        slot_fill(child->pool);
    }
    ahead_open(child);
}

void run_sent(struct pool_child *child)
{
    if (child->job == NULL)
        return;
    child->written = true;
    if (!run_wants_started(child->job))
        child->deadline = 0;
}

/* --- STARTED --- */

static void arm_limits(struct pool_child *child, const struct pool_job *job)
{
    double soft = job->soft_limit, hard = job->hard_limit;
    child->soft_armed = soft > 0 && (hard <= 0 || soft < hard);
    double first = child->soft_armed ? soft : hard;
    double deadline = first > 0 ? job->started_at + first : 0;
    bool doomed = child->reason != VERDICT_BY_ITSELF;
    if (!doomed || (deadline > 0 && deadline < child->deadline))
        child_set_deadline(child, deadline);
}

/* False: the child cannot say anything about it yet. */
static bool has_taken(const struct pool_child *child, const struct pool_job *job)
{
    return child->claims != NULL ? claims_begun(child->claims, job->frame) : child->written;
}

static bool is_running(struct pool_child *child, uint64_t number)
{
    const struct pool_job *job = child->job;
    if (job != NULL && job->number == number && has_taken(child, job))
        return true;
    codec_fail(&child->link.reason, CODEC_ETYPE, "it is %s and does not run job %llu",
               child_state_name(child->state), (unsigned long long)number);
    return false;
}

bool run_on_started(struct pool_child *child, const struct frame *frame)
{
    struct pool_job *job = child->job;
    if (!is_running(child, frame_uint(frame, 1)))
        return false;
    if (job->started_at > 0) {
        codec_fail(&child->link.reason, CODEC_ETYPE, "STARTED came twice");
        return false;
    }
    job->started_at = pool_now();
    if (child->state == CHILD_BUSY)
        arm_limits(child, job);
    child->pool->handler.on_started(child->pool->context, job, child->pid);
    return true;
}

/* --- what the task sends --- */

bool run_on_follow_up(struct pool_child *child, const struct frame *frame)
{
    struct pool *pool = child->pool;
    struct pool_job *job = child->job;
    if (!is_running(child, frame_uint(frame, 1)))
        return false;
    /* A job of which we do not know that it has begun may be given to another child. */
    if (run_wants_started(job) && job->started_at <= 0) {
        codec_fail(&child->link.reason, CODEC_ETYPE, "%s came before STARTED",
                   frame_type_name(frame->type));
        return false;
    }
    if (!pool->handler.on_follow_up(pool->context, job, frame))
        link_pause(&child->link);
    return true;
}

void run_listen(struct pool_child *child)
{
    link_resume(&child->link);
}

/* --- the end --- */

static struct pool_ending ending_of(const struct pool_child *child, const struct pool_job *job)
{
    double since = job->started_at > 0 ? job->started_at : job->sent_at;
    return (struct pool_ending){.pid = child->pid,
                                .slot = child->slot,
                                .has_status = child->has_status,
                                .wait_status = child->status,
                                .runtime = pool_now() - since};
}

/* Takes the child's job from it; what was staged behind it takes its place. */
static struct pool_job *detach(struct pool_child *child)
{
    struct pool_job *job = child->job, *next = ahead_next(child);
    if (child->pool->suspect == job)
        child->pool->suspect = NULL;
    child->job = NULL;
    link_resume(&child->link); /* whoever could take no more of this job */
    child->frames_past = job->frame + 1;
    job->child = NULL;
    job->state = JOB_OUTSIDE;
    if (next != NULL)
        assign(child, next);
    return job;
}

static bool is_too_large(struct pool_child *child, uint64_t resident_kib)
{
    uint64_t limit = child->pool->config.max_memory_per_child;
    if (!child->pool->memory_limited || resident_kib <= limit)
        return false;
    pool_notice(
        child->pool, POOL_WARNING,
        "Process 'ForkPoolWorker-%u' pid:%d holds %llu KiB of memory, more than the limit of "
        "%llu KiB: it is replaced",
        child->slot, (int)child->pid, (unsigned long long)resident_kib, (unsigned long long)limit);
    return true;
}

/* The child is at what was staged behind its job. */
static void go_on(struct pool_child *child)
{
    if (child->job->sent_signal != 0)
        run_signal(child, child->job->sent_signal);
    if (child->job->kill_signal != 0)
        run_kill(child, child->job->kill_signal);
    ahead_open(child);
    dispatch_round(child->pool);
}

/* What the child does after its job. */
static void release(struct pool_child *child, uint64_t flags, uint64_t resident_kib)
{
    struct pool *pool = child->pool;
    if (child->state != CHILD_BUSY)
        return;
    child->deadline = 0;
    if (child->reason != VERDICT_BY_ITSELF) {
        death_kill(child, child->reason);
        return;
    }
    if (child->job != NULL) {
        go_on(child);
        return;
    }
    bool leaving = (flags & FRAME_RESULT_RETIRING) != 0;
    bool recycled = leaving || child->last || is_too_large(child, resident_kib);
    if (!recycled && !pool_stopping(pool)) {
        child_set_state(child, CHILD_IDLE);
        dispatch_round(pool);
        return;
    }
    pool->stats.recycled += recycled;
    if (leaving)
        child_let_go(child);
    else
        child_retire(child);
}

bool run_on_result(struct pool_child *child, const struct frame *frame)
{
    struct pool *pool = child->pool;
    if (!is_running(child, frame_uint(frame, 1)))
        return false;
    if ((frame_uint(frame, 2) & FRAME_RESULT_RETIRING) != 0)
        ahead_take_back(child);
    struct pool_job *job = detach(child);
    child->used = true;
    struct pool_ending ending = ending_of(child, job);
    ahead_note(child, ending.runtime);
    ending.verdict = POOL_DONE;
    ending.started = true;
    ending.report = frame_value(frame, 4);
    ending.document = frame_text(frame, 5);
    pool->stats.done++;
    /* The next job is on its way before anybody looks at this one's result. */
    release(child, frame_uint(frame, 2), frame_uint(frame, 3));
    pool->handler.on_ended(pool->context, job, &ending);
    return true;
}

static void count(struct pool *pool, enum pool_verdict verdict)
{
    pool->stats.lost += verdict == POOL_LOST;
    pool->stats.timed_out += verdict == POOL_TIME_LIMIT;
}

/* STARTED knows for certain what has begun if it was asked for, and the claim page does otherwise.
 * A child that broke the protocol may have begun without our knowing. */
static struct verdict_facts facts_of(const struct pool_child *child)
{
    const struct pool_job *job = child->job;
    bool asked = run_wants_started(job), paged = child->claims != NULL;
    bool claimed = paged && !claims_withdraw(child->claims, job->frame);
    bool begun = asked ? job->started_at > 0 : claimed;
    bool signalled = child->reason == VERDICT_BY_ITSELF && job->sent_signal != 0;
    return (struct verdict_facts){.reason = signalled ? VERDICT_KILL_JOB : child->reason,
                                  .written = child->written && !child->link.reset,
                                  .want_started = asked || paged,
                                  .started = begun || child->link.broken,
                                  .stopping = pool_stopping(child->pool),
                                  .returned = job->returned};
}

void run_give_back(struct pool_child *child)
{
    while (child->job != NULL) {
        struct verdict_facts facts = facts_of(child);
        enum pool_verdict verdict;
        if (!verdict_put_back(&facts, &verdict))
            return;
        bool used = child->used && !child->expected;
        dispatch_put_back(child->pool, detach(child),
                          used ? VERDICT_RETURN_OF_USED : VERDICT_RETURN_OF_FRESH);
    }
}

static void end_job(struct pool_child *child)
{
    struct pool *pool = child->pool;
    struct verdict_facts facts = facts_of(child);
    struct pool_job *job = detach(child);
    struct pool_ending ending = ending_of(child, job);
    verdict_put_back(&facts, &ending.verdict);
    ending.started = verdict_began(&facts);
    ending.signal = child->reason == VERDICT_BY_ITSELF ? job->sent_signal : child->signal;
    count(pool, ending.verdict);
    pool->handler.on_ended(pool->context, job, &ending);
}

void run_dropped(struct pool_child *child)
{
    run_give_back(child);
    while (child->job != NULL) {
        end_job(child);
        run_give_back(child);
    }
}

/* --- limits and kills --- */

void run_kill(struct pool_child *child, int signal)
{
    bool ignored = signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
    if (!ahead_take_back(child))
        return; /* too late: the child is at the next one */
    if (child->reason == VERDICT_BY_ITSELF) {
        child->reason = VERDICT_KILL_JOB;
        child->signal = signal;
    }
    if (child->state != CHILD_BUSY)
        return;
    if (ignored || signal == SIGKILL) {
        death_kill(child, VERDICT_KILL_JOB);
        return;
    }
    double deadline = pool_now() + child->pool->config.kill_timeout;
    double hard = child->job->hard_limit, started = child->job->started_at;
    if (hard > 0 && started > 0 && started + hard < deadline)
        deadline = started + hard;
    child->soft_armed = false;
    child_set_deadline(child, deadline);
    child_signal(child, signal, 0);
}

void run_signal(struct pool_child *child, int signal)
{
    struct pool_job *job = child->job;
    if (!ahead_take_back(child))
        return; /* too late: the child is at the next one */
    job->sent_signal = signal;
    if (child->state == CHILD_BUSY)
        child_signal(child, signal, (int)(job->number & INT32_MAX));
}

static void soft_limit(struct pool_child *child)
{
    struct pool_job *job = child->job;
    child->soft_armed = false;
    child_set_deadline(child, job->hard_limit > 0 ? job->started_at + job->hard_limit : 0);
    child_signal(child, SIGUSR1, (int)(job->number & INT32_MAX));
    child->pool->handler.on_soft_limit(child->pool->context, job);
}

static void stuck(struct pool_child *child)
{
    pool_notice(
        child->pool, POOL_ERROR,
        "Process 'ForkPoolWorker-%u' pid:%d did not take up its job within %g s: it is killed",
        child->slot, (int)child->pid, child->pool->config.start_timeout);
    death_kill(child, VERDICT_BY_ITSELF);
}

void run_expired(struct pool_child *child, double now)
{
    const struct pool_job *job = child->job;
    bool hard = job->hard_limit > 0 && job->started_at + job->hard_limit <= now;
    if (child->reason != VERDICT_BY_ITSELF)
        death_kill(child, child->reason);
    else if (job->started_at <= 0)
        stuck(child);
    else if (child->soft_armed && !hard)
        soft_limit(child);
    else
        death_kill(child, VERDICT_HARD_LIMIT);
}
