/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_H
#define CELERIAC_CONSUMER_H

/* Deliveries -> requests -> verdicts: the heart of the main process. It owns the pool, the broker
 * and the backend, joins them, and settles every delivery exactly once. Celery's words, and
 * Celery's rules (celery-wire.md 3) except where README.md's table of deviations says otherwise.
 *
 * Life: consumer_new; consumer_start (forkserver loads the app) -> on_hello -> consumer_connect ->
 * tasks run; consumer_stop or an error -> on_stopped -> consumer_free. */

#include <stdbool.h>

#include <uv.h>

#include "backend/backend.h"
#include "broker/broker.h"
#include "codec/serializer.h"
#include "codec/value.h"
#include "worker/consumer/destination.h"
#include "worker/pool/pool.h"

struct consumer;

/* The largest body that is taken, RabbitMQ's own default bound, and the bytes of results that may
 * wait for their confirms. */
#define CONSUMER_BODY_MAX   ((size_t)128 * 1024 * 1024)
#define CONSUMER_OUTBOX_MAX ((size_t)64 * 1024 * 1024)

/* Celery's bounds of what is remembered as revoked: tasks, and seconds. */
enum { CONSUMER_REVOKES_MAX = 50000, CONSUMER_REVOKE_EXPIRES = 10800 };

/* Where messages of a task go that a task sends (one of Celery's task_routes). */
struct routing_rule {
    const char *pattern; /* a name or, if there is a '*' in it, a pattern as of fnmatch */
    const char *queue;
};

/* How requests are treated where neither message nor task says it; named as Celery's settings. */
struct consumer_config {
    const char *nodename; /* celery@host */
    bool task_acks_late, task_reject_on_worker_lost, task_acks_on_failure_or_timeout;
    bool task_ignore_result;
    double task_time_limit, task_soft_time_limit; /* seconds; 0 = none */
    unsigned
        worker_lost_max_deliveries; /* losses of its process that a task may cost; at least 1 */
    unsigned concurrency;           /* of the pool */
    unsigned prefetch_multiplier;   /* 0 = unlimited */
    bool prefetch_automatic;        /* the window follows the work; then there is no multiplier */
    unsigned worker_eta_task_limit; /* the window does not grow beyond it; 0 = none */
    const char *task_default_rate_limit; /* as codec/rate_limit.h reads it; NULL: none */
    bool worker_disable_rate_limits;
    bool worker_enable_remote_control;
    const char *control_exchange; /* the prefix of what remote control declares */
    double control_queue_ttl, control_queue_expires; /* seconds */
    size_t revokes_max;                              /* tasks, and as many stamps */
    double revoke_expires; /* seconds; what is older is forgotten first, when there is no room */
    double eta_hold;       /* seconds: what is due later is parked at the broker; 0 = nothing is */
    /* NULL: none that we know. Then the runtime leaves no documents to us. */
    const struct serializer *result_serializer;
    /* NULL at the end. NULL altogether: the runtime decides (HELLO's `records`). */
    const struct serializer *const *accept_content;
    bool result_extended, task_track_started, task_store_errors_even_if_ignored;
    bool task_inherit_parent_priority;
    const char *task_serializer;    /* of what tasks send; NULL: the runtime knows */
    int task_default_priority;      /* of what tasks send if they do not say it; -1: none */
    int task_default_delivery_mode; /* likewise: 1 transient, 2 persistent */
    struct destination_rules destinations;
    /* Where what tasks send goes if they do not say it. */
    const char *task_default_queue;
    const struct routing_rule *task_routes;
    size_t task_route_count;
};

struct consumer_handler {
    /* The first forkserver has loaded the app: answer with consumer_connect or consumer_stop. */
    void (*on_hello)(void *context, const msgpack_object *description);
    /* Everything is down; consumer_free may be called. `exit_status` is the process's: 0, 1 (broker
     * or system), 2 (the app cannot be loaded). */
    void (*on_stopped)(void *context, int exit_status);
};

/* Copies the structs; what they point to is borrowed for the consumer's life. NULL: out of memory.
 */
struct consumer *consumer_new(uv_loop_t *loop, const struct pool_config *pool,
                              const struct consumer_handler *handler, void *context);
void consumer_free(struct consumer *consumer);

/* Starts the pool. 0 or a negative errno: the runtime's program cannot be executed. */
MUST_CHECK int consumer_start(struct consumer *consumer);

enum { CONSUMER_ERROR_SIZE = 512 };
/* Reads what was revoked before from --statedb's file, and keeps it there from now on. Before
 * consumer_connect. -1 with a sentence in `error`: the file cannot be used. */
MUST_CHECK int consumer_open_state(struct consumer *consumer, const struct consumer_config *config,
                                   const char *path, char error[CONSUMER_ERROR_SIZE]);

/* Opens the pool (pool_open with `pool`), the broker and the backend (where documents go that the
 * runtime leaves to us; loop, broker, handler and bounds are filled in), and consumes. Call once. 0
 * or -ENOMEM. */
MUST_CHECK int consumer_connect(struct consumer *consumer, const struct consumer_config *config,
                                const struct pool_config *pool, const struct broker_config *broker,
                                const struct backend_config *backend);

/* Sends a signal of Celery's (PROTOCOL.md "Signals") to the app's handlers, if it has any;
 * `arguments` is a map or NULL. */
void consumer_signal(struct consumer *consumer, const char *name, const msgpack_object *arguments);

enum consumer_stop_mode {
    CONSUMER_STOP_WARM, /* running tasks end, the others go back to the broker */
    CONSUMER_STOP_COLD, /* running tasks are killed; late-ack ones go back to the broker */
};
/* May be called again with a colder mode, whose `exit_status` then counts. */
void consumer_stop(struct consumer *consumer, enum consumer_stop_mode mode, int exit_status);

/* Logs what the worker holds and does, at WARNING. */
void consumer_log_state(const struct consumer *consumer);

#endif
