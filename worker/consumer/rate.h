/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_RATE_H
#define CELERIAC_CONSUMER_RATE_H

/* Celery's token bucket (kombu's TokenBucket, capacity 1). It starts full, and its clock stands
 * while it is full: what has been idle for a while lets two tasks through back to back. Pure: the
 * time comes in, in seconds of a clock that only goes forward. */

#include <stdbool.h>

struct rate_bucket {
    double per_second; /* tokens that flow in; 0: no limit */
    double tokens;     /* 0 to 1 */
    double looked;     /* when it was last looked at and not full */
};

/* Full. */
void rate_init(struct rate_bucket *bucket, double per_second, double now);
/* Takes a token, if there is a whole one. Always true without a limit. */
bool rate_take(struct rate_bucket *bucket, double now);
/* Seconds until there is a whole token; 0 without a limit. */
double rate_wait(struct rate_bucket *bucket, double now);

#endif
