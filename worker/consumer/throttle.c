/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the requests that wait for a rate limit, and the timer that wakes them. Decides nothing
 * about a request that may go on. */

#include "worker/consumer/throttle.h"

#include "codec/rate_limit.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

/* Seconds at a time: rates may be as low as they like. */
static const double WAIT_MAX = 3600;

static double now_seconds(void)
{
    return (double)uv_hrtime() / 1e9;
}

static void on_timer(uv_timer_t *timer);

static void arm(struct throttles *throttles)
{
    const struct eta_entry *first = eta_heap_first(&throttles->sleeping);
    if (first == NULL) {
        uv_timer_stop(&throttles->timer);
        return;
    }
    int64_t wait_ms = (first->due - (int64_t)(uv_hrtime() / 1000) + 999) / 1000;
    uv_update_time(throttles->timer.loop);
    uv_timer_start(&throttles->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

/* ---- the queue of a task ---- */

static void append(struct throttle *throttle, struct request *request)
{
    request->throttle_older = throttle->last;
    request->throttle_newer = NULL;
    if (throttle->last != NULL)
        throttle->last->throttle_newer = request;
    else
        throttle->first = request;
    throttle->last = request;
    request->consumer->throttles.count++;
}

static void take_out(struct throttle *throttle, struct request *request)
{
    struct request *older = request->throttle_older, *newer = request->throttle_newer;
    if (older != NULL)
        older->throttle_newer = newer;
    else
        throttle->first = newer;
    if (newer != NULL)
        newer->throttle_older = older;
    else
        throttle->last = older;
    request->throttle_older = request->throttle_newer = NULL;
    request->consumer->throttles.count--;
}

/* A limit may be changed by what is let go (a stop returns them all), so each is taken out before
 * it goes on. */
static void release(struct throttle *throttle)
{
    while (throttle->first != NULL && rate_take(&throttle->bucket, now_seconds())) {
        struct request *request = throttle->first;
        take_out(throttle, request);
        intake_pass(request);
    }
}

/* Those who may go on do, the others are waited for. */
static void serve(struct consumer *consumer, struct throttle *throttle)
{
    struct throttles *throttles = &consumer->throttles;
    eta_heap_remove(&throttles->sleeping, &throttle->wake);
    release(throttle);
    if (throttle->first == NULL)
        return;
    double wait = rate_wait(&throttle->bucket, now_seconds());
    eta_heap_remove(&throttles->sleeping, &throttle->wake);
    wait = wait < WAIT_MAX ? wait : WAIT_MAX;
    throttle->wake.due = (int64_t)(uv_hrtime() / 1000) + (int64_t)(wait * 1e6) + 1;
    if (eta_heap_add(&throttles->sleeping, &throttle->wake))
        return;
    log_critical("Out of memory: tasks that wait for their rate limit run at once");
    throttle->bucket.per_second = 0;
    release(throttle);
}

static void on_timer(uv_timer_t *timer)
{
    struct consumer *consumer = timer->data;
    struct throttles *throttles = &consumer->throttles;
    int64_t now = (int64_t)(uv_hrtime() / 1000);
    struct eta_entry *first;
    while ((first = eta_heap_first(&throttles->sleeping)) != NULL && first->due <= now)
        serve(consumer, CONTAINER_OF(first, struct throttle, wake));
    arm(throttles);
    consumer_adjust(consumer);
}

bool throttle_take(struct request *request)
{
    struct consumer *consumer = request->consumer;
    struct throttle *throttle = &request->task->throttle;
    if (throttle->bucket.per_second <= 0)
        return false;
    if (throttle->first == NULL && rate_take(&throttle->bucket, now_seconds()))
        return false;
    bool room = consumer->throttles.count < THROTTLE_WINDOW_MAX;
    request_set_state(request, REQUEST_THROTTLED);
    append(throttle, request);
    prefetch_arrived(&consumer->prefetch, room);
    serve(consumer, throttle);
    arm(&consumer->throttles);
    consumer_adjust(consumer);
    return true;
}

void throttle_leave(struct request *request)
{
    struct throttle *throttle = &request->task->throttle;
    take_out(throttle, request);
    if (throttle->first != NULL)
        return;
    eta_heap_remove(&request->consumer->throttles.sleeping, &throttle->wake);
    arm(&request->consumer->throttles);
}

/* ---- limits ---- */

static void for_each(struct consumer *consumer,
                     void (*visit)(struct consumer *consumer, struct task *task))
{
    for (size_t i = 0; i < REGISTRY_BUCKETS; i++)
        for (struct task *task = consumer->registry.buckets[i]; task != NULL; task = task->next)
            visit(consumer, task);
}

static void start(struct consumer *consumer, struct task *task)
{
    double limit = 0;
    struct codec_reason reason;
    const msgpack_object standard = consumer->config.task_default_rate_limit != NULL
                                        ? value_string(consumer->config.task_default_rate_limit)
                                        : value_nil();
    const msgpack_object *said = value_is_nil(&task->rate_limit) ? &standard : &task->rate_limit;
    if (rate_limit_read(said, &limit, &reason) != 0)
        log_error("The rate limit of task %.*s cannot be read, and it has none: %s",
                  text_quoted_size(task->name), task->name.data, reason.text);
    rate_init(&task->throttle.bucket, limit, now_seconds());
}

void throttle_start(struct consumer *consumer)
{
    if (!consumer->config.worker_disable_rate_limits)
        for_each(consumer, start);
}

static void refill(struct consumer *consumer, struct task *task)
{
    struct rate_bucket *bucket = &task->throttle.bucket;
    rate_init(bucket, bucket->per_second, now_seconds());
    serve(consumer, &task->throttle);
}

void throttle_change(struct consumer *consumer, struct task *task, double per_second)
{
    if (consumer->config.worker_disable_rate_limits)
        return;
    task->throttle.bucket.per_second = per_second;
    for_each(consumer, refill);
    arm(&consumer->throttles);
    consumer_adjust(consumer);
}

void throttle_init(struct consumer *consumer)
{
    uv_timer_init(consumer->loop, &consumer->throttles.timer);
    consumer->throttles.timer.data = consumer;
}

void throttle_done(struct consumer *consumer)
{
    eta_heap_done(&consumer->throttles.sleeping);
}
