/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_SLOT_H
#define CELERIAC_POOL_SLOT_H

/* The numbered places of children: how many there are, and who has which. */

#include "worker/pool/internal.h"

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

#endif
