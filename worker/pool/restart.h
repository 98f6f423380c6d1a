/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_RESTART_H
#define CELERIAC_POOL_RESTART_H

/* How long to wait before a process that failed is started again: not at all the first time, then
 * 0.1 s, doubling to 30 s. Pure. */

#include <stdbool.h>

struct restart {
    unsigned step;
    bool waiting; /* a failure has not been answered by a start */
    double due;   /* seconds on the caller's clock */
};

/* Failures during one wait count as one. */
void restart_failed(struct restart *restart, double now);
/* True if a start is allowed now, which ends the wait. */
bool restart_allowed(struct restart *restart, double now);
void restart_succeeded(struct restart *restart);

#endif
