/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_H
#define CELERIAC_POOL_H

/* The prefork pool: billiard's counterpart, a library of its own. It knows processes, sockets and
 * time; it knows neither AMQP nor Celery: a job is a packed request and a body for the child, and a
 * report and a document from it.
 *
 * One forkserver (PROTOCOL.md), started by fork+exec, makes the children; each child has one socket
 * to us and runs one job at a time. A job is in the queue, or with one child, or ended; it is
 * handed back exactly once, through on_ended. With a child it runs, or it is staged: sent ahead
 * behind a short job, so that the child need not sleep between the two, and taken back as soon as
 * somebody else could run it sooner. A staged job counts as queued.
 *
 * Everything runs on the loop's thread. Callbacks may call any function here except pool_free. One
 * pool a process: it makes the process a child subreaper and reaps every child process that the
 * process has. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "codec/base.h"
#include "codec/buffer.h"
#include "codec/value.h"

struct pool;
struct pool_child;
struct frame;

/* Bytes of SIGNAL frames that may wait for a forkserver that is busy. */
#define POOL_SIGNALS_MAX ((size_t)4 * 1024 * 1024)

struct pool_config {
    /* The forkserver's program (looked up in PATH) and arguments, NULL at the end; its socket is
     * descriptor 3. */
    const char *const *argv;
    unsigned concurrency;          /* slots; 0: pool_open will say */
    unsigned max_tasks_per_child;  /* jobs; 0 = no limit */
    uint64_t max_memory_per_child; /* KiB resident after a job; 0 = no limit */
    double load_timeout;           /* seconds from the forkserver's start to HELLO: for imports */
    double start_timeout;          /* seconds from SPAWN to READY, from JOB to STARTED */
    /* Seconds that a process has to leave after LEAVE or a signal, before the next step. */
    double kill_timeout;
    /* Seconds that the forkserver has for its last signals and its own end after a warm LEAVE. */
    double leave_timeout;
};

/* A job; embedded in the caller's own struct, zeroed before pool_submit except for the first
 * group. */
struct pool_job {
    struct bytes request; /* one packed msgpack map; borrowed until on_ended */
    struct bytes body;    /* likewise */
    double soft_limit;    /* seconds from the start of the task; 0 = none */
    double hard_limit;    /* likewise; if it is not above the soft one, that one never comes */
    bool want_started;    /* call on_started (costs a frame; implied by limits) */
    bool suspect;         /* has cost a process before: never run beside another suspect */

    uint64_t number; /* the pool's: the rest is private to it */
    struct pool_child *child;
    struct pool_job *next, *previous;
    unsigned state, returned;
    uint32_t frame;             /* number of its JOB frame, for its child's claim page */
    int kill_signal;            /* 0: none; of a kill that waits for news of its child */
    int sent_signal;            /* 0: none; likewise, or sent, of pool_signal_job */
    double sent_at, started_at; /* uv_hrtime seconds */
};

enum pool_verdict {
    POOL_DONE,       /* RESULT came: report and document are set */
    POOL_LOST,       /* its process is gone (without pid: it is too large ever to be sent) */
    POOL_TIME_LIMIT, /* killed for its hard limit */
    POOL_TERMINATED, /* by pool_kill_job, pool_signal_job or pool_terminate */
    POOL_RETURNED,   /* did not begin, and will not: the pool was stopped */
};

/* A RESULT that was sent whole before its child died counts: the verdict is POOL_DONE then, even
 * after a kill. */
struct pool_ending {
    enum pool_verdict verdict;
    const msgpack_object *report; /* POOL_DONE: RESULT's map; borrowed until on_ended returns */
    struct text document;         /* POOL_DONE: RESULT's bytes, likewise */
    pid_t pid;                    /* of the child; 0 if it had none */
    unsigned slot; /* its number from 1, as in ForkPoolWorker-N; 0 if it had no child */
    bool started;  /* false only if it is certain that the task did not begin */
    bool has_status;
    int wait_status; /* has_status: as of waitpid */
    int signal;      /* POOL_TERMINATED: the signal asked for; 0: the pool was stopped */
    double runtime;  /* seconds from STARTED (or, without it, dispatch) to the end */
};

enum pool_severity { POOL_DEBUG, POOL_INFO, POOL_WARNING, POOL_ERROR };

