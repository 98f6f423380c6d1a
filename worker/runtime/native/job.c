/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of a job: open the body, find the task, bind its arguments, run it, word the
 * outcome. Knows no frame and no socket. */

#include "worker/runtime/native/job.h"

#include <stdio.h>
#include <time.h>

#include "codec/frame.h"
#include "worker/runtime/native/bind.h"
#include "worker/runtime/native/body.h"
#include "worker/runtime/native/limits.h"
#include "worker/runtime/native/outcome.h"
#include "worker/runtime/native/task_state.h"

enum {
    KEEP = 64 * 1024,        /* bytes of each buffer that stay allocated between jobs */
    FRAME_REST = 256 * 1024, /* of a RESULT, besides its document */
};

/* What one job needs besides what is kept. */
struct run {
    struct job *job;
    uint64_t number;
    struct request request;
    struct task_body body;
    struct outcome outcome;
    struct codec_reason reason;
};

bool job_init(struct job *job, const struct library *library)
{
    job->library = library;
    buffer_init(&job->plain, FRAME_MAX);
    buffer_init(&job->report, FRAME_REST);
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
static bool open_body(struct run *run, struct text body)
{
    enum body_status status =
        body_open(&run->request, body, &run->job->plain, &run->job->zone, &run->body, &run->reason);
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
    const char *follow_up = body_follow_up(&run->body);
    if (task == NULL) {
        fail(run, "celery.exceptions.NotRegistered", "%.*s", (int)run->request.task.size,
             run->request.task.data);
        return NULL;
    }
    if (follow_up == NULL)
        return task;
    fail(run, "NotImplementedError",
         "the message carries %s, which the native runtime does not run yet; the task was not run",
         follow_up);
    return NULL;
}

static bool bind_task(struct run *run, struct celeriac_task *task)
{
    const struct signature *signature = &task->task->signature;
    if (!task->task->has_signature)
        return true;
    task->bound = msgpack_zone_malloc(task->zone, (signature->count + 1) * sizeof(void *));
    if (task->bound == NULL) {
        failure_raise_bare(&run->outcome.failure, "MemoryError");
        return false;
    }
    const struct bind_call call = {.function = task->task->function,
                                   .args = task->args,
                                   .kwargs = task->kwargs,
                                   .zone = task->zone};
    return bind_arguments(signature, &call, task->bound, &run->outcome.failure);
}

static void judge(struct run *run, const struct celeriac_task *task, int returned)
{
    struct outcome *outcome = &run->outcome;
    outcome->result = task->result;
    outcome->failure = task->failure;
    if (task->failure.raised || returned == CELERIAC_OK)
        return;
    if (limits_reached())
        failure_raise_bare(&outcome->failure, "billiard.exceptions.SoftTimeLimitExceeded");
    else
        fail(run, "RuntimeError", "%s() returned %d without raising an exception",
             task->task->function, returned);
}

static void run_task(struct run *run, const struct library_task *found)
{
    struct celeriac_task task = {.task = found,
                                 .request = &run->request,
                                 .zone = &run->job->zone,
                                 .args = &run->body.args,
                                 .kwargs = &run->body.kwargs,
                                 .result = value_nil()};
    if (!bind_task(run, &task))
        return;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int returned = found->definition.run(&task);
    run->outcome.runtime = seconds_since(&start);
    judge(run, &task, returned);
}

static void run_body(struct run *run, struct text body, const struct job_observer *observer)
{
    if (!open_body(run, body))
        return;
    limits_begin(run->number);
    observer->on_start(observer->context);
    const struct library_task *task = find_task(run);
    if (task != NULL)
        run_task(run, task);
    limits_end();
}

bool job_run(struct job *job, uint64_t number, const msgpack_object *request, struct text body,
             const struct job_observer *observer)
{
    struct run run = {.job = job, .number = number};
    if (!request_read(request, &run.request)) {
        run.outcome.state = OUTCOME_INVALID;
        run.outcome.reason = "the request has no task and id in UTF-8";
        return outcome_report(&run.outcome, &job->zone, &job->report);
    }
    run_body(&run, body, observer);
    if (run.outcome.failure.raised)
        run.outcome.state = OUTCOME_FAILURE;
    if (!outcome_document(&run.outcome, &run.request, &job->zone, &job->document))
        return false;
    outcome_log(&run.outcome, &run.request, &job->zone);
    /* What the task has printed is out before its result is. */
    fflush(stdout);
    return outcome_report(&run.outcome, &job->zone, &job->report);
}
