/* SPDX-License-Identifier: BSD-3-Clause */
/* Joins pool, broker and backend, and owns the order in which they start and stop. Decides about no
 * task: intake.c and outcome.c do. */

#include "worker/consumer/consumer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "worker/consumer/internal.h"
#include "worker/log/log.h"

int64_t consumer_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_window_timer(uv_timer_t *timer);

static void adjust_prefetch(struct consumer *consumer)
{
    struct prefetch_hand hand = {.held = consumer->waiting.count, .parking = consumer->parking};
    uint32_t prefetch = prefetch_window(&consumer->prefetch, &hand);
    if (prefetch_restless(&consumer->prefetch) && consumer->state == CONSUMER_RUNNING &&
        !uv_is_active((uv_handle_t *)&consumer->window_timer))
        uv_timer_start(&consumer->window_timer, on_window_timer, PREFETCH_LOOK_MS,
                       PREFETCH_LOOK_MS);
    if (prefetch == consumer->sent_prefetch && hand.held == consumer->sent_held)
        return;
    consumer->sent_prefetch = prefetch;
    consumer->sent_held = hand.held;
    broker_set_prefetch(consumer->broker, prefetch, (uint32_t)hand.held);
}

static void on_window_timer(uv_timer_t *timer)
{
    struct consumer *consumer = timer->data;
    prefetch_look(&consumer->prefetch, (double)uv_hrtime() / 1e9, consumer->running > 0);
    if (!prefetch_restless(&consumer->prefetch) || consumer->state != CONSUMER_RUNNING)
        uv_timer_stop(timer);
    adjust_prefetch(consumer);
}

void consumer_adjust(struct consumer *consumer)
{
    adjust_prefetch(consumer);
    bool pause =
        consumer->state == CONSUMER_RUNNING && (consumer->blocked || consumer->stalled != NULL);
    if (pause == consumer->paused)
        return;
    consumer->paused = pause;
    if (pause)
        pool_pause(consumer->pool);
    else
        pool_resume(consumer->pool);
}

void consumer_stop(struct consumer *consumer, enum consumer_stop_mode mode, int exit_status)
{
    stopping_order(consumer, mode, exit_status);
}

void consumer_signal(struct consumer *consumer, const char *name, const msgpack_object *arguments)
{
    appsignal_send(consumer, appsignal_find((struct text){name, strlen(name)}), arguments);
}

/* ---- what the pool says ---- */

static void on_hello(void *context, const msgpack_object *description)
{
    struct consumer *consumer = context;
    if (consumer->registry.zone != NULL || consumer->state != CONSUMER_LOADING)
        return; /* a replacement forkserver has loaded the same app, or we are told to stop already
                 */
    if (!registry_init(&consumer->registry, description)) {
        log_critical("Out of memory while reading the list of tasks");
        consumer_stop(consumer, CONSUMER_STOP_COLD, 1);
        return;
    }
    consumer->handler.on_hello(consumer->context, description);
}

static void on_pool_notice(void *context, enum pool_severity severity, const char *text)
{
    (void)context;
    static const enum log_level levels[] = {
        [POOL_DEBUG] = LOG_DEBUG,
        [POOL_INFO] = LOG_INFO,
        [POOL_WARNING] = LOG_WARNING,
        [POOL_ERROR] = LOG_ERROR,
    };
    log_line(levels[severity], "%s", text);
}

static void on_pool_failed(void *context, const char *text)
{
    struct consumer *consumer = context;
    log_critical("The tasks cannot be loaded: %s", text);
    consumer_stop(consumer, CONSUMER_STOP_COLD, 2);
}

static const struct pool_handler pool_handler = {
    .on_hello = on_hello,
    .on_dispatch = jobs_on_dispatch,
    .on_started = jobs_on_started,
    .on_soft_limit = jobs_on_soft_limit,
    .on_follow_up = jobs_on_follow_up,
    .on_ended = jobs_on_ended,
    .on_notice = on_pool_notice,
    .on_failed = on_pool_failed,
    .on_stopped = stopping_on_pool_stopped,
};

/* ---- what the broker says ---- */

static void on_up(void *context, uint64_t epoch)
{
    struct consumer *consumer = context;
    (void)epoch;
    log_info("%s ready.", consumer->config.nodename);
    if (!consumer->greeted)
        appsignal_send(consumer, APPSIGNAL_WORKER_READY, NULL);
    consumer->greeted = true;
}

static void on_down(void *context)
{
    struct consumer *consumer = context;
    intake_forget_unstarted(consumer);
    log_warning("consumer: Connection to broker lost. %zu running tasks go on; their redeliveries "
                "will be attached to them.",
                consumer->running);
    consumer_adjust(consumer);
}

static void on_blocked(void *context, bool blocked)
{
    struct consumer *consumer = context;
    consumer->blocked = blocked;
    if (blocked)
        log_warning("The broker has a resource alarm and blocks publishers: no task is started "
                    "until it is over");
    else
        log_info("The broker's resource alarm is over: tasks are started again");
    consumer_adjust(consumer);
}

static void on_drained(void *context)
{
    stalled_retry(context);
}

static void on_broker_stopped(void *context)
{
    struct consumer *consumer = context;
    /* Whoever has not been told yet never will be; the server requeues what is unsettled. */
    settlement_done(&consumer->settlement);
    stopping_finish(consumer);
}

static void on_broker_notice(void *context, enum broker_severity severity, const char *text)
{
    (void)context;
    static const enum log_level levels[] = {
        [BROKER_INFO] = LOG_INFO,
        [BROKER_WARNING] = LOG_WARNING,
        [BROKER_ERROR] = LOG_ERROR,
        [BROKER_CRITICAL] = LOG_CRITICAL,
    };
    log_line(levels[severity], "%s", text);
}

