/* SPDX-License-Identifier: BSD-3-Clause */
/* The tasks of app.py in C. */

#include <celeriac/task.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int add(struct celeriac_task *task)
{
    int64_t x, y;
    if (!celeriac_arg_int(task, "x", &x) || !celeriac_arg_int(task, "y", &y))
        return CELERIAC_FAILED;
    return celeriac_return_int(task, x + y);
}

static int fail(struct celeriac_task *task)
{
    const char *message;
    if (!celeriac_arg_string(task, "message", &message))
        return CELERIAC_FAILED;
    return celeriac_fail(task, "ValueError", "%s", message);
}

static int throws(struct celeriac_task *task)
{
    return celeriac_fail(task, "KeyError", "expected");
}

static int retry(struct celeriac_task *task)
{
    int64_t times;
    bool cause;
    double countdown;
    if (!celeriac_arg_int(task, "times", &times) || !celeriac_arg_bool(task, "cause", &cause) ||
        !celeriac_arg_double(task, "countdown", &countdown))
        return CELERIAC_FAILED;
    int64_t retries = celeriac_request(task)->retries;
    if (retries >= times)
        return celeriac_return_int(task, retries);
    if (cause)
        celeriac_fail(task, "ValueError", "the cause");
    return celeriac_retry(task, countdown, 0);
}

static int ignore(struct celeriac_task *task)
{
    return celeriac_ignore(task);
}

/* True once for each path. */
static bool is_first(const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int reject(struct celeriac_task *task)
{
    const char *path;
    bool requeue;
    if (!celeriac_arg_string(task, "path", &path) || !celeriac_arg_bool(task, "requeue", &requeue))
        return CELERIAC_FAILED;
    if (is_first(path))
        return celeriac_reject(task, requeue);
    return celeriac_return_string(task, "second run");
}

static int die(struct celeriac_task *task)
{
    const char *path, *how;
    if (!celeriac_arg_string(task, "path", &path) || !celeriac_arg_string(task, "how", &how))
        return CELERIAC_FAILED;
    if (!is_first(path))
        return celeriac_return_string(task, "second run");
    if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(how, "_exit") == 0)
        _exit(3);
    else
        exit(strcmp(how, "exit") == 0 ? 4 : 1);
    return celeriac_return_string(task, "survived");
}

static int hold(struct celeriac_task *task)
{
    const char *path;
    char gate[4096];
    if (!celeriac_arg_string(task, "path", &path) ||
        snprintf(gate, sizeof(gate), "%s.go", path) >= (int)sizeof(gate))
        return CELERIAC_FAILED;
    is_first(path);
    for (int step = 0; step < 3000 && access(gate, F_OK) != 0; step++)
        if (celeriac_sleep(task, 0.02) != CELERIAC_OK)
            return CELERIAC_FAILED;
    return celeriac_return_string(task, "held");
}

static int slow(struct celeriac_task *task)
{
    const char *path;
    if (!celeriac_arg_string(task, "path", &path))
        return CELERIAC_FAILED;
    if (!is_first(path))
        return celeriac_return_string(task, "second run");
    if (celeriac_sleep(task, 30) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_return_string(task, "slept");
}

CELERIAC_TASKS({.name = "life.add", .run = add, .signature = "x: int, y: int"},
               {.name = "life.fail", .run = fail, .signature = "message: str"},
               {.name = "life.throws", .run = throws, .signature = ""},
               {.name = "life.retry",
                .run = retry,
                .signature = "times: int, cause: bool, countdown: float",
                .max_retries = 2},
               {.name = "life.ignore", .run = ignore, .signature = ""},
               {.name = "life.reject", .run = reject, .signature = "path: str, requeue: bool"},
               {.name = "life.die", .run = die, .signature = "path: str, how: str"},
               {.name = "life.hold", .run = hold, .signature = "path: str"},
               {.name = "life.slow", .run = slow, .signature = "path: str"})
