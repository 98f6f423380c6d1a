/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what follows the end of a task's job: which verb its delivery gets, and what is written down
 * of it. Starts nothing. */

#include <stdio.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/consumer/republish.h"
#include "worker/log/log.h"

/* Early ack: when the task begins, as Celery does. */
void outcome_started(struct request *request, pid_t pid)
{
    log_debug("Task accepted: %s pid:%d", request_label(request), (int)pid);
    if (!request->acks_late && !request->settled)
        settlement_settle(request, BROKER_ACK);
}

void outcome_soft_limit(const struct request *request)
{
    log_warning("Soft time limit (%gs) exceeded for %s", request->job.soft_limit,
                request_label(request));
}

/* Row O. */
static void end_success(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    chord_keep(request, report);
    request->verb = BROKER_ACK;
    finish_with(request, (struct bytes){ending->document.data, ending->document.size});
}

/* Row S: a task that was sent again has ended here just the same. */
static void end_retry(struct request *request, const msgpack_object *report,
                      const struct pool_ending *ending)
{
    request->retrying = true;
    end_success(request, report, ending);
}

static bool acks_on_failure(const struct request *request)
{
    return tristate_or(request->task->acks_on_failure_or_timeout,
                       request->consumer->config.task_acks_on_failure_or_timeout);
}

/* Rows Q, R. */
static void end_failure(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    chord_keep(request, report);
    request->verb = acks_on_failure(request) ? BROKER_ACK : BROKER_REJECT;
    finish_with(request, (struct bytes){ending->document.data, ending->document.size});
}

/* Row U. */
static void end_ignored(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    (void)report;
    (void)ending;
    finish_close(request, BROKER_ACK);
}

/* Rows V, W, X. */
static void end_rejected(struct request *request, const msgpack_object *report,
                         const struct pool_ending *ending)
{
    (void)ending;
    bool requeue = false;
    value_as_bool(value_get(report, "requeue"), &requeue);
    finish_close(request, requeue ? BROKER_REJECT_REQUEUE : BROKER_REJECT);
}

enum { REASON_SIZE = 512 };

static void copy_reason(const msgpack_object *report, char ret[REASON_SIZE])
{
    struct text reason = {"no reason given", 15};
    value_as_text(value_get(report, "reason"), &reason);
    snprintf(ret, REASON_SIZE, "%.*s", (int)reason.size, reason.data);
    log_clean(ret);
}

static void log_bad_body(const struct request *request, enum log_level level, const char *reason,
                         const char *verb)
{
    char story[REQUEST_STORY_SIZE];
    request_story(request, story);
    log_line(level, "Can't decode message body: %s. The message was %s: %s", reason, verb, story);
}

/* Row F. */
static void end_undecodable(struct request *request, const msgpack_object *report,
                            const struct pool_ending *ending)
{
    (void)ending;
    char reason[REASON_SIZE];
    copy_reason(report, reason);
    log_bad_body(request, LOG_CRITICAL, reason, "acknowledged and dropped");
    finish_close(request, BROKER_ACK);
}

/* Rows E, I. */
static void end_invalid(struct request *request, const msgpack_object *report,
                        const struct pool_ending *ending)
{
    (void)ending;
    char reason[REASON_SIZE];
    copy_reason(report, reason);
    log_bad_body(request, LOG_ERROR, reason, "rejected");
    appsignal_send_request(request, APPSIGNAL_TASK_REJECTED, reason);
    finish_close(request, BROKER_REJECT);
}

static const struct {
    const char *state;
    void (*end)(struct request *request, const msgpack_object *report,
                const struct pool_ending *ending);
} ends_by_state[] = {
    {"SUCCESS", end_success}, {"FAILURE", end_failure},   {"RETRY", end_retry},
    {"IGNORED", end_ignored}, {"REJECTED", end_rejected}, {"UNDECODABLE", end_undecodable},
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
    finish_close(request, BROKER_REJECT_REQUEUE);
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
    request->verb = action == LOSS_FAIL_ACK ? BROKER_ACK : BROKER_REJECT;
    record_prepare(
        request, &(struct failure){.event = "failure", .type = "WorkerLostError", .message = text});
    if (action != LOSS_REPUBLISH)
        record_submit(request);
    else if (request->orphan) /* the server has its message already: a copy would be a second one */
        finish_close(request, BROKER_REJECT_REQUEUE);
    else
        republish_counted(request);
}

/* Rows c, d, e. */
static void end_time_limit(struct request *request, const struct pool_ending *ending)
{
    (void)ending;
    log_error("Hard time limit (%gs) exceeded for %s", request->job.hard_limit,
              request_label(request));
    request->verb = acks_on_failure(request) ? BROKER_ACK : BROKER_REJECT_REQUEUE;
    record_failure(request, &(struct failure){.event = "failure",
                                              .type = "TimeLimitExceeded",
                                              .number = request->job.hard_limit,
                                              .has_number = true});
}

/* Row f: by remote control. */
static void end_revoked(struct request *request, int signum)
{
    log_info("Task %s was terminated with signal %d", request_label(request), signum);
    request->verb = BROKER_ACK;
    record_failure(request, &(struct failure){.event = "revoked",
                                              .type = "TaskRevokedError",
                                              .message = "terminated",
                                              .signum = signum});
}

/* Rows h, i: a cold shutdown. A late one goes back; an early one was acknowledged and is gone,
 * which its caller is told as Celery tells it. */
static void end_terminated(struct request *request, const struct pool_ending *ending)
{
    if (ending->signal > 0) {
        end_revoked(request, ending->signal);
        return;
    }
    if (!request->settled) {
        log_warning("Task %s was cut off by the shutdown: it goes back to its queue",
                    request_label(request));
        finish_close(request, BROKER_NACK_REQUEUE);
        return;
    }
    log_error("Task %s was cut off by the shutdown; it had been acknowledged early and is lost",
              request_label(request));
    if (!request->consumer->registry.app_decides && !request->ignore_result)
        document_write(request, &(struct failure){.status = "RETRY",
                                                  .type = "Retry",
                                                  .module = "celery.exceptions",
                                                  .message = "cancelled by the worker's shutdown"});
    request->verb = BROKER_ACK;
    finish_with(request, buffer_bytes(&request->document));
}

static void end_returned(struct request *request, const struct pool_ending *ending)
{
    (void)ending;
    finish_close(request, BROKER_NACK_REQUEUE);
}

void outcome_ended(struct request *request, const struct pool_ending *ending)
{
    static void (*const ends[])(struct request *, const struct pool_ending *) = {
        [POOL_DONE] = end_done,
        [POOL_LOST] = end_lost,
        [POOL_TIME_LIMIT] = end_time_limit,
        [POOL_TERMINATED] = end_terminated,
        [POOL_RETURNED] = end_returned,
    };
    ends[ending->verdict](request, ending);
}
