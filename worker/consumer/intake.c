/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the decision on each delivery: run it, hold it, attach it to a run that goes on, or refuse
 * it (celery-wire.md 3.2; the rows are named in the comments). Runs nothing and stores nothing
 * itself. */

#include <stdlib.h>
#include <string.h>

#include "codec/result_message.h"
#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"
#include "worker/consumer/origin.h"
#include "worker/consumer/park.h"
#include "worker/consumer/revoking.h"
#include "worker/log/log.h"

enum {
    ETA_LOOK_MS = 1000,
    RELEASED_AT_ONCE = 256, /* before results and settlements have their turn */
    WAITING_SIZE = 4096,    /* bytes of a request that waits, without its body */
};

/* What a step says of a request. */
enum step { GO_ON, TAKEN /* the request has been dealt with, and may be gone */ };

/* The whole story of a message that cannot be run, for the log. */
static void log_refusal(enum log_level level, const struct request *request, const char *what,
                        const char *why)
{
    char story[REQUEST_STORY_SIZE];
    request_story(request, story);
    log_line(level, "%s: %s. The message %s: %s", what, why,
             request->verb == BROKER_ACK ? "was acknowledged and dropped"
                                         : "was rejected (dead-lettered if the queue has an "
                                           "exchange for it, else dropped)",
             story);
}

/* How a kind of refusal ends and how loudly, as in Celery. */
struct refusal {
    enum broker_verb verb;
    enum log_level level;
    const char *what;
    bool no_exception; /* the app is told that it was rejected, but not why */
};

static enum step refuse(struct request *request, const struct refusal *refusal, const char *why)
{
    request->verb = refusal->verb;
    log_refusal(refusal->level, request, refusal->what, why);
    if (refusal->verb == BROKER_REJECT)
        appsignal_send_request(request, APPSIGNAL_TASK_REJECTED,
                               refusal->no_exception ? NULL : why);
    finish_close(request, refusal->verb);
    return TAKEN;
}

/* Deliveries that were on their way when the consumers were cancelled. */
static enum step check_stopping(struct request *request)
{
    if (request->consumer->state == CONSUMER_RUNNING)
        return GO_ON;
    finish_close(request, BROKER_NACK_REQUEUE);
    return TAKEN;
}

/* A redelivery of what runs here, or has run here, takes the place of the delivery that went with
 * its connection. */
static enum step attach(struct request *request)
{
    struct consumer *consumer = request->consumer;
    if (!request->delivery->redelivered)
        return GO_ON;
    struct request *orphan = settlement_find_orphan(&consumer->settlement, request);
    if (orphan == NULL)
        return GO_ON;
    log_info("Task %s was redelivered: attached to its run here, not started again",
             request_label(request));
    orphan->epoch = request->epoch;
    orphan->tag = request->tag;
    orphan->orphan = false;
    settlement_remove(&consumer->settlement, request);
    request_free(request);
    if (orphan->state == REQUEST_FINISHED) {
        consumer->settlement.finished--;
        finish_close(orphan, orphan->verb);
    }
    return TAKEN;
}

static void log_unregistered(const struct request *request, const char *name)
{
    char what[320];
    snprintf(what, sizeof(what), "Received unregistered task of type '%s'", name);
    log_clean(what);
    log_refusal(LOG_ERROR, request, what,
                "no task of that name is in the application that this worker runs");
}

/* Row D. */
static enum step check_registered(struct request *request)
{
    const struct text name = request->message.task;
    request->task = registry_find(&request->consumer->registry, name);
    if (request->task != NULL)
        return GO_ON;
    request->verb = BROKER_REJECT;
    char copy[256];
    snprintf(copy, sizeof(copy), "%.*s",
             (int)(name.size < sizeof(copy) ? name.size : sizeof(copy) - 1), name.data);
    log_unregistered(request, copy);
    appsignal_send_request(request, APPSIGNAL_TASK_UNKNOWN, NULL);
    record_failure(request,
                   &(struct failure){.event = "unknown", .type = "NotRegistered", .message = copy});
    return TAKEN;
}

static bool is_accepted(const struct request *request, const struct serializer *serializer)
{
    const struct serializer *const *accepted = request->consumer->config.accept_content;
    if (accepted == NULL)
        return true;
    while (*accepted != NULL && *accepted != serializer)
        accepted++;
    return serializer != NULL && *accepted != NULL;
}

/* Row E. */
static enum step check_content_type(struct request *request)
{
    const struct serializer *serializer = serializer_by_content_type(request->message.content_type);
    if (is_accepted(request, serializer))
        return GO_ON;
    static const struct refusal refusal = {BROKER_REJECT, LOG_ERROR, "Refusing to decode message",
                                           false};
    return refuse(request, &refusal,
                  serializer == NULL ? "celeriac cannot read its content type"
                                     : "its content type is not in accept_content");
}

