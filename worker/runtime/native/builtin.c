/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the tasks celery.*: maps run here, legacy canvas is started from here. */

#include "worker/runtime/native/builtin.h"

#include <string.h>

#include "codec/base.h"
#include "worker/runtime/native/chord_unlock.h"
#include "worker/runtime/native/invoke.h"
#include "worker/runtime/native/task_state.h"

static int fail(struct celeriac_task *task, const char *type, const char *text)
{
    failure_raise(&task->failure, task->zone, type, "%s", text);
    return CELERIAC_FAILED;
}

static int out_of_memory(struct celeriac_task *task)
{
    failure_raise_bare(&task->failure, "MemoryError");
    return CELERIAC_FAILED;
}

/* An argument by place or by name; NULL if it is not there or None. */
static const msgpack_object *argument(const struct celeriac_task *task, size_t index,
                                      const char *name)
{
    const msgpack_object *value = value_at(task->args, index);
    if (value == NULL)
        value = value_get(task->kwargs, name);
    return value_is_nil(value) ? NULL : value;
}

/* ---- celery.map, celery.starmap ---- */

static const struct library_task *inner_task(struct celeriac_task *task)
{
    const msgpack_object *signature = argument(task, 0, "task");
    struct text name = {NULL, 0};
    value_as_text(value_get(signature, "task"), &name);
    const struct library_task *found = name.data == NULL ? NULL : library_find(task->library, name);
    if (found == NULL)
        failure_raise(&task->failure, task->zone, "celery.exceptions.NotRegistered", "%.*s",
                      (int)name.size, name.data == NULL ? "" : name.data);
    return found;
}

/* False: the task's failure says why. */
static bool call_inner(struct celeriac_task *task, const struct library_task *found,
                       const msgpack_object *args, msgpack_object *ret)
{
    const msgpack_object none = {.type = MSGPACK_OBJECT_MAP};
    struct celeriac_task inner = *task;
    inner.task = found;
    inner.args = args;
    inner.kwargs = &none;
    inner.bound = NULL;
    inner.result = value_nil();
    invoke_task(&inner);
    if (inner.verdict != TASK_RUNS)
        failure_raise(&inner.failure, task->zone, "RuntimeError",
                      "%s() has ended a map, where it can only return", found->function);
    task->failure = inner.failure;
    *ret = inner.result;
    return !inner.failure.raised;
}

static int run_over(struct celeriac_task *task, bool star)
{
    const struct library_task *found = inner_task(task);
    const msgpack_object *items = argument(task, 1, "it");
    if (found == NULL)
        return CELERIAC_FAILED;
    if (items == NULL || items->type != MSGPACK_OBJECT_ARRAY)
        return fail(task, "TypeError", "the items of a map are no list");
    msgpack_object results;
    if (!value_array(task->zone, items->via.array.size, &results))
        return out_of_memory(task);
    for (uint32_t i = 0; i < items->via.array.size; i++) {
        msgpack_object *item = &items->via.array.ptr[i];
        msgpack_object args = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, item}};
        if (star && item->type != MSGPACK_OBJECT_ARRAY)
            return fail(task, "TypeError", "an item of a starmap is no list");
        if (!call_inner(task, found, star ? item : &args, &results.via.array.ptr[i]))
            return CELERIAC_FAILED;
    }
    task->result = results;
    return CELERIAC_OK;
}

static int run_map(struct celeriac_task *task)
{
    return run_over(task, false);
}

static int run_starmap(struct celeriac_task *task)
{
    return run_over(task, true);
}

/* ---- those that start something ---- */

static int apply(struct celeriac_task *task, const char *name, const msgpack_object *kwargs,
                 const msgpack_object *args, const msgpack_object *options)
{
    const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    struct subtask subtask = {.task = {name, strlen(name)},
                              .type = {name + strlen("celery."), strlen(name) - strlen("celery.")},
                              .args = none,
                              .kwargs = *kwargs,
                              .options = {.type = MSGPACK_OBJECT_MAP}};
    msgpack_object signature;
    if (!subtask_value(&subtask, task->zone, &signature))
        return out_of_memory(task);
    if (args == NULL || args->type != MSGPACK_OBJECT_ARRAY)
        args = &none;
    if (canvas_apply(task->canvas, &signature, args, options, &task->result))
        return CELERIAC_OK;
    task->failure = task->canvas->failure;
    return CELERIAC_FAILED;
}

static msgpack_object or_nil(const msgpack_object *value)
{
    return value != NULL ? *value : value_nil();
}

static int run_group(struct celeriac_task *task)
{
    msgpack_object kwargs, options;
    if (!value_map(task->zone, 1, &kwargs) || !value_map(task->zone, 1, &options))
        return out_of_memory(task);
    value_map_put(&kwargs, "tasks", or_nil(argument(task, 0, "tasks")));
    value_map_put(&options, "task_id", or_nil(argument(task, 2, "group_id")));
    return apply(task, "celery.group", &kwargs, argument(task, 3, "partial_args"), &options);
}

static int run_chord(struct celeriac_task *task)
{
    msgpack_object kwargs;
    if (!value_map(task->zone, 2, &kwargs))
        return out_of_memory(task);
    value_map_put(&kwargs, "header", or_nil(argument(task, 0, "header")));
    value_map_put(&kwargs, "body", or_nil(argument(task, 1, "body")));
    return apply(task, "celery.chord", &kwargs, argument(task, 2, "partial_args"), NULL);
}

static int run_chunks(struct celeriac_task *task)
{
    msgpack_object kwargs;
    if (!value_map(task->zone, 3, &kwargs))
        return out_of_memory(task);
    value_map_put(&kwargs, "task", or_nil(argument(task, 0, "task")));
    value_map_put(&kwargs, "it", or_nil(argument(task, 1, "it")));
    value_map_put(&kwargs, "n", or_nil(argument(task, 2, "n")));
    return apply(task, "celery.chunks", &kwargs, NULL, NULL);
}

/* ---- the rest ---- */

static int run_accumulate(struct celeriac_task *task)
{
    const msgpack_object *index = value_get(task->kwargs, "index");
    int64_t number;
    task->result = *task->args;
    if (value_is_nil(index))
        return CELERIAC_OK;
    if (!value_as_int(index, &number))
        return fail(task, "TypeError", "the index is no int");
    if (number < 0)
        number += task->args->via.array.size;
    const msgpack_object *value = number < 0 ? NULL : value_at(task->args, (size_t)number);
    if (value == NULL)
        return fail(task, "IndexError", "list index out of range");
    task->result = *value;
    return CELERIAC_OK;
}

static int run_chain(struct celeriac_task *task)
{
    return fail(task, "NotImplementedError", "chain is not a real task");
}

/* Only databases keep what has expired. */
static int run_backend_cleanup(struct celeriac_task *task)
{
    (void)task;
    return CELERIAC_OK;
}

const struct celeriac_task_definition *builtin_tasks(size_t *ret_count)
{
    static const struct celeriac_task_definition tasks[] = {
        {.name = "celery.accumulate", .run = run_accumulate},
        {.name = "celery.backend_cleanup", .run = run_backend_cleanup},
        {.name = "celery.chain", .run = run_chain},
        {.name = "celery.chord", .run = run_chord},
        {.name = "celery.chord_unlock", .run = chord_unlock_run},
        {.name = "celery.chunks", .run = run_chunks},
        {.name = "celery.group", .run = run_group},
        {.name = "celery.map", .run = run_map},
        {.name = "celery.starmap", .run = run_starmap},
    };
    *ret_count = ARRAY_LEN(tasks);
    return tasks;
}
