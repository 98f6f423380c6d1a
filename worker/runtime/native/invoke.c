/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way into a task's function and out of it. Knows no message. */

#include "worker/runtime/native/invoke.h"

#include "worker/runtime/native/bind.h"
#include "worker/runtime/native/limits.h"

static bool bind_task(struct celeriac_task *task)
{
    const struct signature *signature = &task->task->signature;
    if (!task->task->has_signature)
        return true;
    task->bound = msgpack_zone_malloc(task->zone, (signature->count + 1) * sizeof(void *));
    if (task->bound == NULL) {
        failure_raise_bare(&task->failure, "MemoryError");
        return false;
    }
    const struct bind_call call = {.function = task->task->function,
                                   .args = task->args,
                                   .kwargs = task->kwargs,
                                   .zone = task->zone};
    return bind_arguments(signature, &call, task->bound, &task->failure);
}

void invoke_task(struct celeriac_task *task)
{
    if (!bind_task(task))
        return;
    int returned = task->task->definition.run(task);
    if (task->verdict != TASK_RUNS || task->failure.raised || returned == CELERIAC_OK)
        return;
    if (limits_reached())
        failure_raise_bare(&task->failure, "billiard.exceptions.SoftTimeLimitExceeded");
    else
        failure_raise(&task->failure, task->zone, "RuntimeError",
                      "%s() returned %d without raising an exception", task->task->function,
                      returned);
}
