/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_REVOKED_H
#define CELERIAC_CONSUMER_REVOKED_H

/* What has been revoked: a set of keys (task ids, or stamps), each with the time when it came
 * (Celery's LimitedSet). A key is forgotten only when there is no room for another one: then all go
 * that are older than the expiry, and if there are none the oldest. So a revoke outlives its
 * message, however long that is parked, unless there are `max` newer ones. Adding, finding
 * and forgetting take the same time whatever the size. Knows no clock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/value.h"

enum { REVOKED_KEY_MAX = 1024 }; /* bytes */

struct revoked_entry {
    struct revoked_entry *next_in_bucket, *newer, *older;
    int64_t since; /* microseconds since 1970, UTC */
    size_t size;
    char key[];
};

struct revoked {
    struct revoked_entry **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count, max;   /* max: at least 1 */
    int64_t expires;     /* microseconds; 0: never */
    struct revoked_entry *oldest, *newest;
};

void revoked_init(struct revoked *revoked, size_t max, double expires_seconds);
void revoked_done(struct revoked *revoked);

/* One that is there already becomes the newest. False, and nothing happened: out of memory, or the
 * key is too long. */
MUST_CHECK bool revoked_add(struct revoked *revoked, struct text key, int64_t since);
bool revoked_has(const struct revoked *revoked, struct text key);

#endif