/* Rows J, K. */
static enum step check_revoked(struct request *request)
{
    return revoking_check(request) ? TAKEN : GO_ON;
}

bool intake_still_wanted(struct request *request)
{
    return check_stopping(request) == GO_ON && check_revoked(request) == GO_ON;
}

static enum step resolve_options(struct request *request)
{
    const struct consumer_config *config = &request->consumer->config;
    const struct task_message *message = &request->message;
    const struct task *task = request->task;
    request->acks_late = tristate_or(task->acks_late, config->task_acks_late);
    request->reject_on_worker_lost =
        tristate_or(task->reject_on_worker_lost, config->task_reject_on_worker_lost);
    if (!request->consumer->registry.app_decides)
        request->ignore_result = message->has_ignore_result
                                     ? message->ignore_result
                                     : tristate_or(task->ignore_result, config->task_ignore_result);
    struct pool_job *job = &request->job;
    job->want_started = !request->acks_late;
    job->suspect = loss_suspect(&message->headers, config->worker_lost_max_deliveries);
    log_info("Task %s received", request_label(request));
    return GO_ON;
}

static enum step tell_app(struct request *request)
{
    appsignal_send_request(request, APPSIGNAL_TASK_RECEIVED, NULL);
    return GO_ON;
}

static void on_eta_timer(uv_timer_t *timer)
{
    struct consumer *consumer = timer->data;
    intake_release_due(consumer);
    consumer_adjust(consumer);
}

static void arm_eta_timer(struct consumer *consumer)
{
    const struct eta_entry *first = eta_heap_first(&consumer->waiting);
    if (first == NULL) {
        uv_timer_stop(&consumer->eta_timer);
        return;
    }
    /* The due time is the wall clock's, the timer's is not: look again, it may have been set. */
    int64_t wait_ms = first->due > consumer_now() ? (first->due - consumer_now() + 999) / 1000 : 0;
    uv_timer_start(&consumer->eta_timer, on_eta_timer,
                   (uint64_t)(wait_ms < ETA_LOOK_MS ? wait_ms : ETA_LOOK_MS), 0);
}

static void hold_until(struct request *request, int64_t due)
{
    struct consumer *consumer = request->consumer;
    request->eta.due = due;
    request->eta.weight = WAITING_SIZE + request->delivery->body.size;
    if (!eta_heap_add(&consumer->waiting, &request->eta)) {
        finish_close(request, BROKER_NACK_REQUEUE);
        return;
    }
    request_set_state(request, REQUEST_WAITING);
    prefetch_arrived(&consumer->prefetch, true);
    arm_eta_timer(consumer);
    consumer_adjust(consumer);
}

static enum step park(struct request *request)
{
    return park_take(request) ? TAKEN : GO_ON;
}

/* Row L. */
static enum step hold_for_eta(struct request *request)
{
    if (!request->message.has_eta || request->message.eta <= consumer_now())
        return GO_ON;
    hold_until(request, request->message.eta);
    return TAKEN;
}

void intake_take_up(struct request *request)
{
    hold_until(request, 0);
}

static enum step wait_behind(struct request *request)
{
    return behind_wait(request) ? TAKEN : GO_ON;
}

static enum step wait_for_rate(struct request *request)
{
    if (request->throttled)
        return GO_ON;
    request->throttled = true;
    return throttle_take(request) ? TAKEN : GO_ON;
}

static enum step submit(struct request *request)
{
    static const struct refusal refusal = {BROKER_REJECT, LOG_ERROR,
                                           "Cannot hand the task to a child", false};
    request_set_limits(request);
    int error = request_pack(request);
    if (error != 0)
        return refuse(request, &refusal, codec_strerror(error));
    prefetch_arrived(&request->consumer->prefetch, false);
    jobs_submit(request, REQUEST_SUBMITTED);
    return TAKEN;
}

typedef enum step step_function(struct request *request);

static void run_steps(struct request *request, step_function *const *steps)
{
    while (*steps != NULL && (*steps)(request) == GO_ON)
        steps++;
}

static step_function *const steps_of_delivery[] = {
    check_stopping, attach,   check_registered, check_content_type, park,        resolve_options,
    check_revoked,  tell_app, hold_for_eta,     wait_for_rate,      wait_behind, submit,
    NULL,
};
static step_function *const steps_of_kept[] = {
    resolve_options, check_revoked, tell_app, hold_for_eta,
    wait_for_rate,   wait_behind,   submit,   NULL,
};
static step_function *const steps_of_due[] = {
    check_stopping, check_revoked, wait_for_rate, wait_behind, submit, NULL,
};

