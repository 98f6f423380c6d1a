/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns celeriac_arg*: a running task's way to its arguments. */

#include <string.h>

#include "worker/runtime/native/bind.h"
#include "worker/runtime/native/task_state.h"
#include "worker/runtime/native/value_cast.h"

const struct celeriac_value *celeriac_args(struct celeriac_task *task)
{
    return value_cast_out(task->args);
}

const struct celeriac_value *celeriac_kwargs(struct celeriac_task *task)
{
    return value_cast_out(task->kwargs);
}

/* False: the task asks for a parameter that it does not have. */
static bool find(struct celeriac_task *task, const char *name, const msgpack_object **ret)
{
    if (!task->task->has_signature) {
        *ret = value_get(task->kwargs, name);
        return true;
    }
    int index = signature_find(&task->task->signature, (struct text){name, strlen(name)});
    if (index < 0) {
        failure_raise(&task->failure, task->zone, "RuntimeError",
                      "%s() has no parameter '%s' in its signature", task->task->function, name);
        return false;
    }
    *ret = task->bound[index];
    return true;
}

const struct celeriac_value *celeriac_arg(struct celeriac_task *task, const char *name)
{
    const msgpack_object *value;
    return find(task, name, &value) ? value_cast_out(value) : NULL;
}

/* True with *ret_value NULL if the argument was left out. */
static bool find_typed(struct celeriac_task *task, const char *name, enum celeriac_type type,
                       const struct celeriac_value **ret_value)
{
    const msgpack_object *value;
    if (!find(task, name, &value))
        return false;
    if (value != NULL && !bind_type_matches(value, type)) {
        failure_raise(&task->failure, task->zone, "TypeError",
                      "%s() argument '%s' must be %s, not %s", task->task->function, name,
                      bind_type_name(type), value_type_name(value));
        return false;
    }
    *ret_value = value_cast_out(value);
    return true;
}

static bool overflow(struct celeriac_task *task, const char *name, const char *type)
{
    failure_raise(&task->failure, task->zone, "OverflowError",
                  "%s() argument '%s' is too large for %s", task->task->function, name, type);
    return false;
}

bool celeriac_arg_bool(struct celeriac_task *task, const char *name, bool *ret)
{
    const struct celeriac_value *value;
    if (!find_typed(task, name, CELERIAC_BOOL, &value))
        return false;
    celeriac_value_bool(value, ret);
    return true;
}

bool celeriac_arg_int(struct celeriac_task *task, const char *name, int64_t *ret)
{
    const struct celeriac_value *value;
    if (!find_typed(task, name, CELERIAC_INT, &value))
        return false;
    if (value == NULL || celeriac_value_int(value, ret))
        return true;
    return overflow(task, name, "a signed 64-bit int");
}

bool celeriac_arg_double(struct celeriac_task *task, const char *name, double *ret)
{
    const struct celeriac_value *value;
    if (!find_typed(task, name, CELERIAC_FLOAT, &value))
        return false;
    if (value == NULL || celeriac_value_double(value, ret))
        return true;
    return overflow(task, name, "a float");
}

bool celeriac_arg_string(struct celeriac_task *task, const char *name, const char **ret)
{
    const struct celeriac_value *value;
    if (!find_typed(task, name, CELERIAC_STR, &value))
        return false;
    struct text text;
    if (!value_as_text(value_cast_in(value), &text))
        return true;
    if (memchr(text.data, '\0', text.size) != NULL) {
        failure_raise(&task->failure, task->zone, "ValueError",
                      "%s() argument '%s' holds a null character", task->task->function, name);
        return false;
    }
    const char *copy = text_copy(task->zone, text);
    if (copy == NULL) {
        failure_raise_bare(&task->failure, "MemoryError");
        return false;
    }
    *ret = copy;
    return true;
}

bool celeriac_arg_bytes(struct celeriac_task *task, const char *name, const void **ret_data,
                        size_t *ret_size)
{
    const msgpack_object *value;
    if (!find(task, name, &value))
        return false;
    if (value == NULL || celeriac_value_bytes(value_cast_out(value), ret_data, ret_size))
        return true;
    failure_raise(&task->failure, task->zone, "TypeError",
                  "%s() argument '%s' must be bytes or str, not %s", task->task->function, name,
                  value_type_name(value));
    return false;
}
