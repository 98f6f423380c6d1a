/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_INTERNAL_H
#define CELERIAC_CONSUMER_INTERNAL_H

/* Seen by worker/consumer/ only. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "worker/consumer/consumer.h"
#include "worker/consumer/eta.h"
#include "worker/consumer/registry.h"
#include "worker/consumer/request.h"
#include "worker/consumer/settlement.h"

enum consumer_state {
    CONSUMER_LOADING,  /* the forkserver loads the app */
    CONSUMER_RUNNING,  /* connecting, consuming or between connections */
    CONSUMER_DRAINING, /* told to stop: the pool empties itself or is being emptied */
    CONSUMER_FLUSHING, /* the pool is gone: last results and settlements leave */
    CONSUMER_CLOSING,  /* the broker closes */
    CONSUMER_STOPPED,
};

struct consumer {
    uv_loop_t *loop;
    struct consumer_handler handler;
    void *context;
    struct consumer_config config;
    enum consumer_state state;
    enum consumer_stop_mode stop_mode;
    int exit_status;

    struct pool *pool;
    struct broker *broker; /* NULL before consumer_connect */
    struct backend *backend;
    struct registry registry;
    struct settlement settlement;

    bool blocked;            /* the server blocks publishers */
    struct request *stalled; /* results that wait for room, first in first out */
    struct request **stalled_end;
    bool paused;

    struct eta_heap waiting;
    uv_timer_t eta_timer;
    uv_timer_t flush_timer;
    unsigned open_handles;

    uint32_t sent_prefetch;
    char label[512]; /* of request_label */
};

/* consumer.c */
/* Brings the window and the pool's pause in line with what waits, what is blocked and what is
 * stalled. */
void consumer_adjust(struct consumer *consumer);
/* To be called whenever a request is gone: goes on with a stop that waited for it. */
void consumer_request_gone(struct consumer *consumer);
/* Microseconds since 1970, UTC. */
int64_t consumer_now(void);

/* intake.c: deliveries in */
void intake_delivery(void *context, struct broker_delivery *delivery);
void intake_oversized(void *context, struct broker_delivery *delivery, uint64_t size);
/* The pool's question right before a job is sent (rows J, K: checked again just before execution).
 */
bool intake_still_wanted(void *context, struct pool_job *job);
/* Due requests go to the pool; arms the timer for the next. */
void intake_release_due(struct consumer *consumer);
/* What waits for its eta goes back to the broker: the worker stops. */
void intake_return_waiting(struct consumer *consumer);
/* The connection is gone: forgets what no child has begun, makes orphans of the rest. */
void intake_forget_unstarted(struct consumer *consumer);

/* outcome.c: ended jobs and decided requests out */
void outcome_job_started(void *context, struct pool_job *job, pid_t pid);
void outcome_job_soft_limit(void *context, struct pool_job *job);
void outcome_job_ended(void *context, struct pool_job *job, const struct pool_ending *ending);
/* Stores request->document (if there is one and somewhere to put it), then settles with
 * request->verb. */
void outcome_finish(struct request *request);
/* Stores again what found no room. */
void outcome_retry_stalled(struct consumer *consumer);
/* Settles (or keeps, if it is an orphan whose redelivery is to come) and forgets the request. */
void outcome_close(struct request *request, enum broker_verb verb);

/* republish.c: the counted return of a lost task's message to its queue; closes the request
 * when it is done */
void republish_counted(struct request *request);

/* document.c: failures that only the main process can know */
struct failure {
    const char *status; /* "FAILURE", "REVOKED" */
    const char *type, *module;
    const char *message; /* the constructor's one argument, or NULL: none */
    double number;       /* the argument, if message is NULL and has_number */
    bool has_number;
};
/* Writes request->document; logs and leaves it empty when it cannot. */
void document_write(struct request *request, const struct failure *failure);

#endif
