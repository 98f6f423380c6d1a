/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the arguments of celery.chord_unlock and its coming again. Knows no backend. */

#include "worker/runtime/native/chord_unlock.h"

#include <string.h>

#include "worker/runtime/native/canvas_internal.h"
#include "worker/runtime/native/chord_end.h"
#include "worker/runtime/native/retry.h"

enum { DEPTH_MAX = 64 };

static const double interval_default = 1; /* seconds; Celery's result_chord_retry_interval */

/* By place or by name. */
struct call {
    struct text group;
    const msgpack_object *body;
    double interval;
    int64_t max_retries; /* -1: no end */
    const msgpack_object *results;
};

static const msgpack_object *argument(const struct task_body *body, size_t index, const char *name)
{
    const msgpack_object *value = value_at(&body->args, index);
    if (value == NULL)
        value = value_get(&body->kwargs, name);
    return value_is_nil(value) ? NULL : value;
}

static bool read_call(const struct task_body *body, struct call *ret)
{
    const msgpack_object *interval = argument(body, 2, "interval");
    struct call call = {
        .body = argument(body, 1, "callback"),
        .interval = interval_default,
        .max_retries = -1,
        .results = argument(body, 4, "result"),
    };
    int64_t seconds;
    if (value_as_int(interval, &seconds))
        call.interval = (double)seconds;
    else if (interval != NULL && interval->type == MSGPACK_OBJECT_FLOAT64)
        call.interval = interval->via.f64;
    value_as_int(argument(body, 3, "max_retries"), &call.max_retries);
    if (!value_as_text(argument(body, 0, "group_id"), &call.group) || call.body == NULL ||
        call.results == NULL || call.results->type != MSGPACK_OBJECT_ARRAY)
        return false;
    *ret = call;
    return true;
}

/* ---- the task ---- */

/* The ids of all tasks in a result tuple, [[id, parent], members or null], or in a list of them. */
static size_t gather(const msgpack_object *tuple, int depth, msgpack_object *ids)
{
    const msgpack_object *members = value_at(tuple, 1);
    size_t count = 0;
    if (value_is_nil(members)) {
        const msgpack_object *id = value_at(value_at(tuple, 0), 0);
        if (ids != NULL && id != NULL)
            ids->via.array.ptr[ids->via.array.size++] = *id;
        return id != NULL;
    }
    for (size_t i = 0; depth < DEPTH_MAX && value_at(members, i) != NULL; i++)
        count += gather(value_at(members, i), depth + 1, ids);
    return count;
}

/* The header as one group's tuple. */
static bool make_shape(struct canvas *canvas, const struct call *call, msgpack_object *ret)
{
    return canvas_result(canvas, value_text(call->group), call->results, ret);
}

static int refuse(struct celeriac_task *task, const char *type, const char *text)
{
    failure_raise(&task->failure, task->zone, type, "%s", text);
    return CELERIAC_FAILED;
}

int chord_unlock_run(struct celeriac_task *task)
{
    struct call call;
    msgpack_object shape, ids;
    if (!task->request->chords)
        return refuse(task, "NotImplementedError",
                      "this worker's result backend keeps no results that could be looked up, so "
                      "it cannot wait for a chord: use redis://, or let a Python worker consume "
                      "this queue");
    if (!read_call(task->body, &call))
        return refuse(task, "TypeError", "chord_unlock() needs group_id, callback and result");
    if (!make_shape(task->canvas, &call, &shape) ||
        !value_array(task->zone, (uint32_t)gather(&shape, 0, NULL), &ids)) {
        failure_raise_bare(&task->failure, "MemoryError");
        return CELERIAC_FAILED;
    }
    ids.via.array.size = 0;
    if (gather(&shape, 0, &ids) == 0)
        return refuse(task, "ValueError", "chord_unlock() has nothing to wait for");
    task->awaited = (struct after_part){.group = call.group, .chord = call.body, .results = ids};
    return CELERIAC_OK;
}

/* ---- its record ---- */

bool chord_unlock_is(const struct request *request)
{
    return text_equal(request->task, "celery.chord_unlock");
}

static bool come_again(const struct record *record, const struct call *call)
{
    const struct celeriac_task task = {.request = record->request,
                                       .body = record->body,
                                       .canvas = record->canvas,
                                       .zone = record->canvas->zone,
                                       .args = &record->body->args,
                                       .kwargs = &record->body->kwargs,
                                       .countdown = call->interval};
    return retry_send(&task, record->packed_body);
}

/* As a record that says why the results cannot be had. */
static bool make_error(struct canvas *canvas, const char *text, msgpack_object *ret)
{
    if (!value_map(canvas->zone, 1, ret))
        return canvas_out_of_memory(canvas);
    value_map_put(ret, "error", value_string(text));
    return true;
}

bool chord_unlock_end(const struct record *record, const msgpack_object **ret_body,
                      struct failure *ret_failure)
{
    struct canvas *canvas = record->canvas;
    const msgpack_object *said = record->request->record;
    msgpack_object shape, error;
    struct call call;
    if (!read_call(record->body, &call))
        return canvas_refuse(canvas, "TypeError", "the arguments have changed");
    *ret_body = call.body;
    if (!make_shape(canvas, &call, &shape))
        return false;
    if (!chord_end_is_complete(canvas, said)) {
        if (call.max_retries < 0 || request_retries(record->request) < call.max_retries)
            return come_again(record, &call);
        if (!make_error(canvas, "Join error: MaxRetriesExceededError()", &error))
            return false;
        said = &error;
    }
    return chord_end(canvas, call.body, said, &shape, ret_failure);
}
