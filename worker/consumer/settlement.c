/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of unsettled requests and the act of settling. Decides nothing: the verb comes
 * from intake.c or outcome.c. */

#include "worker/consumer/settlement.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/consumer/hash.h"
#include "worker/consumer/internal.h"

enum { FIRST_BUCKETS = 64 };

bool settlement_init(struct settlement *settlement)
{
    *settlement = (struct settlement){
        .buckets = calloc(FIRST_BUCKETS, sizeof(struct request *)),
        .bucket_count = FIRST_BUCKETS,
    };
    return settlement->buckets != NULL;
}

void settlement_done(struct settlement *settlement)
{
    while (settlement->oldest != NULL) {
        struct request *request = settlement->oldest;
        settlement_remove(settlement, request);
        request_free(request);
    }
    free(settlement->buckets);
    settlement->buckets = NULL;
}

static struct request **bucket_of(const struct settlement *settlement, struct text id)
{
    return &settlement->buckets[hash_text(id) & (settlement->bucket_count - 1)];
}

/* Twice the buckets; without memory for them the chains just grow longer. */
static void grow(struct settlement *settlement)
{
    struct request **buckets = calloc(settlement->bucket_count * 2, sizeof(struct request *));
    if (buckets == NULL)
        return;
    free(settlement->buckets);
    settlement->buckets = buckets;
    settlement->bucket_count *= 2;
    for (struct request *request = settlement->oldest; request != NULL; request = request->newer) {
        struct request **bucket = bucket_of(settlement, request->message.id);
        request->next_in_bucket = *bucket;
        *bucket = request;
    }
}

void settlement_add(struct settlement *settlement, struct request *request)
{
    struct request **bucket = bucket_of(settlement, request->message.id);
    request->next_in_bucket = *bucket;
    *bucket = request;
    request->newer = NULL;
    request->older = settlement->newest;
    if (settlement->newest != NULL)
        settlement->newest->newer = request;
    else
        settlement->oldest = request;
    settlement->newest = request;
    if (++settlement->count > settlement->bucket_count)
        grow(settlement);
}

void settlement_remove(struct settlement *settlement, struct request *request)
{
    struct request **link = bucket_of(settlement, request->message.id);
    while (*link != request)
        link = &(*link)->next_in_bucket;
    *link = request->next_in_bucket;
    if (request->older != NULL)
        request->older->newer = request->newer;
    else
        settlement->oldest = request->newer;
    if (request->newer != NULL)
        request->newer->older = request->older;
    else
        settlement->newest = request->older;
    settlement->count--;
}

static bool same_id(const struct task_message *left, const struct task_message *right)
{
    return left->id.size == right->id.size &&
           memcmp(left->id.data, right->id.data, left->id.size) == 0;
}

struct request *settlement_find_other(const struct settlement *settlement,
                                      const struct request *request,
                                      bool (*fits)(const struct request *request))
{
    struct request *other = *bucket_of(settlement, request->message.id);
    while (other != NULL &&
           (other == request || !same_id(&other->message, &request->message) || !fits(other)))
        other = other->next_in_bucket;
    return other;
}

struct request *settlement_find(const struct settlement *settlement, struct text id,
                                const struct request *after)
{
    const struct task_message wanted = {.id = id};
    struct request *request = after != NULL ? after->next_in_bucket : *bucket_of(settlement, id);
    while (request != NULL && !same_id(&request->message, &wanted))
        request = request->next_in_bucket;
    return request;
}

struct request *settlement_find_orphan(const struct settlement *settlement,
                                       const struct request *redelivered)
{
    const struct task_message *message = &redelivered->message;
    struct request *request = *bucket_of(settlement, message->id);
    for (; request != NULL; request = request->next_in_bucket) {
        const struct task_message *other = &request->message;
        if (request->orphan && other->retries == message->retries &&
            request->losses == redelivered->losses && request->parks == redelivered->parks &&
            same_id(other, message))
            return request;
    }
    return NULL;
}

struct request *settlement_oldest_finished(const struct settlement *settlement)
{
    struct request *request = settlement->oldest;
    while (request != NULL && request->state != REQUEST_FINISHED)
        request = request->newer;
    return request;
}

void settlement_settle(struct request *request, enum broker_verb verb)
{
    assert(!request->settled);
    if (request->orphan)
        return;
    request->settled = true;
    broker_settle(request->consumer->broker, request->epoch, request->tag, verb);
}
