/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_INTERNAL_H
#define CELERIAC_POOL_INTERNAL_H

/* The inside of the pool, for worker/pool/ alone.
 *
 * pool.c decides who is next and how it all stops, slot.c how many children there are and which
 * numbers they have, run.c what becomes of a job in a child, ahead.c which jobs wait there. child.c
 * and forkserver.c are one process each, link.c a socket, limits.c time, reap.c orphans. Nothing
 * here waits.
 *
 * Children, forkservers and all their memory are freed in the close callbacks of libuv alone, so
 * that any callback may end any process while a list is being walked. */

#include <errno.h>
#include <sys/queue.h>

#include "codec/base.h"
#include "worker/pool/link.h"
#include "worker/pool/page.h"
#include "worker/pool/pool.h"
#include "worker/pool/queue.h"
#include "worker/pool/restart.h"
#include "worker/pool/verdict.h"

enum job_state {
    JOB_OUTSIDE, /* the caller's */
    JOB_QUEUED,
    JOB_REFUSED, /* too large; ends at the next tick */
    JOB_STAGED,  /* sent ahead: behind its child's job, and not known to have begun */
    JOB_SENT,
};

enum child_state {
    CHILD_STARTING, /* SPAWN was sent; until READY and SPAWNED have come */
    CHILD_STANDBY,  /* ready, but the predecessor in its slot is still at its last job */
    CHILD_IDLE,
    CHILD_BUSY,
    CHILD_RETIRING, /* has no job and gets none: leaves by itself */
    CHILD_DYING, /* has been killed, or is known to have ended: its last frames and its status are
                    awaited */
    CHILD_DEAD,  /* waits for libuv to let go of its handles */
    CHILD_STATES,
};

struct pool_child {
    struct pool *pool;
    struct forkserver *server; /* its parent; NULL: gone, so we are */
    LIST_ENTRY(pool_child) all, idle, roomies;
    enum child_state state;
    uint32_t slot; /* from 1 */
    uint32_t generation;
    pid_t pid;     /* 0: SPAWNED has not come */
    int pidfd;     /* -1: none */
    bool ready;    /* READY has come */
    bool last;     /* its slot has a successor (or is closed): it leaves after this job */
    bool gone;     /* is known to have ended: nothing is left to kill */
    bool gave_up;  /* ERROR has come */
    bool expected; /* its end is no news: we asked for it */
    struct link link;
    uv_poll_t exit_poll; /* on pidfd */
    unsigned handles;
    struct pool_job *job;
    bool written;          /* the job's frame, to its last byte */
    struct claims *claims; /* owned; NULL: the child has no page, nothing can be staged */
    uint32_t frame_count;  /* JOB frames written to it */
    uint32_t frames_past;  /* those before this one are answered, or were skipped */
    struct queue ahead;    /* staged behind `job`, in the order of their frames */
    bool roomy;            /* in pool->roomy */
    double pace;           /* seconds that its jobs take lately */
    bool soft_armed;       /* deadline is the soft limit; the hard one follows */
    uint64_t jobs;         /* sent to it */
    enum verdict_reason reason;
    int signal;      /* reason VERDICT_KILL_JOB: what was asked for */
    double deadline; /* 0: none; what it means depends on the state */
    bool has_status;
    int status;
    uint64_t peak_kib;
};

enum server_state {
    SERVER_STARTING, /* until HELLO */
    SERVER_UP,
    SERVER_LEAVING,
    SERVER_DYING,
};

enum { SERVER_ERROR_SIZE = 2048 };

struct forkserver {
    struct pool *pool;
    enum server_state state;
    pid_t pid;
    struct link link;
    double deadline; /* 0: none */
    double up_at;
    bool looks_ahead;              /* its children know the claim page */
    char error[SERVER_ERROR_SIZE]; /* why it failed: its own account, or ours; "" */
};

struct slot {
    bool used;
    struct pool_child *current; /* NULL: a child is to be made */
    struct pool_child *leaver;  /* busy with its last job; `current` waits for its end */
};

enum pool_state { POOL_NEW, POOL_RUNNING, POOL_LEAVING, POOL_TERMINATING, POOL_STOPPED };

LIST_HEAD(child_list, pool_child);

struct pool {
    uv_loop_t *loop;
    struct pool_config config;
    struct pool_handler handler;
    void *context;

