/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of a job: open the body, find the task, bind its arguments, run it, word the
 * outcome. Knows no frame and no socket. */

#include "worker/runtime/native/job.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "codec/frame.h"
#include "worker/log/log.h"
#include "worker/runtime/native/body.h"
#include "worker/runtime/native/invoke.h"
#include "worker/runtime/native/limits.h"
#include "worker/runtime/native/outcome.h"
#include "worker/runtime/native/record.h"
#include "worker/runtime/native/retry.h"

enum {
    KEEP = 64 * 1024,        /* bytes of each buffer that stay allocated between jobs */
    FRAME_REST = 256 * 1024, /* of a RESULT, besides its document */
};

/* What one job needs besides what is kept. */
struct run {
    struct job *job;
    const struct job_observer *observer;
    uint64_t number;
    struct request request;
    struct text packed_body; /* as it came */
    struct task_body body;
    struct canvas canvas;
    struct outcome outcome;
    struct codec_reason reason;
};

bool job_init(struct job *job, const struct library *library)
{
    job->library = library;
    buffer_init(&job->plain, FRAME_MAX);
    buffer_init(&job->report, FRAME_MAX);
    buffer_init(&job->document, FRAME_MAX - FRAME_REST);
    return msgpack_zone_init(&job->zone, MSGPACK_ZONE_CHUNK_SIZE);
}

void job_done(struct job *job)
{
    msgpack_zone_destroy(&job->zone);
    buffer_done(&job->plain);
    buffer_done(&job->report);
    buffer_done(&job->document);
}