static void on_broker_failed(void *context, const char *text)
{
    log_critical("Unrecoverable error: %s", text);
    consumer_stop(context, CONSUMER_STOP_COLD, 1);
}

static const struct broker_handler broker_handler = {
    .on_up = on_up,
    .on_down = on_down,
    .on_delivery = intake_delivery,
    .on_oversized = intake_oversized,
    .on_blocked = on_blocked,
    .on_drained = on_drained,
    .on_notice = on_broker_notice,
    .on_failed = on_broker_failed,
    .on_stopped = on_broker_stopped,
};

/* ---- what the backend says ---- */

static void on_backend_trouble(void *context, const char *text)
{
    (void)context;
    log_warning("%s", text);
}

static const struct backend_handler backend_handler = {
    .on_drained = on_drained,
    .on_trouble = on_backend_trouble,
};

void consumer_log_state(const struct consumer *consumer)
{
    struct pool_stats pool;
    struct broker_stats broker = {0};
    pool_get_stats(consumer->pool, &pool);
    if (consumer->broker != NULL)
        broker_get_stats(consumer->broker, &broker);
    log_warning("pool: slots=%u ready=%u busy=%u queued=%zu submitted=%llu done=%llu lost=%llu "
                "timed_out=%llu spawned=%llu recycled=%llu forkservers=%u",
                pool.slots, pool.ready, pool.busy, pool.queued, (unsigned long long)pool.submitted,
                (unsigned long long)pool.done, (unsigned long long)pool.lost,
                (unsigned long long)pool.timed_out, (unsigned long long)pool.spawned,
                (unsigned long long)pool.recycled, pool.forkservers);
    log_warning("broker: consuming=%d publishing=%d blocked=%d epoch=%llu prefetch=%u "
                "unsettled=%zu delivered=%llu settled=%llu published=%llu confirmed=%llu "
                "outbox=%zu messages, %zu bytes",
                broker.consuming, broker.publishing, broker.blocked,
                (unsigned long long)broker.epoch, broker.prefetch, broker.unsettled,
                (unsigned long long)broker.delivered, (unsigned long long)broker.settled,
                (unsigned long long)broker.published, (unsigned long long)broker.confirmed,
                broker.outbox_messages, broker.outbox_bytes);
    log_warning("requests: held=%zu waiting for their eta=%zu being parked=%zu being recorded=%zu "
                "joining chords=%zu finished while offline=%zu",
                consumer->settlement.count, consumer->waiting.count, consumer->parking,
                consumer->recording, consumer->joining, consumer->settlement.finished);
}

/* ---- life ---- */

struct consumer *consumer_new(uv_loop_t *loop, const struct pool_config *pool,
                              const struct consumer_handler *handler, void *context)
{
    struct consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL)
        return NULL;
    consumer->loop = loop;
    consumer->handler = *handler;
    consumer->context = context;
    consumer->stalled_end = &consumer->stalled;
    consumer->pool = pool_new(loop, pool, &pool_handler, consumer);
    if (consumer->pool == NULL || !settlement_init(&consumer->settlement)) {
        pool_free(consumer->pool);
        free(consumer);
        return NULL;
    }
    uv_timer_init(loop, &consumer->eta_timer);
    uv_timer_init(loop, &consumer->stop_timer);
    uv_timer_init(loop, &consumer->window_timer);
    consumer->eta_timer.data = consumer->stop_timer.data = consumer->window_timer.data = consumer;
    consumer->open_handles = 3;
    return consumer;
}

void consumer_free(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    assert(consumer->state == CONSUMER_STOPPED);
    settlement_done(&consumer->settlement);
    eta_heap_done(&consumer->waiting);
    pool_free(consumer->pool);
    backend_close(consumer->backend);
    broker_free(consumer->broker);
    delay_done(&consumer->delay);
    registry_done(&consumer->registry);
    free(consumer);
}

int consumer_start(struct consumer *consumer)
{
    return pool_start(consumer->pool);
}

/* Needs the config. False: out of memory. */
static bool open_broker(struct consumer *consumer, const struct broker_config *config)
{
    struct broker_config own = *config;
    own.prefetch = consumer->sent_prefetch;
    consumer->broker = broker_new(consumer->loop, &own, &broker_handler, consumer);
    return consumer->broker != NULL;
}

int consumer_connect(struct consumer *consumer, const struct consumer_config *config,
                     const struct pool_config *pool, const struct broker_config *broker,
                     const struct backend_config *backend)
{
    assert(consumer->state == CONSUMER_LOADING && consumer->broker == NULL);
    if (pool_open(consumer->pool, pool) != 0)
        return -ENOMEM;
    consumer->config = *config;
    prefetch_init(&consumer->prefetch, config->concurrency,
                  config->concurrency * config->prefetch_multiplier, config->prefetch_automatic,
                  config->worker_eta_task_limit, config->eta_hold > 0);
    consumer->sent_prefetch = prefetch_window(&consumer->prefetch, &(struct prefetch_hand){0});
    if (!open_broker(consumer, broker))
        return -ENOMEM;
    struct backend_config whole = *backend;
    whole.loop = consumer->loop;
    whole.broker = consumer->broker;
    whole.waiting_max = CONSUMER_OUTBOX_MAX;
    whole.handler = &backend_handler;
    whole.context = consumer;
    consumer->backend = backend_open(&whole);
    if (consumer->backend == NULL)
        return -ENOMEM;
    consumer->state = CONSUMER_RUNNING;
    broker_start(consumer->broker);
    return 0;
}
