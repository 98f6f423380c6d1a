/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what waits for its eta here: the timer, and how much of it is let go at once. Decides about
 * no request. */

#include "worker/consumer/internal.h"

enum {
    LOOK_MS = 1000,
    RELEASED_AT_ONCE = 256, /* before results and settlements have their turn */
    WEIGHT = 4096,          /* bytes of a request that waits, without its body */
};

static void arm(struct consumer *consumer);

static void release_due(struct consumer *consumer)
{
    int64_t now = consumer_now();
    for (unsigned i = 0; i < RELEASED_AT_ONCE; i++) {
        struct eta_entry *first = eta_heap_first(&consumer->waiting);
        if (first == NULL || first->due > now)
            break;
        eta_heap_remove(&consumer->waiting, first);
        intake_pass(CONTAINER_OF(first, struct request, eta));
    }
    arm(consumer);
}

static void on_timer(uv_timer_t *timer)
{
    release_due(timer->data);
    consumer_adjust(timer->data);
}

static void arm(struct consumer *consumer)
{
    const struct eta_entry *first = eta_heap_first(&consumer->waiting);
    if (first == NULL) {
        uv_timer_stop(&consumer->eta_timer);
        return;
    }
    /* The due time is the wall clock's, the timer's is not: look again, it may have been set. */
    int64_t wait_ms = first->due > consumer_now() ? (first->due - consumer_now() + 999) / 1000 : 0;
    uv_timer_start(&consumer->eta_timer, on_timer,
                   (uint64_t)(wait_ms < LOOK_MS ? wait_ms : LOOK_MS), 0);
}

void waiting_add(struct request *request, int64_t due)
{
    struct consumer *consumer = request->consumer;
    request->eta.due = due;
    request->eta.weight = WEIGHT + request->delivery->body.size;
    if (!eta_heap_add(&consumer->waiting, &request->eta)) {
        finish_close(request, BROKER_NACK_REQUEUE);
        return;
    }
    request_set_state(request, REQUEST_WAITING);
    prefetch_arrived(&consumer->prefetch, true);
    arm(consumer);
    consumer_adjust(consumer);
}