void job_clear(struct job *job)
{
    msgpack_zone_clear(&job->zone);
    buffer_clear(&job->plain, KEEP);
    buffer_clear(&job->report, KEEP);
    buffer_clear(&job->document, KEEP);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

#define fail(run, type, ...)                                                                       \
    failure_raise(&(run)->outcome.failure, &(run)->job->zone, type, __VA_ARGS__)

/* False: the message is none that a task could be run for, or the task has failed before it ran. */
static bool open_body(struct run *run)
{
    enum body_status status = body_open(&run->request, run->packed_body, &run->job->plain,
                                        &run->job->zone, &run->body, &run->reason);
    if (status == BODY_OPEN)
        return true;
    run->outcome.reason = run->reason.text;
    if (status == BODY_UNDECODABLE)
        run->outcome.state = OUTCOME_UNDECODABLE;
    else if (status == BODY_INVALID)
        run->outcome.state = OUTCOME_INVALID;
    else
        fail(run, "celery.exceptions.InvalidTaskError", "Task keyword arguments must be a mapping");
    return false;
}

static const struct library_task *find_task(struct run *run)
{
    const struct library_task *task = library_find(run->job->library, run->request.task);
    if (task == NULL)
        fail(run, "celery.exceptions.NotRegistered", "%.*s", (int)run->request.task.size,
             run->request.task.data);
    return task;
}

/* What is settled by the task itself, where the request leaves it open. */
static void apply_definition(struct run *run, const struct celeriac_task_definition *definition)
{
    struct request *request = &run->request;
    if (definition->track_started != CELERIAC_UNSET)
        request->track_started = definition->track_started == CELERIAC_YES;
    if (definition->store_errors_even_if_ignored != CELERIAC_UNSET)
        request->store_errors_even_if_ignored =
            definition->store_errors_even_if_ignored == CELERIAC_YES;
}

static void store_started(struct run *run)
{
    struct document document = document_of(&run->request, "STARTED");
    msgpack_object meta;
    if (!run->request.track_started || run->request.ignore_result ||
        !value_map(&run->job->zone, 2, &meta))
        return;
    value_map_put(&meta, "pid", value_int(getpid()));
    value_map_put(&meta, "hostname", value_text(run->request.hostname));
    document.result = &meta;
    document.body = &run->body;
    if (!after_store(&run->canvas, &document))
        log_warning("the state STARTED could not be sent");
}

static void judge(struct run *run, const struct celeriac_task *task)
{
    static const enum outcome_state states[] = {
        [TASK_RUNS] = OUTCOME_SUCCESS,
        [TASK_RETRIES] = OUTCOME_RETRY,
        [TASK_IGNORED] = OUTCOME_IGNORED,
        [TASK_REJECTED] = OUTCOME_REJECTED,
    };
    struct outcome *outcome = &run->outcome;
    outcome->state = states[task->verdict];
    outcome->result = task->result;
    outcome->failure = task->failure;
    outcome->countdown = task->countdown;
    outcome->requeue = task->requeue;
    outcome->part = task->awaited;
    if (task->verdict == TASK_RUNS && task->failure.raised)
        outcome->state = OUTCOME_FAILURE;
    /* What cannot be sent again has failed. */
    if (task->verdict != TASK_RETRIES ||
        retry_send(task, (struct bytes){run->packed_body.data, run->packed_body.size}))
        return;
    outcome->state = OUTCOME_FAILURE;
    outcome->failure = run->canvas.failure;
}

static void run_task(struct run *run, const struct library_task *found)
{
    struct celeriac_task task = {.library = run->job->library,
                                 .task = found,
                                 .request = &run->request,
                                 .body = &run->body,
                                 .canvas = &run->canvas,
                                 .zone = &run->job->zone,
                                 .args = &run->body.args,
                                 .kwargs = &run->body.kwargs,
                                 .result = value_nil()};
    struct timespec start;
    apply_definition(run, &found->definition);
    store_started(run);
    clock_gettime(CLOCK_MONOTONIC, &start);
    invoke_task(&task);
    retry_after_failure(&task);
    run->outcome.runtime = seconds_since(&start);
    judge(run, &task);
}

static void run_body(struct run *run)
{
    if (!open_body(run))
        return;
    limits_begin(run->number);
    run->observer->on_start(run->observer->context);
    const struct library_task *task = find_task(run);
    if (task != NULL)
        run_task(run, task);
    limits_end();
}

static struct canvas canvas_of(struct run *run)
{
    const struct request *request = &run->request;
    msgpack_zone *zone = &run->job->zone;
    const msgpack_object *priority = value_get(request->properties, "priority");
    struct canvas canvas = {
        .zone = zone,
        .library = run->job->library,
        .follow = &run->observer->follow,
        .id = request->id,
        .root_id = request_root_id(request),
        .reply_to = request_property(request, "reply_to"),
        .serializer = document_serializer(request->task_serializer, zone),
        .result_serializer = document_serializer(request->result_serializer, zone),
        .chords = request->chords,
        .children = {.type = MSGPACK_OBJECT_ARRAY},
    };
    if (request->inherit_parent_priority && priority != NULL)
        canvas.priority = *priority;
    return canvas;
}

static bool write_document(struct run *run, const struct document *document, bool keep)
{
    const struct serializer *serializer = run->canvas.result_serializer;
    if (!keep)
        return true;
    int error = document_write(document, serializer, &run->job->zone, &run->job->document);
    if (error == 0)
        return true;
    outcome_fail_encoding(&run->outcome, serializer->name, error, &run->job->zone);
    return false;
}

/* False: it has turned into a failure. */
static bool end_success(struct run *run)
{
    struct document document = document_of(&run->request, "SUCCESS");
    document.result = &run->outcome.result;
    document.body = &run->body;
    if (!after_success(&run->canvas, &run->body, &run->outcome.result)) {
        run->outcome.failure = run->canvas.failure;
        return false;
    }
    document.children = &run->canvas.children;
    if (outcome_take_part(&run->outcome, &run->request, &run->body, &document, &run->canvas))
        return write_document(run, &document, !run->request.ignore_result);
    run->outcome.failure = run->canvas.failure;
    return false;
}

/* The failure is stored before its errbacks are sent, which may look at it. */
static bool keep_failure(struct run *run, const struct document *document)
{
    if (!document_keeps_errors(&run->request))
        return true;
    if (after_failure_matters(&run->body))
        return after_store(&run->canvas, document);
    if (write_document(run, document, true))
        return true;
    /* It is an EncodeError now. */
    return write_document(run, document, true);
}

static bool end_failure(struct run *run)
{
    struct document document = document_of(&run->request, "FAILURE");
    run->outcome.state = OUTCOME_FAILURE;
    run->outcome.part = (struct after_part){.chord = NULL};
    document.failure = &run->outcome.failure;
    document.body = &run->body;
    document.children = &run->canvas.children;
    return keep_failure(run, &document) &&
           outcome_take_part(&run->outcome, &run->request, &run->body, &document, &run->canvas) &&
           after_failure(&run->canvas, &run->body, &document);
}

static void end(struct run *run)
{
    if (run->outcome.failure.raised && run->outcome.state == OUTCOME_SUCCESS)
        run->outcome.state = OUTCOME_FAILURE;
    if (run->outcome.state > OUTCOME_FAILURE)
        return;
    if (run->outcome.state == OUTCOME_SUCCESS && end_success(run))
        return;
    if (!end_failure(run))
        log_error("what follows the failure of a task could not be sent");
}

static void write_record(struct run *run)
{
    const struct record record = {.request = &run->request,
                                  .body = &run->body,
                                  .canvas = &run->canvas,
                                  .packed_body = {run->packed_body.data, run->packed_body.size}};
    /* What cannot be opened is followed by nothing. */
    (void)body_open(&run->request, run->packed_body, &run->job->plain, &run->job->zone, &run->body,
                    &run->reason);
    record_write(&record, &run->outcome, &run->job->document);
    if (run->outcome.failure.raised)
        run->outcome.state = OUTCOME_FAILURE;
}

bool job_run(struct job *job, uint64_t number, const msgpack_object *request, struct text body,
             const struct job_observer *observer)
{
    struct run run = {.job = job, .observer = observer, .number = number, .packed_body = body};
    if (!request_read(request, &run.request)) {
        run.outcome.state = OUTCOME_INVALID;
        run.outcome.reason = "the request has no task and id in UTF-8";
        return outcome_report(&run.outcome, &job->zone, &job->report);
    }
    run.canvas = canvas_of(&run);
    run.body = (struct task_body){.args = {.type = MSGPACK_OBJECT_ARRAY},
                                  .kwargs = {.type = MSGPACK_OBJECT_MAP}};
    if (run.request.record != NULL) {
        write_record(&run);
        return outcome_report(&run.outcome, &job->zone, &job->report);
    }
    run_body(&run);
    end(&run);
    outcome_log(&run.outcome, &run.request, &job->zone);
    /* What the task has printed is out before its result is. */
    fflush(stdout);
    return outcome_report(&run.outcome, &job->zone, &job->report);
}
