/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the ends of a task that are no results, and the states on the way there. */

#include <string.h>

#include "codec/utf8.h"
#include "worker/runtime/native/after.h"
#include "worker/runtime/native/retry.h"
#include "worker/runtime/native/value_cast.h"

static int decide(struct celeriac_task *task, enum task_verdict verdict)
{
    if (task->verdict == TASK_RUNS)
        task->verdict = verdict;
    return CELERIAC_FAILED;
}

int celeriac_retry(struct celeriac_task *task, double countdown, int max_retries)
{
    retry_ask(task, countdown, max_retries);
    return CELERIAC_FAILED;
}

int celeriac_ignore(struct celeriac_task *task)
{
    return decide(task, TASK_IGNORED);
}

int celeriac_reject(struct celeriac_task *task, bool requeue)
{
    if (task->verdict == TASK_RUNS)
        task->requeue = requeue;
    return decide(task, TASK_REJECTED);
}

bool celeriac_update_state(struct celeriac_task *task, const char *state,
                           const struct celeriac_value *meta)
{
    const msgpack_object none = value_nil();
    struct document document = document_of(task->request, state);
    if (document.state.size == 0 || !utf8_is_valid(document.state)) {
        failure_raise(&task->failure, task->zone, "ValueError", "%s() has set a state without name",
                      task->task->function);
        return false;
    }
    document.result = meta != NULL ? value_cast_in(meta) : &none;
    document.body = task->body;
    document.children = &task->canvas->children;
    if (after_store(task->canvas, &document))
        return true;
    task->failure = task->canvas->failure;
    return false;
}
