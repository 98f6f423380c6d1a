/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_PREFETCH_H
#define CELERIAC_CONSUMER_PREFETCH_H

/* The size of the window: how many unsettled messages the broker may leave with us. Pure: time and
 * events come in, a number comes out.
 *
 * A number of the user's is Celery's: concurrency x multiplier, plus what is held for its eta
 * (celery-wire.md 1.5). `automatic` is ours: what waits behind the children is bounded in time, not
 * in number. Short tasks get a window that hides the way to the broker, long ones none beyond what
 * the children run, so that no worker holds what another one could run. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PREFETCH_MAX = 65535,      /* AMQP's field is 16 bits wide */
    PREFETCH_FACTOR_MAX = 128, /* messages a child, automatic */
    PREFETCH_PARKING_MAX = 1024,
};

/* Seconds of work that may wait behind each child, automatic. */
#define PREFETCH_HORIZON 0.04

struct prefetch {
    unsigned concurrency;
    uint32_t fixed; /* 0: unlimited, unless automatic */
    bool automatic;
    unsigned eta_limit; /* worker_eta_task_limit; without one PREFETCH_MAX. The window does not grow
                           beyond it for what is held */
    bool parks;         /* what is too much to hold goes to the broker, and needs room meanwhile */
    unsigned factor;    /* automatic: messages a child, a power of two */
    double since;       /* of the sample: when it began */
    double last;        /* when a task ended, or children were found idle */
    double runtime;     /* of the sample: seconds that its tasks took */
    unsigned ended;     /* of the sample */
    size_t streak;      /* held messages that came one behind the other */
    size_t streak_seen; /* at the last look */
};

/* What the worker has in hand. */
struct prefetch_hand {
    size_t held;    /* wait for their eta */
    size_t parking; /* on their way to a delay queue */
};

void prefetch_init(struct prefetch *prefetch, unsigned concurrency, uint32_t fixed, bool automatic,
                   unsigned eta_limit, bool parks);
/* A message came; `held`: it is not due. */
void prefetch_arrived(struct prefetch *prefetch, bool held);
/* A task ended that took `runtime` seconds; `now` in seconds, of a clock that only goes forward. */
void prefetch_ended(struct prefetch *prefetch, double now, double runtime);
/* A look every PREFETCH_LOOK_MS while prefetch_restless; `busy`: tasks run. */
enum { PREFETCH_LOOK_MS = 50 };
void prefetch_look(struct prefetch *prefetch, double now, bool busy);
/* True while time alone may change the window. */
bool prefetch_restless(const struct prefetch *prefetch);
/* The window; 0: unlimited. */
uint32_t prefetch_window(const struct prefetch *prefetch, const struct prefetch_hand *hand);

#endif
