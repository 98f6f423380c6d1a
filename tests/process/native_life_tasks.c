/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks for test_native_life.py and test_native_canvas.py: every end that a task can have, and what
 * it can send. */

#include <celeriac/task.h>
#include <string.h>

static int add(struct celeriac_task *task)
{
    int64_t x, y;
    if (!celeriac_arg_int(task, "x", &x) || !celeriac_arg_int(task, "y", &y))
        return CELERIAC_FAILED;
    return celeriac_return_int(task, x + y);
}

static int echo(struct celeriac_task *task)
{
    return celeriac_return(task, celeriac_value_at(celeriac_args(task), 0));
}

static int fail(struct celeriac_task *task)
{
    return celeriac_fail(task, "ValueError", "bad thing");
}

static int retry(struct celeriac_task *task)
{
    double countdown = -1;
    int64_t most = 0;
    bool cause = false;
    if (!celeriac_arg_double(task, "countdown", &countdown) ||
        !celeriac_arg_int(task, "most", &most) || !celeriac_arg_bool(task, "cause", &cause))
        return CELERIAC_FAILED;
    if (cause)
        celeriac_fail(task, "KeyError", "tmp");
    return celeriac_retry(task, countdown, (int)most);
}

static int ignore(struct celeriac_task *task)
{
    return celeriac_ignore(task);
}

static int reject(struct celeriac_task *task)
{
    bool requeue = false;
    if (!celeriac_arg_bool(task, "requeue", &requeue))
        return CELERIAC_FAILED;
    return celeriac_reject(task, requeue);
}

/* The first of them decides. */
static int undecided(struct celeriac_task *task)
{
    celeriac_ignore(task);
    celeriac_reject(task, true);
    celeriac_retry(task, 1, 0);
    return celeriac_return_int(task, 1);
}

static int progress(struct celeriac_task *task)
{
    struct celeriac_value *meta = celeriac_make_dict(task);
    celeriac_dict_set(task, meta, "done", celeriac_make_int(task, 50));
    if (!celeriac_update_state(task, "PROGRESS", meta))
        return CELERIAC_FAILED;
    return celeriac_return_int(task, 100);
}

static int send_plain(struct celeriac_task *task)
{
    struct celeriac_value *args = celeriac_make_list(task);
    celeriac_list_append(task, args, celeriac_make_int(task, 2));
    return celeriac_return_string(task, celeriac_send_task(task, "t.other", args, NULL, NULL));
}

static int send_full(struct celeriac_task *task)
{
    struct celeriac_value *kwargs = celeriac_make_dict(task);
    struct celeriac_value *headers = celeriac_make_dict(task);
    celeriac_dict_set(task, kwargs, "k", celeriac_make_string(task, "v'\"\n"));
    celeriac_dict_set(task, headers, "mine", celeriac_make_int(task, 1));
    struct celeriac_call_options options = {
        .queue = "q",
        .countdown = 10,
        .expires = 60,
        .priority = 7,
        .task_id = "id-1",
        .serializer = "msgpack",
        .time_limit = 30,
        .soft_time_limit = 12.5,
        .ignore_result = CELERIAC_YES,
        .shadow = "t.shadow",
        .reply_to = "answers",
        .headers = headers,
        .link = celeriac_signature(task, "t.callback", NULL, NULL, NULL),
        .link_error = celeriac_signature(task, "t.errback", NULL, NULL, NULL),
    };
    celeriac_send_task(task, "t.other", NULL, kwargs, &options);
    return CELERIAC_OK;
}

static int send_broken(struct celeriac_task *task)
{
    const struct celeriac_call_options options = {.eta = "tomorrow"};
    if (celeriac_send_task(task, "t.other", NULL, NULL, &options) != NULL)
        return celeriac_return_int(task, 1);
    return CELERIAC_FAILED;
}

static int apply(struct celeriac_task *task)
{
    return celeriac_return_string(task,
                                  celeriac_apply(task, celeriac_value_at(celeriac_args(task), 0)));
}

static int replace(struct celeriac_task *task)
{
    return celeriac_replace(task, celeriac_value_at(celeriac_args(task), 0));
}

static const struct celeriac_value *call(struct celeriac_task *task, const char *name)
{
    return celeriac_signature(task, name, NULL, NULL, NULL);
}

static int build(struct celeriac_task *task)
{
    struct celeriac_value *two = celeriac_make_list(task), *steps = celeriac_make_list(task);
    celeriac_list_append(task, two, call(task, "t.one"));
    const struct celeriac_call_options alone = {.immutable = true};
    celeriac_list_append(task, two, celeriac_signature(task, "t.two", NULL, NULL, &alone));
    celeriac_list_append(task, steps, celeriac_group(task, two));
    celeriac_list_append(task, steps, celeriac_chord(task, two, call(task, "t.body")));
    return celeriac_return(task, celeriac_chain(task, steps));
}

CELERIAC_TASKS({.name = "t.add", .run = add, .signature = "x: int, y: int"},
               {.name = "t.echo", .run = echo}, {.name = "t.fail", .run = fail},
               {.name = "t.retry",
                .run = retry,
                .signature = "countdown: float = ..., most: int = ..., cause: bool = ..."},
               {.name = "t.delayed", .run = retry, .default_retry_delay = 7},
               {.name = "t.auto",
                .run = fail,
                .autoretry_for = "KeyError, ValueError",
                .max_retries = 10,
                .retry_backoff = 2,
                .retry_backoff_max = 60,
                .retry_jitter = CELERIAC_NO},
               {.name = "t.jitter", .run = fail, .autoretry_for = "Exception", .retry_backoff = 4},
               {.name = "t.unlisted", .run = fail, .autoretry_for = "ValueErro, KeyError"},
               {.name = "t.ignore", .run = ignore},
               {.name = "t.reject", .run = reject, .signature = "requeue: bool = ..."},
               {.name = "t.undecided", .run = undecided}, {.name = "t.progress", .run = progress},
               {.name = "t.send_plain", .run = send_plain},
               {.name = "t.send_full", .run = send_full},
               {.name = "t.send_broken", .run = send_broken}, {.name = "t.apply", .run = apply},
               {.name = "t.replace", .run = replace}, {.name = "t.build", .run = build},
               {.name = "t.tracked", .run = echo, .track_started = CELERIAC_YES},
               {.name = "t.kept", .run = fail, .store_errors_even_if_ignored = CELERIAC_YES})
