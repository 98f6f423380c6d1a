/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the arithmetic of the window. Knows no broker, no clock and no request. */

#include "worker/consumer/prefetch.h"

enum {
    SAMPLE_MIN = 8,   /* tasks whose length is measured together, at least */
    STREAK_MAX = 512, /* messages of room ahead for a run of held ones */
};

/* Seconds without the end of a task after which the tasks count as that long. A busy machine may
 * stop everybody for a moment. */
static const double silence = 2 * PREFETCH_HORIZON;
/* Seconds without work after which what was learned is forgotten. */
static const double idleness = 1;

void prefetch_init(struct prefetch *prefetch, unsigned concurrency, uint32_t fixed, bool automatic,
                   unsigned eta_limit, bool parks)
{
    *prefetch = (struct prefetch){
        .concurrency = concurrency,
        .fixed = fixed,
        .automatic = automatic,
        .eta_limit = eta_limit > 0 ? eta_limit : PREFETCH_MAX,
        .parks = parks,
        .factor = 1,
    };
}

void prefetch_arrived(struct prefetch *prefetch, bool held)
{
    prefetch->streak = held ? prefetch->streak + 1 : 0;
}

/* The largest factor whose waiting tasks are done within the horizon. */
static unsigned factor_for(double seconds)
{
    unsigned factor = 1;
    while (factor < PREFETCH_FACTOR_MAX && (2 * factor - 1) * seconds <= PREFETCH_HORIZON)
        factor *= 2;
    return factor;
}

static void start_sample(struct prefetch *prefetch, double now)
{
    prefetch->since = now;
    prefetch->runtime = 0;
    prefetch->ended = 0;
}

/* The measured times are too long while a task waits in front of a busy child, the rate is too low
 * while children wait for tasks: the lower of the two is the better. */
static void take_sample(struct prefetch *prefetch, double now)
{
    double mean = prefetch->runtime / prefetch->ended;
    double paced = (now - prefetch->since) * prefetch->concurrency / prefetch->ended;
    unsigned factor = factor_for(mean < paced ? mean : paced);
    prefetch->factor = factor > 2 * prefetch->factor ? 2 * prefetch->factor : factor;
    start_sample(prefetch, now);
}

void prefetch_ended(struct prefetch *prefetch, double now, double runtime)
{
    unsigned enough = prefetch->concurrency * prefetch->factor;
    if (prefetch->last == 0)
        start_sample(prefetch, now - runtime);
    prefetch->last = now;
    prefetch->runtime += runtime;
    if (++prefetch->ended >= (enough > SAMPLE_MIN ? enough : SAMPLE_MIN))
        take_sample(prefetch, now);
}

static void look_at_children(struct prefetch *prefetch, double now, bool busy)
{
    double quiet = now - prefetch->last;
    if (busy && quiet > silence) {
        unsigned factor = factor_for(quiet);
        if (factor < prefetch->factor)
            prefetch->factor = factor;
        start_sample(prefetch, now);
    } else if (!busy && quiet > idleness) {
        prefetch->factor = 1;
        start_sample(prefetch, now);
    }
}

void prefetch_look(struct prefetch *prefetch, double now, bool busy)
{
    look_at_children(prefetch, now, busy);
    if (prefetch->streak == prefetch->streak_seen)
        prefetch->streak = 0;
    prefetch->streak_seen = prefetch->streak;
}

bool prefetch_restless(const struct prefetch *prefetch)
{
    return prefetch->factor > 1 || prefetch->streak > 0;
}

static size_t lower(size_t left, size_t right)
{
    return left < right ? left : right;
}

uint32_t prefetch_window(const struct prefetch *prefetch, const struct prefetch_hand *hand)
{
    size_t base =
        prefetch->automatic ? (size_t)prefetch->concurrency * prefetch->factor : prefetch->fixed;
    if (base == 0)
        return 0;
    size_t window = base + lower(hand->held, prefetch->eta_limit) +
                    lower(hand->parking, PREFETCH_PARKING_MAX) +
                    lower(prefetch->streak, STREAK_MAX);
    if (!prefetch->parks)
        window = lower(window, prefetch->eta_limit > base ? prefetch->eta_limit : base);
    return (uint32_t)lower(window, PREFETCH_MAX);
}
