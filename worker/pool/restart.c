/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the back-off of one kind of process. Must not know which. */

#include "worker/pool/restart.h"

static double delay(unsigned step)
{
    static const double delays[] = {0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30};
    unsigned last = sizeof(delays) / sizeof(delays[0]) - 1;
    return delays[step < last ? step : last];
}

void restart_failed(struct restart *restart, double now)
{
    if (restart->waiting)
        return;
    restart->waiting = true;
    restart->due = now + delay(restart->step);
    restart->step++;
}

bool restart_allowed(struct restart *restart, double now)
{
    if (restart->waiting && now < restart->due)
        return false;
    restart->waiting = false;
    return true;
}

void restart_succeeded(struct restart *restart)
{
    *restart = (struct restart){0};
}
