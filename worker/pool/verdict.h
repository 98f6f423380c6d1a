/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_VERDICT_H
#define CELERIAC_POOL_VERDICT_H

/* What the end of a child means for the job that it had. Pure: no processes, no clocks. A RESULT
 * that came whole is no matter for it: such a job has ended as POOL_DONE, whatever became of the
 * child. */

#include <stdbool.h>

#include "worker/pool/pool.h"

/* Why we ended a child. The first reason stays. */
enum verdict_reason {
    VERDICT_BY_ITSELF,  /* we did not, or for a reason that is no concern of the job */
    VERDICT_HARD_LIMIT, /* the job's hard time limit */
    VERDICT_KILL_JOB,   /* pool_kill_job */
    VERDICT_STOP,       /* pool_terminate */
};

/* A job goes back to the queue until the deaths of its children count as its own doing: three of
 * children that had ended no job yet, or that we killed because they did not take it up. One that
 * died by itself may have died of the job before it, so that three in a row prove nothing: it
 * counts for an eighth. */
enum { VERDICT_RETURN_OF_USED = 1, VERDICT_RETURN_OF_FRESH = 8, VERDICT_RETURNS_MAX = 24 };

struct verdict_facts {
    enum verdict_reason reason;
    bool written;      /* the whole JOB frame was given to the kernel */
    bool want_started; /* the child had to send STARTED first */
    bool started;      /* and has */
    bool stopping;     /* nothing is dispatched any more */
    unsigned returned; /* VERDICT_RETURN_OF_... of the times that the job has been put back */
};

/* True if the task may have begun. */
bool verdict_began(const struct verdict_facts *facts);
/* True: the job goes back to the head of the queue. False: it has ended, with *ret. */
bool verdict_put_back(const struct verdict_facts *facts, enum pool_verdict *ret);

#endif