/* All must be set. */
struct pool_handler {
    /* A forkserver (the first, or a replacement) has loaded its app. `description` is HELLO's map,
     * borrowed. */
    void (*on_hello)(void *context, const msgpack_object *description);
    /* Asked right before a job is sent to a child (again, if it comes back): false if it must not
     * run any more (expired, revoked); then it is the caller's, and on_ended is not called. */
    bool (*on_dispatch)(void *context, struct pool_job *job);
    void (*on_started)(void *context, struct pool_job *job, pid_t pid);
    /* SIGUSR1 was sent to the child. */
    void (*on_soft_limit)(void *context, struct pool_job *job);
    /* The job's child has sent PUBLISH, STORE or CHORD; `frame` is borrowed for the call. False: no
     * more can be taken now: nothing more is read from this child until pool_listen, or the end of
     * the job. What has been read already, and what a child leaves behind, comes all the same. */
    bool (*on_follow_up)(void *context, struct pool_job *job, const struct frame *frame);
    /* The job is the caller's again. */
    void (*on_ended)(void *context, struct pool_job *job, const struct pool_ending *ending);
    void (*on_notice)(void *context, enum pool_severity severity, const char *text);
    /* The first forkserver could not load its app: `text` is its own account. Nothing will run;
     * call pool_terminate. */
    void (*on_failed)(void *context, const char *text);
    /* No process of the pool is left; pool_free may be called. */
    void (*on_stopped)(void *context);
};

/* Copies `config` and `handler`; argv is borrowed for the pool's life. NULL: out of memory. */
struct pool *pool_new(uv_loop_t *loop, const struct pool_config *config,
                      const struct pool_handler *handler, void *context);
/* Only in or after on_stopped, before pool_start, or after it failed. Accepts NULL. */
void pool_free(struct pool *pool);

/* Starts the forkserver; children follow its HELLO. 0 or a negative errno (the program cannot be
 * executed). */
MUST_CHECK int pool_start(struct pool *pool);

/* Gives a pool that was made without concurrency its size and limits, which an app's own settings
 * may decide: call it once, in or after the first on_hello; until then there are no children. Reads
 * everything of `config` but argv and load_timeout. 0 or -ENOMEM. */
MUST_CHECK int pool_open(struct pool *pool, const struct pool_config *config);

/* Sends a SIGNAL frame to the forkserver; `arguments` is a packed map, borrowed for the call.
 * False: it cannot be delivered (no forkserver is up, or POOL_SIGNALS_MAX bytes wait for it
 * already; a larger one is taken if it is alone), and is dropped. */
bool pool_signal(struct pool *pool, const char *name, struct bytes arguments);

/* Queues the job (first in, first out), or sends it at once if a child is idle. on_ended never
 * comes from within. */
void pool_submit(struct pool *pool, struct pool_job *job);
/* Takes a job back that is queued or staged: true, and on_ended is not called. False if it is a
 * child's: it has begun, or was sent to an idle one. */
bool pool_withdraw(struct pool *pool, struct pool_job *job);
/* Kills the child that runs exactly this job, with `signal` first and SIGKILL after kill_timeout
 * (at once for SIGTERM, SIGINT and SIGHUP, which children ignore); ends later as POOL_TERMINATED.
 * False if the job is not in a child, or has not begun there. */
bool pool_kill_job(struct pool *pool, struct pool_job *job, int signal);

/* Sends a signal to the child that runs exactly this job; SIGUSR1 is the soft limit of this job,
 * and of no other. The job goes on; if its child dies nevertheless, it ends as POOL_TERMINATED.
 * False as of pool_kill_job. */
bool pool_signal_job(struct pool *pool, struct pool_job *job, int signal);

/* There is room again for what the job's child sends. */
void pool_listen(struct pool *pool, struct pool_job *job);

/* Stops dispatching until pool_resume; running jobs go on. Calls do not nest. */
void pool_pause(struct pool *pool);
void pool_resume(struct pool *pool);

/* Changes the number of slots. Shrinking retires idle slots at once and busy ones when their job
 * has ended. At least 1 slot stays: false if `by` is too large, and nothing changes. */
void pool_grow(struct pool *pool, unsigned by);
MUST_CHECK bool pool_shrink(struct pool *pool, unsigned by);

/* Warm stop: queued jobs come back as POOL_RETURNED before it returns, running ones end by
 * themselves without a limit of time, then everybody leaves and on_stopped comes. */
void pool_leave(struct pool *pool);
/* Cold stop, at any time: queued jobs come back as POOL_RETURNED before it returns, running ones
 * are killed and come back as POOL_TERMINATED (POOL_RETURNED if they had not begun); on_stopped
 * within about kill_timeout (from within, if the pool was never started). */
void pool_terminate(struct pool *pool);

struct pool_stats {
    unsigned slots, ready, busy; /* ready: children that can take jobs, busy or not */
    size_t queued;
    uint64_t submitted, done, lost, timed_out; /* jobs since the start */
    uint64_t spawned, recycled;                /* children since the start */
    unsigned forkservers;                      /* started since the start */
    unsigned failures;                         /* children in a row that died before READY */
};
void pool_get_stats(const struct pool *pool, struct pool_stats *ret);
/* Writes the pids of at most `room` children, returns how many there are. */
size_t pool_get_pids(const struct pool *pool, pid_t *ret, size_t room);

#endif
