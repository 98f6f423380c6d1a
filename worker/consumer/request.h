/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_REQUEST_H
#define CELERIAC_CONSUMER_REQUEST_H

/* One task message on its way through the worker (Celery's word: request). A request owns its
 * delivery and what is made for it; it lives from the delivery's arrival until its settlement,
 * across reconnects. */

#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "codec/buffer.h"
#include "codec/task_message.h"
#include "worker/consumer/eta.h"
#include "worker/consumer/follow_up.h"
#include "worker/consumer/registry.h"
#include "worker/pool/pool.h"

struct consumer;
struct chord;
struct delay_place;

enum request_state {
    REQUEST_RECEIVED,     /* being decided on */
    REQUEST_WAITING,      /* for its eta */
    REQUEST_PARKING,      /* its copy is on the way to a delay queue */
    REQUEST_THROTTLED,    /* waits for its task's rate limit */
    REQUEST_BEHIND,       /* waits for the end of another one with its task id (behind.c) */
    REQUEST_SUBMITTED,    /* in the pool: queued or in a child */
    REQUEST_RECORDING,    /* in the pool, where a child writes down how it ended */
    REQUEST_FOLLOWING,    /* what it has sent is on the way */
    REQUEST_STORING,      /* its result is on the way to the backend */
    REQUEST_STALLED,      /* its result waits for room in the outbox */
    REQUEST_JOINING,      /* its part is on the way to its chord */
    REQUEST_REPUBLISHING, /* its copy with a raised loss count is on the way to the queue */
    REQUEST_FINISHED, /* settled in effect, but its delivery went with a connection: waits for the
                         redelivery */
};
const char *request_state_name(enum request_state state);

struct request {
    struct consumer *consumer;
    struct broker_delivery
        *delivery; /* NULL once the request is finished and waits for its redelivery */
    struct task_message
        message; /* borrows from the delivery; then only id (from kept_id) and retries */
    char *kept_id;
    struct task *task; /* NULL: not registered */
    enum request_state state;

    /* Where the delivery stands. An orphan's connection is gone: (epoch, tag) mean nothing until a
     * redelivery is attached. */
    uint64_t epoch, tag;
    bool orphan;
    bool settled;          /* the verb has been given to the broker: never twice */
    enum broker_verb verb; /* what to settle with once the result is stored */

    bool refused;  /* the backend has refused its result once */
    bool retrying; /* it has ended in RETRY */

    bool acks_late, reject_on_worker_lost, ignore_result;
    int64_t losses;            /* behind it when it came */
    int64_t parks;             /* likewise: stays in a delay queue (park.h) */
    struct delay_place *place; /* REQUEST_PARKING: the one that it is on its way to */
    bool was_redelivered;      /* before it was copied (origin.h) */

    const char *recorded;  /* what a record would say, in a word; NULL: there is none */
    unsigned record_tries; /* of the record */

    struct pool_job job;
    struct buffer packed;   /* the job's request map */
    struct buffer document; /* the result document while it is being stored */
    struct eta_entry eta;

    struct request *next_in_bucket;                  /* settlement table, by id */
    struct request *newer, *older;                   /* all requests, in order of arrival */
    struct request *throttle_newer, *throttle_older; /* REQUEST_THROTTLED: of the same task */
    bool throttled;                                  /* it has had its turn */
    struct request *leader, *follower; /* REQUEST_BEHIND: whose end is awaited, and by whom */
    struct request *next_stalled;
    void (*again)(struct request *request); /* stalled: what is to be tried again; else NULL */

    struct follow_ups follow_ups; /* what the task has sent and is not done */
    struct chord *chord;          /* that it is a part of; owned; NULL: none, or done */
};

/* Takes the delivery; the message is yet to be read. NULL: out of memory; the delivery is still the
 * caller's. */
struct request *request_new(struct consumer *consumer, struct broker_delivery *delivery);
void request_free(struct request *request);

/* The only way a request's state changes. */
void request_set_state(struct request *request, enum request_state state);

/* Lets go of all but what settlement_find_orphan needs. False: out of memory, and nothing happened.
 */
MUST_CHECK bool request_shrink(struct request *request);

/* The time limits of the job: the message's, the task's, the setting's. Right before it is
 * submitted, as a task's may be changed while the request waits. */
void request_set_limits(struct request *request);

/* Packs the map that PROTOCOL.md calls the request of a JOB. CODEC_ENOMEM, CODEC_ETOOBIG. */
MUST_CHECK int request_pack(struct request *request);

enum { REQUEST_STORY_SIZE = 2048 };
/* Queue, task, id, content type and encoding, size: for logs. The request has its delivery still.
 */
void request_story(const struct request *request, char ret[REQUEST_STORY_SIZE]);

/* "example.add[4f0c...]", for logs. Borrowed until the next call. */
const char *request_label(const struct request *request);

#endif
