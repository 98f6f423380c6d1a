/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_DEATH_H
#define CELERIAC_POOL_DEATH_H

/* The end of a child, however it comes about. */

#include "worker/pool/internal.h"

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

#endif
