/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the last steps of a request: its document to the backend, then its delivery's verb. Must not
 * know how the request ended. */

#include <stdio.h>

#include "worker/consumer/internal.h"
#include "worker/log/log.h"

/* Keeps a finished orphan for the redelivery that is to come. False: it cannot be kept. */
static bool keep_finished(struct request *request, enum broker_verb verb)
{
    struct settlement *settlement = &request->consumer->settlement;
    bool returned = verb == BROKER_NACK_REQUEUE || verb == BROKER_REJECT_REQUEUE;
    if (!request->orphan || returned || request->consumer->state != CONSUMER_RUNNING)
        return false;
    if (settlement->finished == SETTLEMENT_FINISHED_MAX) {
        struct request *oldest = settlement_oldest_finished(settlement);
        settlement_remove(settlement, oldest);
        settlement->finished--;
        request_free(oldest);
    }
    request->verb = verb;
    request_set_state(request, REQUEST_FINISHED);
    if (!request_shrink(request))
        return false;
    settlement->finished++;
    return true;
}

void finish_close(struct request *request, enum broker_verb verb)
{
    struct consumer *consumer = request->consumer;
    follow_leave(request);
    if (!request->settled) {
        if (keep_finished(request, verb))
            return;
        settlement_settle(request, verb);
    }
    settlement_remove(&consumer->settlement, request);
    request_free(request);
    stopping_request_gone(consumer);
}

/* A result that the broker does not take (too large for it, say) must not leave its caller waiting:
 * a small one that says so takes its place. */
static void store_refusal(struct request *request, const char *error)
{
    char text[512];
    snprintf(text, sizeof(text), "the task's result was refused by the broker: %s", error);
    request->refused = true;
    document_write(request, &(struct failure){.status = "FAILURE",
                                              .type = "EncodeError",
                                              .module = "kombu.exceptions",
                                              .message = text});
    finish_with(request, buffer_bytes(&request->document));
}

static void on_stored(void *context, const char *error)
{
    struct request *request = context;
    if (error == NULL) {
        finish_close(request, request->verb);
        return;
    }
    log_error("Task %s: its result could not be stored: %s", request_label(request), error);
    if (request->consumer->state >= CONSUMER_FLUSHING) {
        /* Given up because we stop: better that the task runs again elsewhere than that its caller
         * has no result. */
        finish_close(request, BROKER_NACK_REQUEUE);
    } else if (request->refused) {
        finish_close(request, request->verb);
    } else {
        store_refusal(request, error);
    }
}

static void stall(struct request *request, struct bytes document)
{
    struct consumer *consumer = request->consumer;
    if (document.data != request->document.data &&
        buffer_append(&request->document, document.data, document.size) != 0) {
        log_critical("Out of memory: the result of task %s is lost", request_label(request));
        finish_close(request, request->verb);
        return;
    }
    request_set_state(request, REQUEST_STALLED);
    request->next_stalled = NULL;
    *consumer->stalled_end = request;
    consumer->stalled_end = &request->next_stalled;
    consumer_adjust(consumer);
}

static void store(struct request *request, struct bytes document)
{
    const struct broker_delivery *delivery = request->delivery;
    struct backend_result result = {
        .task_id = request->message.id,
        .correlation_id =
            delivery->correlation_id.size > 0 ? delivery->correlation_id : request->message.id,
        .reply_to = delivery->reply_to,
        .document = document,
    };
    request_set_state(request, REQUEST_STORING);
    switch (backend_store(request->consumer->backend, &result, on_stored, request)) {
    case BACKEND_PENDING:
        break;
    case BACKEND_NOTHING:
        finish_close(request, request->verb);
        break;
    case BACKEND_FULL:
        stall(request, document);
        break;
    case BACKEND_FAILED:
        on_stored(request, "its reply_to is no queue name that AMQP can carry");
        break;
    }
}

void finish_with(struct request *request, struct bytes document)
{
    if (document.size == 0 || request->ignore_result)
        finish_close(request, request->verb);
    else
        store(request, document);
}

void finish_retry_stalled(struct consumer *consumer)
{
    struct request *request = consumer->stalled;
    consumer->stalled = NULL;
    consumer->stalled_end = &consumer->stalled;
    while (request != NULL) {
        struct request *next = request->next_stalled;
        store(request, buffer_bytes(&request->document));
        request = next;
    }
    consumer_adjust(consumer);
}
