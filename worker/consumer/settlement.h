/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_SETTLEMENT_H
#define CELERIAC_CONSUMER_SETTLEMENT_H

/* The settlement table: every request that is not settled for good, by task id, each with the
 * (epoch, tag) of its delivery. It is the one place where a delivery is acknowledged, rejected or
 * returned, and where a redelivery finds the run that it belongs to. */

#include <stdbool.h>
#include <stddef.h>

#include "worker/consumer/request.h"

/* Finished requests that wait for the redelivery of a lost connection; the oldest is forgotten
 * beyond this. */
enum { SETTLEMENT_FINISHED_MAX = 10000 };

struct settlement {
    struct request **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    size_t finished; /* in state REQUEST_FINISHED */
    struct request *oldest, *newest;
};

MUST_CHECK bool settlement_init(struct settlement *settlement);
/* Frees every request that is left. */
void settlement_done(struct settlement *settlement);

void settlement_add(struct settlement *settlement, struct request *request);
void settlement_remove(struct settlement *settlement, struct request *request);

/* The orphan that a redelivery belongs to: same id, same retries, same losses, parked as often;
 * NULL if there is none. */
struct request *settlement_find_orphan(const struct settlement *settlement,
                                       const struct request *redelivered);
/* Another request with the id of `request` that `fits`; NULL if there is none. */
struct request *settlement_find_other(const struct settlement *settlement,
                                      const struct request *request,
                                      bool (*fits)(const struct request *request));
/* Another request with this id behind `after` (NULL: the first one); NULL: there are no more. */
struct request *settlement_find(const struct settlement *settlement, struct text id,
                                const struct request *after);
/* The oldest finished orphan, or NULL. */
struct request *settlement_oldest_finished(const struct settlement *settlement);

/* Settles the request's delivery with `verb`. Does nothing but mark an orphan: its delivery is the
 * server's again. */
void settlement_settle(struct request *request, enum broker_verb verb);

#endif
