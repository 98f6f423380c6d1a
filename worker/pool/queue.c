/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of waiting jobs. Must not know why they wait. */

#include "worker/pool/queue.h"

/* The job that `number` goes in front of; NULL: none, it is the last. */
static struct pool_job *successor(const struct queue *queue, uint64_t number)
{
    if (queue->tail == NULL || queue->tail->number < number)
        return NULL;
    struct pool_job *job = queue->head;
    while (job->number < number)
        job = job->next;
    return job;
}

static void link_before(struct queue *queue, struct pool_job *job, struct pool_job *next)
{
    struct pool_job *previous = next != NULL ? next->previous : queue->tail;
    job->next = next;
    job->previous = previous;
    *(previous != NULL ? &previous->next : &queue->head) = job;
    *(next != NULL ? &next->previous : &queue->tail) = job;
    queue->count++;
}

void queue_insert(struct queue *queue, struct pool_job *job)
{
    link_before(queue, job, successor(queue, job->number));
}

void queue_append(struct queue *queue, struct pool_job *job)
{
    link_before(queue, job, NULL);
}

void queue_remove(struct queue *queue, struct pool_job *job)
{
    *(job->previous != NULL ? &job->previous->next : &queue->head) = job->next;
    *(job->next != NULL ? &job->next->previous : &queue->tail) = job->previous;
    job->next = job->previous = NULL;
    queue->count--;
}
