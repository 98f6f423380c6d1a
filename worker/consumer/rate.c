/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the arithmetic of rate limits. Knows no task, no request and no clock. */

#include "worker/consumer/rate.h"

void rate_init(struct rate_bucket *bucket, double per_second, double now)
{
    *bucket = (struct rate_bucket){.per_second = per_second, .tokens = 1, .looked = now};
}

static double fill(struct rate_bucket *bucket, double now)
{
    if (bucket->tokens < 1) {
        double tokens = bucket->tokens + bucket->per_second * (now - bucket->looked);
        bucket->tokens = tokens < 1 ? tokens : 1;
        bucket->looked = now;
    }
    return bucket->tokens;
}

bool rate_take(struct rate_bucket *bucket, double now)
{
    if (bucket->per_second <= 0)
        return true;
    if (fill(bucket, now) < 1)
        return false;
    bucket->tokens -= 1;
    return true;
}

double rate_wait(struct rate_bucket *bucket, double now)
{
    return bucket->per_second > 0 ? (1 - fill(bucket, now)) / bucket->per_second : 0;
}