    enum pool_state state;
    bool paused, dispatching;
    bool greeted; /* some forkserver has said HELLO */
    bool failed;  /* none ever will */
    bool memory_limited;
    bool closing; /* the last handles are being closed */
    unsigned handles;

    struct forkserver *server; /* NULL: none now; a new one is started once the old one is reaped */
    struct restart server_restart, child_restart;
    struct reap *reap;

    struct slot *slots; /* slot N is slots[N - 1] */
    unsigned slot_room, slot_count;
    struct child_list children, idle;
    struct child_list roomy;       /* at work on short jobs, with room for staged ones */
    size_t staged;                 /* jobs in all children's `ahead` */
    double look_due;               /* when staged jobs are to be looked at again */
    unsigned states[CHILD_STATES]; /* how many children are in each */
    uint32_t last_generation;

    struct queue queue, suspects, refused;
    struct pool_job *suspect; /* the one that runs */
    uint64_t last_number;

    uv_timer_t timer;
    double timer_due;
    struct pool_stats stats; /* the counters only */
};

double pool_now(void); /* seconds, monotonic */
void pool_notice(struct pool *pool, enum pool_severity severity, const char *format, ...)
    PRINTF_LIKE(3, 4);
bool pool_stopping(const struct pool *pool);
/* Sends waiting jobs to idle children. */
void pool_dispatch(struct pool *pool);
/* Puts a job that did not begin back to the head of the queue; pool_put_back counts it as an
 * attempt. */
void pool_requeue(struct pool *pool, struct pool_job *job);
void pool_put_back(struct pool *pool, struct pool_job *job);
/* Takes the job out of the queue and asks if it is to run still. True: it is to be sent now. */
bool pool_take_next(struct pool *pool, struct pool_job *job);
/* The oldest job that may run now. */
struct pool_job *pool_next_job(struct pool *pool);
/* True if jobs may be sent. */
bool pool_dispatches(const struct pool *pool);
/* Jobs that cannot be sent and jobs that came too late. */
void pool_end_refused(struct pool *pool);
/* Children or forkservers are fewer: takes the next step of a stop, or fills the gap. */
void pool_settle(struct pool *pool);
/* The forkserver has ended, or could not be started. `lived`: seconds since its HELLO. */
void pool_server_lost(struct pool *pool, const char *why, double lived);
/* A handle that counted in pool->handles is closed. The pool may be gone afterwards. */
void pool_handle_closed(struct pool *pool);

/* --- slot.c --- */
MUST_CHECK int slot_open(struct pool *pool, unsigned count);
void slot_shut(struct pool *pool, unsigned count);
/* Makes children for slots that have none, as far as the forkserver and the back-off allow. */
void slot_fill(struct pool *pool);
/* The child has been given its last job: its successor may be made. */
void slot_pass_on(struct pool_child *child);
/* The child will never have a job again. */
void slot_release(struct pool_child *child);
/* True while the predecessor of a new child is still at work. */
bool slot_occupied(const struct pool_child *child);

/* --- child.c --- */
/* 0 or a negative errno. */
MUST_CHECK int child_spawn(struct pool *pool, struct forkserver *server, uint32_t slot,
                           struct pool_child **ret);
/* Accepts NULL; only before its link is open or after that is closed. */
void child_free(struct pool_child *child);
void child_set_state(struct pool_child *child, enum child_state state);
void child_set_deadline(struct pool_child *child, double deadline); /* 0: none */
/* Asks a child without a job to leave. */
void child_retire(struct pool_child *child);
/* A child that announced that it leaves by itself. */
void child_let_go(struct pool_child *child);
/* Sends `signal` with `value` (siginfo's si_value). */
void child_signal(struct pool_child *child, int signal, int value);
/* Reads what it has sent, up to the end of its job. */
void child_listen(struct pool_child *child);
/* From the forkserver: the process exists. Takes `pidfd` (-1: none). */
void child_spawned(struct pool_child *child, pid_t pid, int pidfd);
/* The deadline has passed. */
void child_expired(struct pool_child *child, double now);
const char *child_state_name(enum child_state state);

