/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of stopping: what has not begun goes back, tasks and records end, the pool leaves,
 * the last results are confirmed, the broker closes. Decides about no task. */

#include "worker/consumer/internal.h"
#include "worker/log/log.h"

enum {
    DRAIN_MS = 1000,       /* between two looks at what is left in the pool */
    RECORD_LOOKS_MAX = 30, /* that the last records may take when no task runs any more */
    FLUSH_MS = 10000,      /* for the last results to be confirmed once the pool is gone */
    CLOSE_SECONDS = 5,     /* for the broker to write what is left and close */
};

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct consumer *consumer = handle->data;
    if (--consumer->open_handles == 0)
        consumer->handler.on_stopped(consumer->context, consumer->exit_status);
}

static void on_state_saved(void *context)
{
    struct consumer *consumer = context;
    consumer->state = CONSUMER_STOPPED;
    uv_close((uv_handle_t *)&consumer->throttles.timer, on_handle_closed);
    uv_close((uv_handle_t *)&consumer->eta_timer, on_handle_closed);
    uv_close((uv_handle_t *)&consumer->stop_timer, on_handle_closed);
    uv_close((uv_handle_t *)&consumer->window_timer, on_handle_closed);
}

void stopping_finish(struct consumer *consumer)
{
    struct statedb *statedb = consumer->statedb;
    consumer->statedb = NULL;
    if (statedb != NULL)
        statedb_close(statedb, on_state_saved, consumer);
    else
        on_state_saved(consumer);
}

/* ---- the last results ---- */

static void on_backend_stopped(void *context)
{
    struct consumer *consumer = context;
    broker_stop(consumer->broker, CLOSE_SECONDS);
}

/* The backend first: what it still has is given up, and goes back to the broker. */
static void close_all(struct consumer *consumer)
{
    consumer->state = CONSUMER_CLOSING;
    uv_timer_stop(&consumer->stop_timer);
    if (consumer->backend != NULL)
        backend_stop(consumer->backend, on_backend_stopped, consumer);
    else
        on_backend_stopped(consumer);
}

static void on_flush_timeout(uv_timer_t *timer)
{
    struct consumer *consumer = timer->data;
    log_warning("%zu results were not stored, or messages not confirmed, in time",
                consumer->settlement.count - consumer->settlement.finished);
    close_all(consumer);
}

void stopping_request_gone(struct consumer *consumer)
{
    if (consumer->state == CONSUMER_FLUSHING &&
        consumer->settlement.count == consumer->settlement.finished)
        close_all(consumer);
    else
        stopping_go_on(consumer);
}

void stopping_on_pool_stopped(void *context)
{
    struct consumer *consumer = context;
    if (consumer->broker == NULL) {
        stopping_finish(consumer);
        return;
    }
    consumer->state = CONSUMER_FLUSHING;
    uv_timer_start(&consumer->stop_timer, on_flush_timeout, FLUSH_MS, 0);
    stopping_request_gone(consumer);
}

/* ---- the pool ---- */

/* What waits for its eta goes back to the broker. */
static void return_waiting(struct consumer *consumer)
{
    struct eta_entry *first;
    while ((first = eta_heap_first(&consumer->waiting)) != NULL) {
        eta_heap_remove(&consumer->waiting, first);
        finish_close(CONTAINER_OF(first, struct request, eta), BROKER_NACK_REQUEUE);
    }
    uv_timer_stop(&consumer->eta_timer);
}

/* What waits in the pool, for another request or for its rate limit, goes back too. */
static void return_queued(struct consumer *consumer)
{
    struct request *request = consumer->settlement.oldest;
    while (request != NULL) {
        struct request *newer = request->newer;
        bool waits = request->state == REQUEST_BEHIND || request->state == REQUEST_THROTTLED;
        if (request->state == REQUEST_THROTTLED)
            throttle_leave(request);
        if (waits || (request->state == REQUEST_SUBMITTED && jobs_withdraw(request)))
            finish_close(request, BROKER_NACK_REQUEUE);
        request = newer;
    }
}

/* A part of a chord may need a child for the chord's end. */
static bool needs_pool(const struct consumer *consumer)
{
    return consumer->running > 0 || consumer->recording > 0 || consumer->joining > 0;
}

static void leave(struct consumer *consumer)
{
    consumer->state = CONSUMER_LEAVING;
    uv_timer_stop(&consumer->stop_timer);
    pool_leave(consumer->pool);
}

static void terminate(struct consumer *consumer)
{
    consumer->state = CONSUMER_LEAVING;
    uv_timer_stop(&consumer->stop_timer);
    pool_terminate(consumer->pool);
}

static void on_drain_timer(uv_timer_t *timer)
{
    struct consumer *consumer = timer->data;
    /* The job of a child that has died before it began it waits again. */
    return_queued(consumer);
    bool only_records = consumer->running == 0 && needs_pool(consumer);
    consumer->record_looks = only_records ? consumer->record_looks + 1 : 0;
    if (!needs_pool(consumer))
        leave(consumer);
    else if (consumer->record_looks > RECORD_LOOKS_MAX)
        terminate(consumer);
}

/* From the loop, because it is the pool that calls us. */
void stopping_go_on(struct consumer *consumer)
{
    if (consumer->state == CONSUMER_DRAINING && !needs_pool(consumer))
        uv_timer_start(&consumer->stop_timer, on_drain_timer, 0, DRAIN_MS);
}

static void return_unstarted(struct consumer *consumer)
{
    broker_cancel_consumers(consumer->broker);
    return_waiting(consumer);
    return_queued(consumer);
    /* What a pause held up must not hold up the stop; only records are sent from now on. */
    consumer_adjust(consumer);
}

void stopping_order(struct consumer *consumer, enum consumer_stop_mode mode, int exit_status)
{
    bool first = consumer->state <= CONSUMER_RUNNING;
    if (!first && mode <= consumer->stop_mode)
        return;
    bool cold = mode == CONSUMER_STOP_COLD || consumer->state == CONSUMER_LOADING;
    consumer->stop_mode = mode;
    consumer->exit_status = exit_status;
    if (first)
        consumer->state = CONSUMER_DRAINING;
    if (first && consumer->broker != NULL)
        return_unstarted(consumer);
    if (consumer->state > CONSUMER_LEAVING)
        return;
    if (cold)
        terminate(consumer);
    else if (!needs_pool(consumer))
        leave(consumer);
    else
        uv_timer_start(&consumer->stop_timer, on_drain_timer, DRAIN_MS, DRAIN_MS);
}
