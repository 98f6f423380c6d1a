/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that do more than return: they try again, tell how far they are, and call other tasks. The
 * examples of docs/native-tasks.md. */

#include <celeriac/task.h>

#include <string.h>

/* ---- ends ---- */

/* Stands for a service that is busy at first. */
static bool service_is_busy(struct celeriac_task *task, int64_t busy)
{
    return celeriac_request(task)->retries < busy;
}

/* Tries again by itself: the task decides when, and how often. */
static int fetch(struct celeriac_task *task)
{
    int64_t busy = 0;
    if (!celeriac_arg_int(task, "busy", &busy))
        return CELERIAC_FAILED;
    if (service_is_busy(task, busy)) {
        celeriac_fail(task, "ConnectionError", "the service is busy");
        return celeriac_retry(task, 0.1, 5);
    }
    return celeriac_return_int(task, celeriac_request(task)->retries);
}

/* Tries again because of its definition: see autoretry_for below. */
static int fetch_automatically(struct celeriac_task *task)
{
    int64_t busy = 0;
    if (!celeriac_arg_int(task, "busy", &busy))
        return CELERIAC_FAILED;
    if (service_is_busy(task, busy))
        return celeriac_fail(task, "ConnectionError", "the service is busy");
    return celeriac_return_int(task, celeriac_request(task)->retries);
}

/* Nobody has to hear of an event that is too old. */
static int notice(struct celeriac_task *task)
{
    int64_t age = 0;
    if (!celeriac_arg_int(task, "age", &age))
        return CELERIAC_FAILED;
    if (age > 60)
        return celeriac_ignore(task);
    return celeriac_return_int(task, age);
}

/* Needs acks_late: a message that was acknowledged before cannot be rejected. */
static int convert(struct celeriac_task *task)
{
    const char *format = "png";
    if (!celeriac_arg_string(task, "format", &format))
        return CELERIAC_FAILED;
    if (strcmp(format, "png") != 0)
        return celeriac_reject(task, false);
    return celeriac_return_none(task);
}

/* A client sees {"done": n} as the result while the state is PROGRESS. */
static int count_to(struct celeriac_task *task)
{
    int64_t end = 0;
    if (!celeriac_arg_int(task, "end", &end))
        return CELERIAC_FAILED;
    for (int64_t done = 0; done < end; done++) {
        struct celeriac_value *meta = celeriac_make_dict(task);
        celeriac_dict_set(task, meta, "done", celeriac_make_int(task, done));
        if (!celeriac_update_state(task, "PROGRESS", meta))
            return CELERIAC_FAILED;
    }
    return celeriac_return_int(task, end);
}

/* ---- other tasks ---- */

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
            return celeriac_fail(task, "TypeError", "element %zu is no int", i);
        sum += number;
    }
    return celeriac_return_int(task, sum);
}

/* Sends a task and does not wait for it: returns its id. */
static int send_later(struct celeriac_task *task)
{
    struct celeriac_value *args = celeriac_make_list(task);
    celeriac_list_append(task, args, celeriac_make_int(task, 2));
    celeriac_list_append(task, args, celeriac_make_int(task, 3));
    const struct celeriac_call_options options = {.countdown = 0.2, .expires = 60};
    return celeriac_return_string(task,
                                  celeriac_send_task(task, "workflow.add", args, NULL, &options));
}

/* add(number) as a signature: the result of the step before becomes its first argument. */
static const struct celeriac_value *add_to(struct celeriac_task *task, int64_t number)
{
    struct celeriac_value *args = celeriac_make_list(task);
    celeriac_list_append(task, args, celeriac_make_int(task, number));
    return celeriac_signature(task, "workflow.add", args, NULL, NULL);
}

/* (x + 1) + (x + 2), by a chord: both sums at once, then total of the list of them. It takes this
 * task's place, so that whoever waits for this task gets the total. */
static int spread(struct celeriac_task *task)
{
    const struct celeriac_value *x = celeriac_arg(task, "x");
    struct celeriac_value *parts = celeriac_make_list(task);
    for (int64_t i = 1; i <= 2; i++) {
        struct celeriac_value *args = celeriac_make_list(task);
        celeriac_list_append(task, args, x);
        celeriac_list_append(task, args, celeriac_make_int(task, i));
        celeriac_list_append(task, parts,
                             celeriac_signature(task, "workflow.add", args, NULL, NULL));
    }
    const struct celeriac_value *body =
        celeriac_signature(task, "workflow.total", NULL, NULL, NULL);
    return celeriac_replace(task, celeriac_chord(task, parts, body));
}

/* total([1, 2]) + 10 + 100, by a chain, with workflow.report as the errback of its last step.
 * Returns the id under which the sum will be. */
static int chain_up(struct celeriac_task *task)
{
    struct celeriac_value *numbers = celeriac_make_list(task);
    struct celeriac_value *args = celeriac_make_list(task);
    struct celeriac_value *last = celeriac_make_list(task);
    struct celeriac_value *steps = celeriac_make_list(task);
    celeriac_list_append(task, numbers, celeriac_make_int(task, 1));
    celeriac_list_append(task, numbers, celeriac_make_int(task, 2));
    celeriac_list_append(task, args, numbers);
    celeriac_list_append(task, last, celeriac_make_int(task, 100));
    const struct celeriac_call_options options = {
        .link_error = celeriac_signature(task, "workflow.report", NULL, NULL, NULL),
    };
    celeriac_list_append(task, steps, celeriac_signature(task, "workflow.total", args, NULL, NULL));
    celeriac_list_append(task, steps, add_to(task, 10));
    celeriac_list_append(task, steps,
                         celeriac_signature(task, "workflow.add", last, NULL, &options));
    return celeriac_return_string(task, celeriac_apply(task, celeriac_chain(task, steps)));
}

/* An errback: called with the id of the task that has failed. */
static int report(struct celeriac_task *task)
{
    const char *failed = "";
    if (!celeriac_arg_string(task, "failed", &failed))
        return CELERIAC_FAILED;
    celeriac_log(task, CELERIAC_LOG_WARNING, "task %s has failed", failed);
    return celeriac_return_string(task, failed);
}

CELERIAC_TASKS({.name = "workflow.fetch", .run = fetch, .signature = "busy: int"},
               {.name = "workflow.fetch_automatically",
                .run = fetch_automatically,
                .signature = "busy: int",
                .autoretry_for = "ConnectionError, TimeoutError",
                .retry_backoff = 1,
                .retry_backoff_max = 60,
                .max_retries = 5},
               {.name = "workflow.notice", .run = notice, .signature = "age: int"},
               {.name = "workflow.convert",
                .run = convert,
                .signature = "format: str = ...",
                .acks_late = CELERIAC_YES},
               {.name = "workflow.count_to", .run = count_to, .signature = "end: int"},
               {.name = "workflow.add", .run = add, .signature = "x: int, y: int"},
               {.name = "workflow.total", .run = total, .signature = "numbers: list"},
               {.name = "workflow.send_later", .run = send_later, .signature = ""},
               {.name = "workflow.spread", .run = spread, .signature = "x: int"},
               {.name = "workflow.chain_up", .run = chain_up, .signature = ""},
               {.name = "workflow.report", .run = report, .signature = "failed: str"})
