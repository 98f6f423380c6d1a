/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_DISPATCH_H
#define CELERIAC_POOL_DISPATCH_H

/* Jobs that wait, and their way out of the queue. */

#include "worker/pool/internal.h"

/* Sends waiting jobs to whoever can take them. */
void dispatch_round(struct pool *pool);
/* True if jobs may be sent. */
bool dispatch_allowed(const struct pool *pool);
/* The oldest job that may run now. */
struct pool_job *dispatch_next(struct pool *pool);
/* Takes the job out of the queue and asks if it is to run still. True: it is to be sent now. */
bool dispatch_take(struct pool *pool, struct pool_job *job);

/* JOB_QUEUED or JOB_REFUSED. */
void dispatch_add(struct pool *pool, struct pool_job *job, enum job_state state);
void dispatch_remove(struct pool *pool, struct pool_job *job);
/* Puts a job that did not begin back to the head of the queue; dispatch_put_back counts it as an
 * attempt, of that weight. */
void dispatch_requeue(struct pool *pool, struct pool_job *job);
void dispatch_put_back(struct pool *pool, struct pool_job *job, unsigned weight);

#endif
