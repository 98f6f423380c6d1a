/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_REGISTRY_H
#define CELERIAC_CONSUMER_REGISTRY_H

/* What the runtime announced in HELLO: the tasks by name, with the options that each sets itself,
 * and what it wants of us. */

#include <stdbool.h>

#include "codec/value.h"
#include "worker/consumer/throttle.h"

enum tristate { UNSET = -1, NO = 0, YES = 1 };

struct task {
    struct text name;
    enum tristate acks_late, reject_on_worker_lost, acks_on_failure_or_timeout, ignore_result;
    double time_limit, soft_time_limit; /* seconds; 0 = not set; remote control may change them */
    msgpack_object rate_limit;          /* as the runtime said it; nil: not set */
    struct throttle throttle;           /* the limit in force */
    struct task *next;                  /* in its bucket */
};

enum { REGISTRY_BUCKETS = 256 };

struct registry {
    msgpack_zone *zone;
    struct task *buckets[REGISTRY_BUCKETS];
    size_t count;
    bool records;     /* the runtime takes records */
    bool app_decides; /* the app stores results, and has settings for them (HELLO's `backend`) */
    unsigned signals; /* as of appsignal_wanted */
};

/* Reads HELLO's description. False: out of memory. Replaces nothing: init an empty registry for
 * each HELLO. */
MUST_CHECK bool registry_init(struct registry *registry, const msgpack_object *description);
void registry_done(struct registry *registry);
/* NULL: not registered. */
struct task *registry_find(const struct registry *registry, struct text name);

static inline bool tristate_or(enum tristate value, bool otherwise)
{
    return value == UNSET ? otherwise : value == YES;
}

#endif
