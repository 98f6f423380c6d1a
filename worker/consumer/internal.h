/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_INTERNAL_H
#define CELERIAC_CONSUMER_INTERNAL_H

/* Seen by worker/consumer/ only. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "worker/consumer/appsignal.h"
#include "worker/consumer/chord.h"
#include "worker/consumer/consumer.h"
#include "worker/consumer/control.h"
#include "worker/consumer/delay.h"
#include "worker/consumer/eta.h"
#include "worker/consumer/failure.h"
#include "worker/consumer/prefetch.h"
#include "worker/consumer/registry.h"
#include "worker/consumer/request.h"
#include "worker/consumer/revoked.h"
#include "worker/consumer/routing.h"
#include "worker/consumer/settlement.h"
#include "worker/consumer/statedb.h"
#include "worker/consumer/throttle.h"

enum consumer_state {
    CONSUMER_LOADING,  /* the forkserver loads the app */
    CONSUMER_RUNNING,  /* connecting, consuming or between connections */
    CONSUMER_DRAINING, /* told to stop: tasks and records end */
    CONSUMER_LEAVING,  /* the pool leaves: nothing can be run or recorded any more */
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
    size_t running, recording; /* requests in the pool: of tasks, of records */
    size_t joining;            /* requests that are parts of chords, not added yet */
    unsigned record_looks;     /* while stopping: since when only records are left */

    bool blocked;            /* the server blocks publishers */
    struct request *stalled; /* those that wait for room, first in first out */
    struct request **stalled_end;
    bool paused;

    struct eta_heap waiting;
    struct prefetch prefetch;
    struct delay delay;
    struct throttles throttles;
    struct revoked revoked, revoked_stamps;
    struct statedb *statedb; /* NULL: none */
    struct control control;
    struct broker_queue *queues;       /* owned: the broker's, with control's */
    struct broker_exchange *exchanges; /* owned: the broker's, with control's */
    size_t parking;                    /* requests on their way to a delay queue */
    struct destinations destinations;
    uv_timer_t eta_timer, stop_timer, window_timer;
    unsigned open_handles;

    bool greeted; /* the app has been told that we are ready */
    uint32_t sent_prefetch;
    size_t sent_held;
    char label[512]; /* of request_label */
};

/* consumer.c */
/* Brings the window and the pool's pause in line with what waits, what is blocked and what is
 * stalled. */
void consumer_adjust(struct consumer *consumer);
/* Microseconds since 1970, UTC. */
int64_t consumer_now(void);

/* intake.c: deliveries in */
void intake_delivery(void *context, struct broker_delivery *delivery);
void intake_oversized(void *context, struct broker_delivery *delivery, uint64_t size);
/* False: it must not run any more, and is dealt with (rows J, K: checked again just before
 * execution). */
bool intake_still_wanted(struct request *request);
/* What it waited for has come (its eta, its turn, room in its rate): it is decided on once more. */
void intake_pass(struct request *request);
/* The request stays here until its eta: it could not be parked. */
void intake_keep(struct request *request);
/* The connection is gone: forgets what no child has begun, makes orphans of the rest. */
void intake_forget_unstarted(struct consumer *consumer);

/* waiting.c: requests that are not due */
/* `due` in microseconds since 1970; 0: it passes from the loop, at once. */
void waiting_add(struct request *request, int64_t due);

/* behind.c: requests with one id */
/* True if the request must wait for the end of another one with its id; it is taken up then. */
bool behind_wait(struct request *request);
/* The request has ended: nobody waits for it any more, nor it for anybody. */
void behind_leave(struct request *request);

/* jobs.c: requests in the pool */
/* Gives the request's job to the pool: REQUEST_SUBMITTED, to run; REQUEST_RECORDING. */
void jobs_submit(struct request *request, enum request_state state);
/* Takes it back if no child has begun it. */
bool jobs_withdraw(struct request *request);
/* The pool's handlers. */
bool jobs_on_dispatch(void *context, struct pool_job *job);
void jobs_on_started(void *context, struct pool_job *job, pid_t pid);
void jobs_on_soft_limit(void *context, struct pool_job *job);
bool jobs_on_follow_up(void *context, struct pool_job *job, const struct frame *frame);
void jobs_on_ended(void *context, struct pool_job *job, const struct pool_ending *ending);

/* outcome.c: what becomes of tasks that ran */
void outcome_started(struct request *request, pid_t pid);
void outcome_soft_limit(const struct request *request);
void outcome_ended(struct request *request, const struct pool_ending *ending);

/* finish.c: decided requests out; each after what the task has sent (follow_up.h) is done */
/* Stores the document (if there is one and somewhere to put it), adds the task's part to its chord,
 * then settles with request->verb. */
void finish_with(struct request *request, struct bytes document);
/* Settles (or keeps, if it is an orphan whose redelivery is to come) and forgets the request. */
void finish_close(struct request *request, enum broker_verb verb);

/* stalled.c: no room in outbox or backend */
/* `again` is called when there may be some. Only one at a time of a request. */
void stalled_add(struct request *request, void (*again)(struct request *request));
/* There is. */
void stalled_retry(struct consumer *consumer);

/* stopping.c: the way down */
/* consumer_stop. */
void stopping_order(struct consumer *consumer, enum consumer_stop_mode mode, int exit_status);
/* To be called when a job has come back from the pool, and when a request is gone: go on with a
 * stop that waited for it. */
void stopping_go_on(struct consumer *consumer);
void stopping_request_gone(struct consumer *consumer);
void stopping_on_pool_stopped(void *context);
/* The broker is gone too. */
void stopping_finish(struct consumer *consumer);

/* document.c */
/* Writes request->document; logs and leaves it empty when it cannot. */
void document_write(struct request *request, const struct failure *failure);

/* record.c */
/* Makes the request's job one that records the failure, if the runtime takes records. Copies what
 * it needs; the request is not in the pool. */
void record_prepare(struct request *request, const struct failure *failure);
/* One that ends the chord that the task was the last part of: with all its parts, or with words why
 * they cannot be had. */
void record_prepare_chord(struct request *request, const struct backend_parts *parts,
                          const char *error);
/* Has it recorded, if there is anything; then settles with request->verb. The request may be gone.
 */
void record_submit(struct request *request);
/* record_prepare and record_submit. */
void record_failure(struct request *request, const struct failure *failure);
void record_ended(struct request *request, const struct pool_ending *ending);

#endif
