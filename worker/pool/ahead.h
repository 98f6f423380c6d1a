/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_AHEAD_H
#define CELERIAC_POOL_AHEAD_H

/* Jobs that are staged: sent to a child ahead of time, behind the short job that it is at, so that
 * it finds the next one without going to sleep. Nothing is staged while somebody is idle, nothing
 * stays behind a job that turns out to be long, and whatever is staged can be taken back until it
 * has begun (codec/claims.h). */

#include "worker/pool/internal.h"

/* Stages waiting jobs behind short ones. */
void ahead_fill(struct pool *pool);
/* Takes back what is staged behind jobs that turn out to be long. */
void ahead_look(struct pool *pool);
/* Takes back one staged job, for an idle child. False: there is none. */
bool ahead_steal(struct pool *pool);

/* Takes back all that is staged in this child. False: one has begun; so the child's job has ended,
 * and its RESULT is in the socket. */
bool ahead_take_back(struct pool_child *child);
void ahead_take_back_all(struct pool *pool);
/* Takes this staged job out of its child. False: it has begun. */
bool ahead_withdraw(struct pool_job *job);

/* The child is new: how long its jobs take is not known. */
void ahead_start(struct pool_child *child);
/* The child's job has ended after `seconds`. */
void ahead_note(struct pool_child *child, double seconds);
/* The next staged job, which is taken out; NULL: none. */
struct pool_job *ahead_next(struct pool_child *child);
/* The child's job has just been sent, or has just begun: others may follow. */
void ahead_open(struct pool_child *child);
/* None may follow any more. */
void ahead_shut(struct pool_child *child);

#endif
