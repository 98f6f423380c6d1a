/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a task may ask and do besides its arguments and its result: its request, the log, the
 * soft time limit. */

#include <stdarg.h>
#include <stdio.h>

#include "worker/log/log.h"
#include "worker/runtime/native/limits.h"
#include "worker/runtime/native/task_state.h"
#include "worker/runtime/native/value_cast.h"

const struct celeriac_request *celeriac_request(struct celeriac_task *task)
{
    /* Out of memory is no reason to hand out NULL to somebody who cannot do anything about it. */
    static const struct celeriac_request nothing = {.priority = -1};
    if (task->public_request == NULL)
        task->public_request = request_publish(task->request, task->zone);
    if (task->public_request != NULL)
        return task->public_request;
    failure_raise_bare(&task->failure, "MemoryError");
    return &nothing;
}

const struct celeriac_value *celeriac_header(struct celeriac_task *task, const char *name)
{
    return value_cast_out(value_get(task->request->headers, name));
}

void celeriac_log(struct celeriac_task *task, enum celeriac_log_level level, const char *format,
                  ...)
{
    if (!log_enabled((enum log_level)level))
        return;
    char text[LOG_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    char id[256];
    snprintf(id, sizeof(id), "%.*s",
             (int)(task->request->id.size < sizeof(id) ? task->request->id.size : sizeof(id) - 1),
             task->request->id.data);
    log_clean(id);
    log_line((enum log_level)level, "%s[%s]: %s", task->task->definition.name, id, text);
}

bool celeriac_soft_limit_reached(const struct celeriac_task *task)
{
    (void)task;
    return limits_reached();
}

int celeriac_sleep(struct celeriac_task *task, double seconds)
{
    (void)task;
    return limits_sleep(seconds) ? CELERIAC_OK : CELERIAC_FAILED;
}
