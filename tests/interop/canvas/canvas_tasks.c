/* SPDX-License-Identifier: BSD-3-Clause */
/* The tasks of app.py in C, under both of their names. */

#include <celeriac/task.h>
#include <string.h>

static int add(struct celeriac_task *task)
{
    int64_t x, y;
    if (!celeriac_arg_int(task, "x", &x) || !celeriac_arg_int(task, "y", &y))
        return CELERIAC_FAILED;
    return celeriac_return_int(task, x + y);
}

static int total(struct celeriac_task *task)
{
    const struct celeriac_value *numbers = celeriac_arg(task, "numbers");
    int64_t sum = 0, number;
    for (size_t i = 0; i < celeriac_value_length(numbers); i++) {
        if (!celeriac_value_int(celeriac_value_at(numbers, i), &number))
            return celeriac_fail(task, "TypeError", "number %zu is none", i);
        sum += number;
    }
    return celeriac_return_int(task, sum);
}

static int echo(struct celeriac_task *task)
{
    struct celeriac_value *call = celeriac_make_list(task);
    celeriac_list_append(task, call, celeriac_args(task));
    celeriac_list_append(task, call, celeriac_kwargs(task));
    return celeriac_return(task, call);
}

static int quiet(struct celeriac_task *task)
{
    return celeriac_return(task, celeriac_args(task));
}

static int slow(struct celeriac_task *task)
{
    double seconds = 0;
    if (!celeriac_arg_double(task, "seconds", &seconds) ||
        celeriac_sleep(task, seconds) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_return(task, celeriac_arg(task, "value"));
}

static int fail(struct celeriac_task *task)
{
    return celeriac_fail(task, "ValueError", "bad thing");
}

static int late(struct celeriac_task *task)
{
    double seconds = 0;
    if (!celeriac_arg_double(task, "seconds", &seconds) ||
        celeriac_sleep(task, seconds) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_fail(task, "ValueError", "late thing");
}

static int ignore(struct celeriac_task *task)
{
    return celeriac_ignore(task);
}

static int retry(struct celeriac_task *task)
{
    int64_t value, times, retries = celeriac_request(task)->retries;
    if (!celeriac_arg_int(task, "value", &value) || !celeriac_arg_int(task, "times", &times))
        return CELERIAC_FAILED;
    if (retries >= times)
        return celeriac_return_int(task, value + retries);
    celeriac_fail(task, "KeyError", "again");
    return celeriac_retry(task, 0.05, (int)times);
}

static int exhaust(struct celeriac_task *task)
{
    celeriac_fail(task, "KeyError", "out");
    return celeriac_retry(task, 0.05, 1);
}

static const struct celeriac_value *last_argument(struct celeriac_task *task)
{
    const struct celeriac_value *args = celeriac_args(task);
    return celeriac_value_at(args, celeriac_value_length(args) - 1);
}

static int replace(struct celeriac_task *task)
{
    return celeriac_replace(task, last_argument(task));
}

static int apply(struct celeriac_task *task)
{
    if (celeriac_apply(task, last_argument(task)) == NULL)
        return CELERIAC_FAILED;
    return celeriac_return_string(task, "applied");
}

/* The names of the stamps, sorted, of which the tests have two at most. */
static struct celeriac_value *stamp_names(struct celeriac_task *task)
{
    struct celeriac_value *names = celeriac_make_list(task);
    const struct celeriac_value *stamps = celeriac_header(task, "stamps");
    for (size_t i = 0; i < celeriac_value_length(stamps); i++)
        celeriac_list_append(task, names, celeriac_value_key_at(stamps, i));
    return names;
}

static int seen(struct celeriac_task *task)
{
    const struct celeriac_request *request = celeriac_request(task);
    struct celeriac_value *told = celeriac_make_list(task);
    int64_t count = (int64_t)celeriac_value_length(celeriac_args(task));
    bool is_root = strcmp(request->root_id, request->id) == 0;
    celeriac_list_append(task, told, celeriac_make_int(task, count));
    celeriac_list_append(task, told, celeriac_make_bool(task, is_root));
    celeriac_list_append(task, told, celeriac_make_bool(task, request->parent_id == NULL));
    celeriac_list_append(task, told, celeriac_make_bool(task, request->group == NULL));
    celeriac_list_append(task, told,
                         request->priority < 0 ? celeriac_make_none(task)
                                               : celeriac_make_int(task, request->priority));
    celeriac_list_append(task, told, celeriac_make_int(task, request->retries));
    celeriac_list_append(task, told, stamp_names(task));
    return celeriac_return(task, told);
}

static int errback(struct celeriac_task *task)
{
    struct celeriac_value *told = celeriac_make_list(task);
    celeriac_list_append(task, told, celeriac_make_string(task, "told of"));
    celeriac_list_append(task, told, celeriac_arg(task, "failed"));
    return celeriac_return(task, told);
}

static int broken(struct celeriac_task *task)
{
    return celeriac_fail(task, "ValueError", "worse thing");
}

#define TASKS(prefix)                                                                              \
    {.name = prefix ".add", .run = add, .signature = "x: int, y: int"},                            \
        {.name = prefix ".total", .run = total, .signature = "numbers: list"},                     \
        {.name = prefix ".echo", .run = echo},                                                     \
        {.name = prefix ".quiet", .run = quiet, .ignore_result = CELERIAC_YES},                    \
        {.name = prefix ".slow", .run = slow, .signature = "seconds: float, value"},               \
        {.name = prefix ".fail", .run = fail},                                                     \
        {.name = prefix ".late", .run = late, .signature = "seconds: float"},                      \
        {.name = prefix ".ignore", .run = ignore},                                                 \
        {.name = prefix ".retry", .run = retry, .signature = "value: int, times: int"},            \
        {.name = prefix ".exhaust", .run = exhaust}, {.name = prefix ".replace", .run = replace},  \
        {.name = prefix ".apply", .run = apply}, {.name = prefix ".seen", .run = seen},            \
        {.name = prefix ".errback", .run = errback, .signature = "failed: str"},                   \
        {.name = prefix ".broken", .run = broken, .signature = "failed: str"},                     \
    {                                                                                              \
        .name = prefix ".handler", .run = errback, .signature = "failed: str"                      \
    }

CELERIAC_TASKS(TASKS("one"), TASKS("two"))
