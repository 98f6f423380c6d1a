/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_INTERNAL_H
#define CELERIAC_POOL_INTERNAL_H

/* The inside of the pool, for worker/pool/ alone: what it is made of, and what its parts ask of
 * pool.c.
 *
 * pool.c decides how it all starts and stops, dispatch.c who is next, slot.c how many children
 * there are and which numbers they have, run.c what becomes of a job in a child, ahead.c which jobs
 * wait there. child.c and forkserver.c are one process each, link.c a socket, limits.c time, reap.c
 * orphans, launch.c fork and exec, backlog.c what a busy forkserver is to be told. Nothing here
 * waits.
 *
 * Children, forkservers and all their memory are freed in the close callbacks of libuv alone, so
 * that any callback may end any process while a list is being walked. */

#include <errno.h>
#include <sys/queue.h>

#include "codec/base.h"
#include "worker/pool/backlog.h"
#include "worker/pool/link.h"
#include "worker/pool/page.h"
#include "worker/pool/pool.h"
#include "worker/pool/queue.h"
#include "worker/pool/restart.h"
#include "worker/pool/verdict.h"

enum job_state {
    JOB_OUTSIDE, /* the caller's */
    JOB_QUEUED,
    JOB_REFUSED, /* too large, or too late: ends at the next tick */
    JOB_STAGED,  /* sent ahead: behind its child's job, and not known to have begun */
    JOB_SENT,
};

enum child_state {
    CHILD_STARTING, /* SPAWN was sent; until READY and SPAWNED have come */
    CHILD_STANDBY,  /* ready, but the predecessor in its slot is still at its last job */
    CHILD_IDLE,
    CHILD_BUSY,
    CHILD_RETIRING, /* has no job and gets none: leaves by itself */
    CHILD_DYING,    /* killed, or known to have ended: its last frames and status are awaited */
    CHILD_DEAD,     /* waits for libuv to let go of its handles */
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
    bool used;             /* has ended a job */
    bool soft_armed;       /* deadline is the soft limit; the hard one follows */
    bool roomy;            /* in pool->roomy */
    uint32_t frame_count;  /* JOB frames written to it */
    uint32_t frames_past;  /* those before this one are answered, or were skipped */
    struct claims *claims; /* owned; NULL: the child has no page, nothing can be staged */
    struct queue ahead;    /* staged behind `job`, in the order of their frames */
    double pace;           /* seconds that its jobs take lately */
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

/* A traceback may be long; a notice is not: whoever logs it has lines in mind. */
enum { SERVER_ERROR_SIZE = 16 * 1024, ACCOUNT_SIZE = 3072 };

struct forkserver {
    struct pool *pool;
    enum server_state state;
    pid_t pid;
    struct link link;
    struct backlog backlog;
    double deadline; /* 0: none */
    double up_at;
    bool hung_up;                  /* before HELLO: it has a moment to end by itself */
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
/* Jobs that cannot be sent and jobs that came too late. */
void pool_end_refused(struct pool *pool);
/* Children or forkservers are fewer: takes the next step of a stop, or fills the gap. */
void pool_settle(struct pool *pool);
/* The forkserver has ended, or could not be started. `lived`: seconds since its HELLO; `killed`: by
 * SIGKILL from outside, which is nobody's fault in there. */
void pool_server_lost(struct pool *pool, const char *why, double lived, bool killed);
/* A handle that counted in pool->handles is closed. The pool may be gone afterwards. */
void pool_handle_closed(struct pool *pool);

#endif
