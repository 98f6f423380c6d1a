/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_LOSS_H
#define CELERIAC_CONSUMER_LOSS_H

/* The poison rule (design: a task that kills its process cannot take the worker down): what becomes
 * of a delivery whose process was lost. Pure decisions; outcome.c carries them out. */

#include <stdbool.h>
#include <stdint.h>

#include "codec/value.h"

/* The header that carries the number of losses, on queues of every type. A quorum queue's own
 * x-delivery-count would be cheaper, but it also charges messages that only waited in the window of
 * a main process that died: it is ground for suspicion, never for a verdict. */
#define LOSS_HEADER "x-worker-lost-count"

enum loss_action {
    LOSS_REPUBLISH, /* publish a copy with the count raised, then ack the original */
    LOSS_FAIL, /* FAILURE WorkerLostError, then reject without requeue: dead-lettered if the queue
                  has an exchange for it */
    LOSS_FAIL_ACK, /* FAILURE WorkerLostError, then ack: the task does not want to run again */
};

struct loss_facts {
    bool acks_late, reject_on_worker_lost;
    int64_t counted;     /* losses before this one */
    unsigned max_losses; /* worker_lost_max_deliveries */
};

enum loss_action loss_decide(const struct loss_facts *facts);

/* The losses that a message has behind it: LOSS_HEADER, or 0. */
int64_t loss_count(const msgpack_object *headers);
/* True if the message may cost its last process: by its losses, or by what a quorum queue has
 * counted (x-delivery-count). */
bool loss_suspect(const msgpack_object *headers, unsigned max_losses);

enum { LOSS_TEXT_SIZE = 128 };
/* "Worker exited prematurely: signal 9 (SIGKILL) Job: 5." as billiard words it. `has_status` false:
 * the status is unknown. */
void loss_describe(bool has_status, int wait_status, uint64_t job, char ret[LOSS_TEXT_SIZE]);

#endif
