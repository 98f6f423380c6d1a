/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what follows the end of a job: its result to the backend, then its delivery's verb. Starts
 * nothing. */

#include <stdio.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/log/log.h"

static struct request *request_of_job(struct pool_job *job)
{
    return CONTAINER_OF(job, struct request, job);
}

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

void outcome_close(struct request *request, enum broker_verb verb)
{
    struct consumer *consumer = request->consumer;
    if (!request->settled) {
        if (keep_finished(request, verb))
            return;
        settlement_settle(request, verb);
    }
    settlement_remove(&consumer->settlement, request);
    request_free(request);
    consumer_request_gone(consumer);
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
    outcome_finish(request);
}

static void on_stored(void *context, const char *error)
{
    struct request *request = context;
    if (error == NULL) {
        outcome_close(request, request->verb);
        return;
    }
    log_error("Task %s: its result could not be stored: %s", request_label(request), error);
    if (request->consumer->state >= CONSUMER_FLUSHING) {
        /* Given up because we stop: better that the task runs again elsewhere than that its caller
         * has no result. */
        outcome_close(request, BROKER_NACK_REQUEUE);
    } else if (request->refused) {
        outcome_close(request, request->verb);
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
        outcome_close(request, request->verb);
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
        outcome_close(request, request->verb);
        break;
    case BACKEND_FULL:
        stall(request, document);
        break;
    case BACKEND_FAILED:
        on_stored(request, "its reply_to is no queue name that AMQP can carry");
        break;
    }
}

static void finish_with(struct request *request, struct bytes document)
{
    if (document.size == 0 || request->ignore_result)
        outcome_close(request, request->verb);
    else
        store(request, document);
}

void outcome_finish(struct request *request)
{
    finish_with(request, buffer_bytes(&request->document));
}

void outcome_retry_stalled(struct consumer *consumer)
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

/* Early ack: when the task begins, as Celery does. */
void outcome_job_started(void *context, struct pool_job *job, pid_t pid)
{
    (void)context;
    struct request *request = request_of_job(job);
    log_debug("Task accepted: %s pid:%d", request_label(request), (int)pid);
    if (!request->acks_late && !request->settled)
        settlement_settle(request, BROKER_ACK);
}

void outcome_job_soft_limit(void *context, struct pool_job *job)
{
    (void)context;
    log_warning("Soft time limit (%gs) exceeded for %s", job->soft_limit,
                request_label(request_of_job(job)));
}

static void end_success(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    (void)report;
    request->verb = BROKER_ACK;
    finish_with(request, (struct bytes){ending->document.data, ending->document.size});
}

/* Rows Q, R. */
static void end_failure(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    (void)report;
    bool acks = request->consumer->config.task_acks_on_failure_or_timeout;
    request->verb = acks ? BROKER_ACK : BROKER_REJECT;
    finish_with(request, (struct bytes){ending->document.data, ending->document.size});
}

static void log_bad_body(const struct request *request, enum log_level level,
                         const msgpack_object *report, const char *verb)
{
    struct text reason = {"no reason given", 15};
    char story[REQUEST_STORY_SIZE];
    value_as_text(value_get(report, "reason"), &reason);
    request_story(request, story);
    log_line(level, "Can't decode message body: %.*s. The message was %s: %s", (int)reason.size,
             reason.data, verb, story);
}

/* Row F. */
static void end_undecodable(struct request *request, const msgpack_object *report,
                            const struct pool_ending *ending)
{
    (void)ending;
    log_bad_body(request, LOG_CRITICAL, report, "acknowledged and dropped");
    outcome_close(request, BROKER_ACK);
}

/* Row I. */
static void end_invalid(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    (void)ending;
    log_bad_body(request, LOG_ERROR, report, "rejected");
    outcome_close(request, BROKER_REJECT);
}

static const struct {
    const char *state;
    void (*end)(struct request *request, const msgpack_object *report,
                const struct pool_ending *ending);
} ends_by_state[] = {
    {"SUCCESS", end_success},
    {"FAILURE", end_failure},
    {"UNDECODABLE", end_undecodable},
    {"INVALID", end_invalid},
};