/* --- death.c --- */
/* SIGKILL. `reason` counts if it is the first. */
void death_kill(struct pool_child *child, enum verdict_reason reason);
/* SIGKILL for a child that is of no use any more, for no reason of its job. */
void death_cut(struct pool_child *child);
/* The pidfd says when the process ends. */
void death_watch(struct pool_child *child);
/* It cannot take long now. */
void death_hurry(struct pool_child *child);
/* The process has ended. `status` NULL: that is all that is known, and all that will be. */
void death_exited(struct pool_child *child, const int *status);
/* Its forkserver has ended: we are the parent now. */
void death_orphaned(struct pool_child *child);

/* --- ahead.c --- */
/* Stages waiting jobs behind short ones. */
void ahead_fill(struct pool *pool);
/* Takes back what is staged behind jobs that turn out to be long. */
void ahead_look(struct pool *pool);
/* Takes back one staged job for an idle child. False: there is none. */
bool ahead_steal(struct pool *pool);
/* Takes back all that is staged in this child, in every child. False: one has begun, so the child's
 * job has ended, and its RESULT is in the socket. */
bool ahead_take_back(struct pool_child *child);
void ahead_take_back_all(struct pool *pool);
/* Takes this staged job out of its child. False: it has begun. */
bool ahead_withdraw(struct pool_job *job);
/* The child's job has just been sent or has just begun: others may follow. */
void ahead_open(struct pool_child *child);
/* None may follow any more. */
void ahead_shut(struct pool_child *child);
/* The child is new: how long its jobs take is not known. */
void ahead_start(struct pool_child *child);
/* The child's job has ended after `seconds`. */
void ahead_note(struct pool_child *child, double seconds);
/* The next staged job, which is taken out; NULL: none. */
struct pool_job *ahead_next(struct pool_child *child);

/* --- run.c --- */
/* Appends the job's JOB to the output; *ret_body is what is left of its body, to be sent behind
 * it. 0 or a CODEC_E*. */
MUST_CHECK int run_write(struct pool_child *child, struct pool_job *job, struct bytes *ret_body);
/* True if the child has to announce that it begins. */
bool run_wants_started(const struct pool_job *job);
/* Sends the job to an idle child. If the child cannot take it, it is killed and the job comes back
 * by itself. */
void run_send(struct pool_child *child, struct pool_job *job);
/* The frame has been written to its last byte. */
void run_sent(struct pool_child *child);
/* STARTED and RESULT. False: the child may not send that now; link->reason is set. */
bool run_on_started(struct pool_child *child, const struct frame *frame);
bool run_on_result(struct pool_child *child, const struct frame *frame);
void run_kill(struct pool_child *child, int signal);
void run_expired(struct pool_child *child, double now);
/* The child is gone and its last frame has been read: the end of the jobs that it still has. */
void run_dropped(struct pool_child *child);

/* --- forkserver.c --- */
MUST_CHECK int forkserver_start(struct pool *pool);
/* Ends one whose pool could not start: waits for it, which takes no time after a SIGKILL. */
void forkserver_abandon(struct forkserver *server);
/* True if a SPAWN can be sent now. */
bool forkserver_ready(const struct forkserver *server);
/* Hands a socket, and maybe a claim page (borrowed), to a new child. 0 or a negative errno. */
MUST_CHECK int forkserver_spawn(struct forkserver *server, const struct pool_child *child,
                                const int *descriptors, size_t count);
void forkserver_leave(struct forkserver *server);
void forkserver_kill(struct forkserver *server, const char *why);
/* It has ended. `status` NULL: nobody knows how. */
void forkserver_exited(struct forkserver *server, const int *status);
/* Reads what it has sent. */
void forkserver_listen(struct forkserver *server);
/* The deadline has passed. */
void forkserver_expired(struct forkserver *server, double now);

/* --- limits.c --- */
void limits_open(struct pool *pool);
void limits_close(struct pool *pool);
/* Makes sure that deadlines are looked at at `when`. Costs nothing if an earlier look is planned.
 */
void limits_watch(struct pool *pool, double when);

/* --- reap.c --- */
/* NULL: no system resources. */
struct reap *reap_new(struct pool *pool);
void reap_free(struct reap *reap);
/* The status of an orphan. 1: *ret is set; 0: it still runs; -1: somebody else had it. */
int reap_one(pid_t pid, int *ret);
/* "signal 9 (SIGKILL)" or "exitcode 3" as Celery has it. */
const char *reap_describe(int status, char *buffer, size_t size);

#endif
