/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_INVOKE_H
#define CELERIAC_NATIVE_INVOKE_H

/* The call of a task's function. */

#include "worker/runtime/native/task_state.h"

/* Binds task->args and task->kwargs, runs the function, and judges what it has returned: the task
 * has a result, a failure or a verdict afterwards. The rest of *task is filled in by the caller. */
void invoke_task(struct celeriac_task *task);

#endif
