/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the requests that are in the pool: how many they are, and whose business what the pool says
 * of them is. Decides nothing of its own. */

#include "worker/consumer/internal.h"

static struct request *request_of(struct pool_job *job)
{
    return CONTAINER_OF(job, struct request, job);
}

static size_t *count_of(struct request *request)
{
    struct consumer *consumer = request->consumer;
    return request->state == REQUEST_RECORDING ? &consumer->recording : &consumer->running;
}

void jobs_submit(struct request *request, enum request_state state)
{
    request_set_state(request, state);
    ++*count_of(request);
    pool_submit(request->consumer->pool, &request->job);
}

bool jobs_withdraw(struct request *request)
{
    if (!pool_withdraw(request->consumer->pool, &request->job))
        return false;
    --*count_of(request);
    return true;
}

bool jobs_on_dispatch(void *context, struct pool_job *job)
{
    struct consumer *consumer = context;
    struct request *request = request_of(job);
    if (request->state == REQUEST_RECORDING)
        return true;
    consumer->running--;
    if (!intake_still_wanted(request)) {
        stopping_go_on(consumer);
        return false;
    }
    consumer->running++;
    return true;
}

void jobs_on_started(void *context, struct pool_job *job, pid_t pid)
{
    (void)context;
    struct request *request = request_of(job);
    if (request->state != REQUEST_RECORDING)
        outcome_started(request, pid);
}

void jobs_on_soft_limit(void *context, struct pool_job *job)
{
    (void)context;
    outcome_soft_limit(request_of(job));
}

bool jobs_on_follow_up(void *context, struct pool_job *job, const struct frame *frame)
{
    (void)context;
    return follow_up_take(request_of(job), frame);
}

void jobs_on_ended(void *context, struct pool_job *job, const struct pool_ending *ending)
{
    struct consumer *consumer = context;
    struct request *request = request_of(job);
    --*count_of(request);
    if (request->state == REQUEST_RECORDING) {
        record_ended(request, ending);
    } else {
        prefetch_ended(&consumer->prefetch, (double)uv_hrtime() / 1e9, ending->runtime);
        outcome_ended(request, ending);
    }
    consumer_adjust(consumer);
    stopping_go_on(consumer);
}
