/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the requests that wait for room in the outbox or the backend: first in, first out. Must not
 * know what they want to put there. */

#include "worker/consumer/internal.h"

void stalled_add(struct request *request, void (*again)(struct request *request))
{
    struct consumer *consumer = request->consumer;
    request->again = again;
    request->next_stalled = NULL;
    *consumer->stalled_end = request;
    consumer->stalled_end = &request->next_stalled;
    consumer_adjust(consumer);
}

void stalled_retry(struct consumer *consumer)
{
    struct request *request = consumer->stalled;
    consumer->stalled = NULL;
    consumer->stalled_end = &consumer->stalled;
    while (request != NULL) {
        struct request *next = request->next_stalled;
        void (*again)(struct request *) = request->again;
        request->again = NULL;
        again(request);
        request = next;
    }
    consumer_adjust(consumer);
}
