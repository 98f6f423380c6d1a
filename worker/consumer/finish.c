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

static void close_now(struct request *request)
{
    struct consumer *consumer = request->consumer;
    enum broker_verb verb = request->verb;
    chord_drop(request);
    behind_leave(request);
    if (!request->settled) {
        /* Better that the task runs again elsewhere than that what it sent is not done. */
        if (request->follow_ups.given_up)
            verb = BROKER_NACK_REQUEUE;
        if (keep_finished(request, verb))
            return;
        settlement_settle(request, verb);
    }
    settlement_remove(&consumer->settlement, request);
    request_free(request);
    stopping_request_gone(consumer);
}

void finish_close(struct request *request, enum broker_verb verb)
{
    request->verb = verb;
    follow_up_then(request, close_now);
}

/* A result that is not taken (too large for the broker, say) must not leave its caller waiting: a
 * small one that says so takes its place. */
static void store_refusal(struct request *request, const char *error)
{
    char text[512];
    snprintf(text, sizeof(text), "the task's result could not be stored: %s", error);
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
        chord_go_on(request);
        return;
    }
    log_error("Task %s: its result could not be stored: %s", request_label(request), error);
    if (request->consumer->state >= CONSUMER_FLUSHING) {
        /* Given up because we stop: better that the task runs again elsewhere than that its caller
         * has no result. */
        finish_close(request, BROKER_NACK_REQUEUE);
    } else if (request->refused) {
        chord_go_on(request);
    } else {
        store_refusal(request, error);
    }
}

/* False: out of memory, and the document is empty. */
static bool keep_document(struct request *request, struct bytes document)
{
    if (document.data == request->document.data ||
        buffer_append(&request->document, document.data, document.size) == 0)
        return true;
    log_critical("Out of memory: the result of task %s is lost", request_label(request));
    return false;
}

static void store_kept(struct request *request);

static void stall(struct request *request, struct bytes document)
{
    if (!keep_document(request, document)) {
        finish_close(request, request->verb);
        return;
    }
    request_set_state(request, REQUEST_STALLED);
    stalled_add(request, store_kept);
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
    if (request->consumer->state >= CONSUMER_CLOSING) {
        on_stored(request, "the worker stops");
        return;
    }
    switch (backend_store(request->consumer->backend, &result, on_stored, request)) {
    case BACKEND_PENDING:
        break;
    case BACKEND_NOTHING:
        chord_go_on(request);
        break;
    case BACKEND_FULL:
        stall(request, document);
        break;
    case BACKEND_FAILED:
        on_stored(request, "the result backend cannot address it");
        break;
    }
}

/* As in Celery: a task whose next try cannot be sent is rejected. */
static void reject_retry(struct request *request)
{
    log_error("Task %s: its retry was not taken by the broker: the message is rejected",
              request_label(request));
    finish_close(request, BROKER_REJECT);
}

static void store_or_go_on(struct request *request, struct bytes document)
{
    if (request->retrying && request->follow_ups.refused)
        reject_retry(request);
    else if (request->follow_ups.given_up)
        finish_close(request, BROKER_NACK_REQUEUE);
    else if (document.size > 0)
        store(request, document);
    else
        chord_go_on(request);
}

static void store_kept(struct request *request)
{
    store_or_go_on(request, buffer_bytes(&request->document));
}

void finish_with(struct request *request, struct bytes document)
{
    if (!follow_up_pending(request))
        store_or_go_on(request, document);
    else if (keep_document(request, document))
        follow_up_then(request, store_kept);
    else
        finish_close(request, request->verb);
}