static void end_done(struct request *request, const struct pool_ending *ending)
{
    struct text state = {NULL, 0};
    value_as_text(value_get(ending->report, "state"), &state);
    for (size_t i = 0; i < ARRAY_LEN(ends_by_state); i++) {
        if (text_equal(state, ends_by_state[i].state)) {
            ends_by_state[i].end(request, ending->report, ending);
            return;
        }
    }
    log_error("Task %s: its runtime reported the state '%.*s', which this worker does not know: "
              "the message goes back to its queue",
              request_label(request), (int)state.size, state.data != NULL ? state.data : "");
    outcome_close(request, BROKER_REJECT_REQUEUE);
}

static void write_lost(struct request *request, const char *text)
{
    document_write(request, &(struct failure){.status = "FAILURE",
                                              .type = "WorkerLostError",
                                              .module = "billiard.exceptions",
                                              .message = text});
}

static void end_lost(struct request *request, const struct pool_ending *ending)
{
    const struct consumer_config *config = &request->consumer->config;
    char text[LOSS_TEXT_SIZE];
    loss_describe(ending->has_status, ending->wait_status, request->job.number, text);
    struct loss_facts facts = {
        .acks_late = request->acks_late,
        .reject_on_worker_lost = request->reject_on_worker_lost,
        .counted = request->losses,
        .max_losses = config->worker_lost_max_deliveries,
    };
    enum loss_action action = loss_decide(&facts);
    static const char *const words[] = {
        [LOSS_REPUBLISH] = "it goes back to its queue",
        [LOSS_FAIL] = "it has cost as many processes as worker_lost_max_deliveries allows: FAILURE",
        [LOSS_FAIL_ACK] = "FAILURE",
    };
    log_error("Task %s lost its process (loss %lld of %u): %s %s", request_label(request),
              (long long)request->losses + 1, config->worker_lost_max_deliveries, text,
              words[action]);
    switch (action) {
    case LOSS_REPUBLISH:
        write_lost(request, text);
        /* The server has an orphan's message already: a copy would be a second one. */
        if (request->orphan)
            outcome_close(request, BROKER_REJECT_REQUEUE);
        else
            republish_counted(request);
        break;
    case LOSS_FAIL:
        request->verb = BROKER_REJECT;
        write_lost(request, text);
        outcome_finish(request);
        break;
    case LOSS_FAIL_ACK:
        request->verb = BROKER_ACK;
        write_lost(request, text);
        outcome_finish(request);
        break;
    }
}

/* Rows c, d, e. */
static void end_time_limit(struct request *request, const struct pool_ending *ending)
{
    (void)ending;
    log_error("Hard time limit (%gs) exceeded for %s", request->job.hard_limit,
              request_label(request));
    document_write(request, &(struct failure){.status = "FAILURE",
                                              .type = "TimeLimitExceeded",
                                              .module = "billiard.exceptions",
                                              .number = request->job.hard_limit,
                                              .has_number = true});
    bool acks = request->consumer->config.task_acks_on_failure_or_timeout;
    request->verb = acks ? BROKER_ACK : BROKER_REJECT_REQUEUE;
    outcome_finish(request);
}

/* Rows h, i: only a cold shutdown kills jobs. A late one goes back; an early one was acknowledged
 * and is gone, which its caller is told as Celery tells it. */
static void end_terminated(struct request *request, const struct pool_ending *ending)
{
    (void)ending;
    if (!request->settled) {
        log_warning("Task %s was cut off by the shutdown: it goes back to its queue",
                    request_label(request));
        outcome_close(request, BROKER_NACK_REQUEUE);
        return;
    }
    log_error("Task %s was cut off by the shutdown; it had been acknowledged early and is lost",
              request_label(request));
    document_write(request, &(struct failure){.status = "RETRY",
                                              .type = "Retry",
                                              .module = "celery.exceptions",
                                              .message = "cancelled by the worker's shutdown"});
    request->verb = BROKER_ACK;
    outcome_finish(request);
}

static void end_returned(struct request *request, const struct pool_ending *ending)
{
    (void)ending;
    outcome_close(request, BROKER_NACK_REQUEUE);
}

void outcome_job_ended(void *context, struct pool_job *job, const struct pool_ending *ending)
{
    (void)context;
    static void (*const ends[])(struct request *, const struct pool_ending *) = {
        [POOL_DONE] = end_done,
        [POOL_LOST] = end_lost,
        [POOL_TIME_LIMIT] = end_time_limit,
        [POOL_TERMINATED] = end_terminated,
        [POOL_RETURNED] = end_returned,
    };
    ends[ending->verdict](request_of_job(job), ending);
}
