/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_QUEUE_H
#define CELERIAC_POOL_QUEUE_H

/* Jobs that wait, in the order of their numbers: first in, first out, and a job that comes back is
 * the first again. */

#include <stddef.h>

#include "worker/pool/pool.h"

struct queue {
    struct pool_job *head, *tail;
    size_t count;
};

/* Puts the job where its number belongs; at the tail for a new one, which costs nothing. */
void queue_insert(struct queue *queue, struct pool_job *job);
void queue_remove(struct queue *queue, struct pool_job *job);
/* Puts the job behind all others, whatever its number. */
void queue_append(struct queue *queue, struct pool_job *job);

#endif
