/* SPDX-License-Identifier: BSD-3-Clause */
/* The schedule of reconnecting, as Celery's. Knows no clock and no socket. */

#include "broker/backoff.h"

enum { STEP_SECONDS = 2, LONGEST_SECONDS = 30 };

void backoff_init(struct backoff *backoff, size_t url_count, int max_retries)
{
    *backoff = (struct backoff){.url_count = url_count, .max_retries = max_retries};
}

void backoff_succeeded(struct backoff *backoff)
{
    backoff->failures = 0;
}

bool backoff_failed(struct backoff *backoff, double *ret_seconds)
{
    backoff->failures++;
    backoff->url = (backoff->url + 1) % backoff->url_count;
    if (backoff->max_retries >= 0 && backoff->failures > (unsigned)backoff->max_retries)
        return false;
    size_t rounds = backoff->failures / backoff->url_count;
    bool round_complete = backoff->failures % backoff->url_count == 0;
    if (!round_complete)
        *ret_seconds = 0;
    else if (rounds < LONGEST_SECONDS / STEP_SECONDS)
        *ret_seconds = (double)rounds * STEP_SECONDS;
    else
        *ret_seconds = LONGEST_SECONDS;
    return true;
}
