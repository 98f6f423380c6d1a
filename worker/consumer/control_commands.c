/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of remote control commands, and those about tasks' options. Must not know how a
 * command came here and how its reply leaves. */

#include "worker/consumer/control_commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/rate_limit.h"
#include "codec/result_message.h"
#include "worker/consumer/internal.h"
#include "worker/log/log.h"

enum { REQUIRED_MAX = 2, NAME_SIZE = 256 };

/* ---- replies ---- */

static void reply_text(struct control_call *call, const char *key, const char *format, va_list list)
{
    /* The text may quote what lies in call->text. */
    char text[CONTROL_TEXT_SIZE];
    int size = vsnprintf(text, sizeof(text), format, list);
    if (size >= (int)sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    memcpy(call->text, text, sizeof(text));
    if (value_map(call->zone, 1, &call->reply))
        value_map_put(&call->reply, key, value_string(call->text));
    else
        call->reply = value_nil();
}

void control_ok(struct control_call *call, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    reply_text(call, "ok", format, list);
    va_end(list);
}

void control_error(struct control_call *call, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    reply_text(call, "error", format, list);
    va_end(list);
}

/* ---- arguments ---- */

const msgpack_object *control_argument(const struct control_call *call, const char *name)
{
    const msgpack_object *value = value_get(call->arguments, name);
    return value_is_nil(value) ? NULL : value;
}

bool control_truth(const msgpack_object *value)
{
    double number;
    struct text text;
    bool flag;
    if (value_is_nil(value))
        return false;
    if (value_as_bool(value, &flag))
        return flag;
    if (value_as_double(value, &number))
        return number != 0;
    if (value_as_text(value, &text))
        return text.size > 0;
    if (value->type == MSGPACK_OBJECT_ARRAY)
        return value->via.array.size > 0;
    return value->type != MSGPACK_OBJECT_MAP || value->via.map.size > 0;
}

/* ---- commands ---- */

static void do_ping(struct control_call *call)
{
    control_ok(call, "pong");
}

static void do_clock(struct control_call *call)
{
    if (value_map(call->zone, 1, &call->reply))
        value_map_put(&call->reply, "clock", value_int(call->consumer->control.clock));
}

/* The task that the argument task_name names; else the answer is given, as Celery words it. */
static struct task *named_task(struct control_call *call, const char *what)
{
    struct text name = {NULL, 0};
    value_as_text(control_argument(call, "task_name"), &name);
    struct task *task = registry_find(&call->consumer->registry, name);
    if (task != NULL)
        return task;
    log_error("%s attempt for unknown task %.*s", what, text_quoted_size(name),
              name.data != NULL ? name.data : "None");
    control_error(call, "unknown task");
    return NULL;
}

static void do_rate_limit(struct control_call *call)
{
    const msgpack_object *limit = control_argument(call, "rate_limit");
    struct codec_reason reason;
    double per_second;
    char words[NAME_SIZE];
    int error = rate_limit_read(limit, &per_second, &reason);
    if (error != 0) {
        control_error(call, "%s%s", error == CODEC_EINVALID ? "Invalid rate limit string: " : "",
                      reason.text);
        return;
    }
    struct task *task = named_task(call, "Rate limit");
    if (task == NULL)
        return;
    throttle_change(call->consumer, task, per_second);
    if (!control_truth(limit)) {
        log_info("Rate limits disabled for tasks of type %.*s", text_quoted_size(task->name),
                 task->name.data);
        control_ok(call, "rate limit disabled successfully");
        return;
    }
    result_repr(limit, words, sizeof(words));
    log_info("New rate limit for tasks of type %.*s: %s.", text_quoted_size(task->name),
             task->name.data, words);
    control_ok(call, "new rate limit set successfully");
}

/* False: no number, and the answer is given. */
static bool seconds_of(struct control_call *call, const char *name, double *ret)
{
    const msgpack_object *value = control_argument(call, name);
    double seconds = 0;
    if (value != NULL && (!value_as_double(value, &seconds) || !(seconds >= 0) || seconds > 1e9)) {
        control_error(call, "ValueError('%s is no number of seconds')", name);
        return false;
    }
    *ret = seconds;
    return true;
}

static void do_time_limit(struct control_call *call)
{
    double hard, soft;
    struct task *task = named_task(call, "Change time limit");
    if (task == NULL || !seconds_of(call, "hard", &hard) || !seconds_of(call, "soft", &soft))
        return;
    task->time_limit = hard;
    task->soft_time_limit = soft;
    log_info("New time limits for tasks of type %.*s: soft=%g hard=%g",
             text_quoted_size(task->name), task->name.data, soft, hard);
    control_ok(call, "time limits set successfully");
}

/* ---- the table ---- */

static const struct command {
    const char *method;
    void (*run)(struct control_call *call);
    const char *required[REQUIRED_MAX]; /* arguments without a default */
} commands[] = {
    {"clock", do_clock, {NULL}},
    {"dump_revoked", control_revoked, {NULL}},
    {"ping", do_ping, {NULL}},
    {"rate_limit", do_rate_limit, {"task_name", "rate_limit"}},
    {"revoke", control_revoke, {"task_id"}},
    {"revoke_by_stamped_headers", control_revoke_by_stamped_headers, {"headers"}},
    {"revoked", control_revoked, {NULL}},
    {"terminate", control_terminate, {"signal", "task_id"}},
    {"time_limit", do_time_limit, {NULL}},
};

/* Python's words for a call without an argument that it needs. */
static bool has_required(struct control_call *call, const struct command *command)
{
    const char *missing[REQUIRED_MAX];
    size_t count = 0;
    for (size_t i = 0; i < REQUIRED_MAX && command->required[i] != NULL; i++)
        if (value_get(call->arguments, command->required[i]) == NULL)
            missing[count++] = command->required[i];
    if (count == 1)
        control_error(call, "TypeError(\"%s() missing 1 required positional argument: '%s'\")",
                      command->method, missing[0]);
    else if (count == 2)
        control_error(call,
                      "TypeError(\"%s() missing 2 required positional arguments: '%s' and '%s'\")",
                      command->method, missing[0], missing[1]);
    return count == 0;
}

void control_run(struct control_call *call)
{
    char words[NAME_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!text_equal(call->method, commands[i].method))
            continue;
        if (has_required(call, &commands[i]))
            commands[i].run(call);
        return;
    }
    const msgpack_object method = value_text(call->method);
    result_repr(&method, words, sizeof(words));
    log_error("pidbox command error: KeyError(%s)", words);
    control_error(call, "KeyError(%s)", words);
}
