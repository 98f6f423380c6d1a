/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_LIMITS_H
#define CELERIAC_POOL_LIMITS_H

/* The one timer, and whoever has a deadline. */

#include "worker/pool/internal.h"

void limits_open(struct pool *pool);
void limits_close(struct pool *pool);
/* Deadlines will be looked at at `when`. Costs nothing if an earlier look is planned. */
void limits_watch(struct pool *pool, double when);

#endif
