/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns celeriac_return* and celeriac_fail: how a task says what came of it. */

#include <stdarg.h>
#include <string.h>

#include "worker/runtime/native/task_state.h"
#include "worker/runtime/native/value_cast.h"

static int finish(struct celeriac_task *task, msgpack_object result)
{
    task->result = result;
    return task->failure.raised ? CELERIAC_FAILED : CELERIAC_OK;
}

int celeriac_return(struct celeriac_task *task, const struct celeriac_value *value)
{
    return finish(task, value == NULL ? value_nil() : *value_cast_in(value));
}

int celeriac_return_none(struct celeriac_task *task)
{
    return finish(task, value_nil());
}

int celeriac_return_bool(struct celeriac_task *task, bool flag)
{
    return finish(task, value_bool(flag));
}

int celeriac_return_int(struct celeriac_task *task, int64_t number)
{
    return finish(task, value_int(number));
}

int celeriac_return_double(struct celeriac_task *task, double number)
{
    return finish(task, value_double(number));
}

int celeriac_return_string(struct celeriac_task *task, const char *text)
{
    return celeriac_return(task, text == NULL ? NULL : celeriac_make_string(task, text));
}

int celeriac_return_bytes(struct celeriac_task *task, const void *data, size_t size)
{
    return celeriac_return(task, celeriac_make_bytes(task, data, size));
}

int celeriac_fail_at(struct celeriac_task *task, const char *file, int line, const char *function,
                     const char *type, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    failure_raise_va(&task->failure, task->zone, type, format, arguments);
    va_end(arguments);
    task->failure.file = file;
    task->failure.line = line;
    task->failure.function = function;
    return CELERIAC_FAILED;
}
