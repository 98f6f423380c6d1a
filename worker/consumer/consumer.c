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
    size_t throttled = consumer->throttles.count;
    struct prefetch_hand hand = {
        .held = consumer->waiting.count +
                (throttled < THROTTLE_WINDOW_MAX ? throttled : THROTTLE_WINDOW_MAX),
        .parking = consumer->parking,
    };
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

static void on_delivery(void *context, struct broker_delivery *delivery)
{
    struct consumer *consumer = context;
    if (control_is(&consumer->control, delivery))
        control_delivery(consumer, delivery);
    else
        intake_delivery(consumer, delivery);
}

static void on_oversized(void *context, struct broker_delivery *delivery, uint64_t size)
{
    struct consumer *consumer = context;
    if (control_is(&consumer->control, delivery))
        control_oversized(delivery, size);
    else
        intake_oversized(consumer, delivery, size);
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
    .on_delivery = on_delivery,
    .on_oversized = on_oversized,
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
    throttle_init(consumer);
    consumer->open_handles = 4;
    return consumer;
}

void consumer_free(struct consumer *consumer)
{
    if (consumer == NULL)
        return;
    assert(consumer->state == CONSUMER_STOPPED);
    settlement_done(&consumer->settlement);
    eta_heap_done(&consumer->waiting);
    throttle_done(consumer);
    revoked_done(&consumer->revoked);
    revoked_done(&consumer->revoked_stamps);
    pool_free(consumer->pool);
    backend_close(consumer->backend);
    broker_free(consumer->broker);
    delay_done(&consumer->delay);
    free(consumer->queues);
    free(consumer->exchanges);
    destinations_done(&consumer->destinations);
    registry_done(&consumer->registry);
    free(consumer);
}

int consumer_start(struct consumer *consumer)
{
    return pool_start(consumer->pool);
}

/* What the config names, and remote control. */
static bool make_queues(struct consumer *consumer, struct broker_config *config)
{
    size_t count = config->queue_count;
    struct broker_queue *queues = reallocarray(NULL, count + 1, sizeof(struct broker_queue));
    if (queues == NULL)
        return false;
    memcpy(queues, config->queues, count * sizeof(*queues));
    if (consumer->config.worker_enable_remote_control)
        control_queue(&consumer->control, &queues[count++]);
    config->queues = consumer->queues = queues;
    config->queue_count = count;
    return true;
}

static bool make_exchanges(struct consumer *consumer, struct broker_config *config)
{
    size_t count = config->exchange_count;
    struct broker_exchange *exchanges =
        reallocarray(NULL, count + 1, sizeof(struct broker_exchange));
    if (exchanges == NULL)
        return false;
    if (count > 0)
        memcpy(exchanges, config->exchanges, count * sizeof(*exchanges));
    if (consumer->config.worker_enable_remote_control)
        control_exchange(&consumer->control, &exchanges[count++]);
    config->exchanges = consumer->exchanges = exchanges;
    config->exchange_count = count;
    return true;
}

/* Needs the config. False: out of memory. */
static bool open_broker(struct consumer *consumer, const struct broker_config *config)
{
    struct broker_config own = *config;
    own.prefetch = consumer->sent_prefetch;
    control_init(&consumer->control, &consumer->config);
    if (!make_queues(consumer, &own) || !make_exchanges(consumer, &own))
        return false;
    consumer->broker = broker_new(consumer->loop, &own, &broker_handler, consumer);
    return consumer->broker != NULL;
}

static void init_revoked(struct consumer *consumer, const struct consumer_config *config)
{
    revoked_init(&consumer->revoked, config->revokes_max, config->revoke_expires);
    revoked_init(&consumer->revoked_stamps, config->revokes_max, config->revoke_expires);
}

int consumer_open_state(struct consumer *consumer, const struct consumer_config *config,
                        const char *path, char error[CONSUMER_ERROR_SIZE])
{
    assert(consumer->statedb == NULL && consumer->broker == NULL);
    init_revoked(consumer, config);
    consumer->statedb =
        statedb_open(consumer->loop, path, &consumer->revoked, &consumer->revoked_stamps, error);
    return consumer->statedb != NULL ? 0 : -1;
}

int consumer_connect(struct consumer *consumer, const struct consumer_config *config,
                     const struct pool_config *pool, const struct broker_config *broker,
                     const struct backend_config *backend)
{
    assert(consumer->state == CONSUMER_LOADING && consumer->broker == NULL);
    if (pool_open(consumer->pool, pool) != 0)
        return -ENOMEM;
    consumer->config = *config;
    if (consumer->statedb == NULL)
        init_revoked(consumer, config);
    throttle_start(consumer);
    destinations_init(&consumer->destinations, &config->destinations);
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
