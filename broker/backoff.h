/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_BACKOFF_H
#define CELERIAC_BROKER_BACKOFF_H

/* Which URL to try next, and after how long (celery-wire.md 8.4): every URL once, then a sleep of
 * 2, 4, 6 ... 30 seconds. Pure: it neither sleeps nor connects. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/base.h"

struct backoff {
    size_t url_count, url; /* `url` is the one to try */
    unsigned failures;     /* since the last success, on all URLs together */
    int max_retries;       /* -1: no limit */
};

void backoff_init(struct backoff *backoff, size_t url_count, int max_retries);
/* The URL tried works; it stays the first to be tried after a loss. */
void backoff_succeeded(struct backoff *backoff);
/* The URL tried does not work: moves on to the next. False: give up. *ret_seconds is 0 while there
 * are URLs left to try before a sleep. */
MUST_CHECK bool backoff_failed(struct backoff *backoff, double *ret_seconds);

#endif