void intake_pass(struct request *request)
{
    request_set_state(request, REQUEST_RECEIVED);
    run_steps(request, steps_of_due);
}

void intake_keep(struct request *request)
{
    request_set_state(request, REQUEST_RECEIVED);
    run_steps(request, steps_of_kept);
}

static struct request *request_of(struct consumer *consumer, struct broker_delivery *delivery)
{
    struct request *request = request_new(consumer, delivery);
    if (request != NULL && !origin_restore(request)) {
        request->delivery = NULL;
        request_free(request);
        request = NULL;
    }
    if (request == NULL) {
        log_critical("Out of memory: a message goes back to its queue");
        broker_settle(consumer->broker, delivery->epoch, delivery->tag, BROKER_NACK_REQUEUE);
        broker_delivery_free(delivery);
    }
    return request;
}

/* Rows A, B, C, G, I: what is no task message that can be looked up by name. */
static const struct refusal refusals[] = {
    [TASK_MESSAGE_UNDECODABLE] = {BROKER_ACK, LOG_CRITICAL, "Can't decode message body", false},
    [TASK_MESSAGE_NOT_A_TASK] = {BROKER_REJECT, LOG_WARNING, "Received and deleted unknown message",
                                 true},
    [TASK_MESSAGE_INVALID] = {BROKER_REJECT, LOG_ERROR, "Received invalid task message", false},
};

/* Row A: of protocol 1 Celery opens the body first, and refuses it there. */
static enum task_message_kind refuse_content_type(struct codec_reason *reason)
{
    snprintf(reason->text, sizeof(reason->text), "its content type is not in accept_content");
    return TASK_MESSAGE_UNDECODABLE;
}

void intake_delivery(void *context, struct broker_delivery *delivery)
{
    struct request *request = request_of(context, delivery);
    if (request == NULL)
        return;
    struct task_message_source source = {
        .headers = delivery->headers.type == MSGPACK_OBJECT_MAP ? &delivery->headers : NULL,
        .content_type = delivery->content_type,
        .content_encoding = delivery->content_encoding,
        .body = delivery->body,
    };
    struct codec_reason reason = {0};
    enum task_message_kind kind =
        task_message_read(&source, delivery->zone, &request->message, &reason);
    request->losses = loss_count(source.headers);
    if (kind == TASK_MESSAGE_OK && request->message.protocol == 1 &&
        !is_accepted(request, serializer_by_content_type(delivery->content_type)))
        kind = refuse_content_type(&reason);
    settlement_add(&request->consumer->settlement, request);
    if (kind == TASK_MESSAGE_OK)
        run_steps(request, steps_of_delivery);
    else
        refuse(request, &refusals[kind], reason.text);
}

void intake_oversized(void *context, struct broker_delivery *delivery, uint64_t size)
{
    struct request *request = request_of(context, delivery);
    if (request == NULL)
        return;
    settlement_add(&request->consumer->settlement, request);
    char why[96];
    snprintf(why, sizeof(why), "its body of %llu bytes is larger than this worker takes",
             (unsigned long long)size);
    static const struct refusal refusal = {BROKER_REJECT, LOG_ERROR, "Refusing message", false};
    refuse(request, &refusal, why);
}

void intake_release_due(struct consumer *consumer)
{
    int64_t now = consumer_now();
    struct eta_entry *first = eta_heap_first(&consumer->waiting);
    for (unsigned i = 0; i < RELEASED_AT_ONCE && first != NULL && first->due <= now; i++) {
        eta_heap_remove(&consumer->waiting, first);
        intake_pass(CONTAINER_OF(first, struct request, eta));
        first = eta_heap_first(&consumer->waiting);
    }
    arm_eta_timer(consumer);
}

/* After a lost connection: what has not begun is the server's again; what runs, or has run, becomes
 * an orphan. */
static void forget_or_orphan(struct consumer *consumer, struct request *request)
{
    if (request->settled || request->orphan)
        return;
    request->orphan = true;
    if (request->state == REQUEST_WAITING) {
        eta_heap_remove(&consumer->waiting, &request->eta);
        finish_close(request, BROKER_NACK_REQUEUE);
    } else if (request->state == REQUEST_THROTTLED) {
        throttle_leave(request);
        finish_close(request, BROKER_NACK_REQUEUE);
    } else if (request->state == REQUEST_BEHIND ||
               (request->state == REQUEST_SUBMITTED && jobs_withdraw(request))) {
        finish_close(request, BROKER_NACK_REQUEUE);
    }
}

void intake_forget_unstarted(struct consumer *consumer)
{
    struct request *request = consumer->settlement.oldest;
    while (request != NULL) {
        struct request *newer = request->newer;
        forget_or_orphan(consumer, request);
        request = newer;
    }
}
