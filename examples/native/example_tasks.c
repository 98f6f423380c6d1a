/* SPDX-License-Identifier: BSD-3-Clause */
/* The example tasks: what a task library looks like, and what the tests and the benchmarks run. */

#include <celeriac/task.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int add(struct celeriac_task *task)
{
    int64_t x, y, sum;
    double left, right;
    if (celeriac_value_type(celeriac_arg(task, "x")) == CELERIAC_FLOAT ||
        celeriac_value_type(celeriac_arg(task, "y")) == CELERIAC_FLOAT) {
        if (!celeriac_arg_double(task, "x", &left) || !celeriac_arg_double(task, "y", &right))
            return CELERIAC_FAILED;
        return celeriac_return_double(task, left + right);
    }
    if (!celeriac_arg_int(task, "x", &x) || !celeriac_arg_int(task, "y", &y))
        return CELERIAC_FAILED;
    if (__builtin_add_overflow(x, y, &sum))
        return celeriac_fail(task, "OverflowError", "the sum does not fit into 64 bits");
    return celeriac_return_int(task, sum);
}

static int noop(struct celeriac_task *task)
{
    return celeriac_return_none(task);
}

static int echo(struct celeriac_task *task)
{
    struct celeriac_value *result = celeriac_make_list(task);
    celeriac_list_append(task, result, celeriac_args(task));
    celeriac_list_append(task, result, celeriac_kwargs(task));
    return celeriac_return(task, result);
}

static int sleep_task(struct celeriac_task *task)
{
    double seconds;
    if (!celeriac_arg_double(task, "seconds", &seconds) ||
        celeriac_sleep(task, seconds) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_return(task, celeriac_arg(task, "seconds"));
}

static double seconds_on(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Uses that much CPU time. */
static int burn(struct celeriac_task *task)
{
    double seconds;
    if (!celeriac_arg_double(task, "seconds", &seconds))
        return CELERIAC_FAILED;
    double end = seconds_on(CLOCK_PROCESS_CPUTIME_ID) + seconds;
    while (seconds_on(CLOCK_PROCESS_CPUTIME_ID) < end) {
        if (celeriac_soft_limit_reached(task))
            return CELERIAC_FAILED;
    }
    return celeriac_return(task, celeriac_arg(task, "seconds"));
}

/* Takes memory, uses it, and never gives it back: a leak to order. */
static int alloc(struct celeriac_task *task)
{
    static void *kept; /* so that leak checkers see what is kept on purpose */
    int64_t mib;
    if (!celeriac_arg_int(task, "mib", &mib))
        return CELERIAC_FAILED;
    if (mib < 0 || mib > 1 << 20)
        return celeriac_fail(task, "ValueError", "mib must be from 0 to 1048576");
    size_t size = sizeof(void *) + ((size_t)mib << 20);
    void **block = malloc(size);
    if (block == NULL)
        return celeriac_fail(task, "MemoryError", "no %lld MiB to be had", (long long)mib);
    memset(block, 1, size);
    *block = kept;
    kept = block;
    return celeriac_return(task, celeriac_arg(task, "mib"));
}

static int fail(struct celeriac_task *task)
{
    const char *message;
    if (!celeriac_arg_string(task, "message", &message))
        return CELERIAC_FAILED;
    return celeriac_fail(task, "ValueError", "%s", message);
}

static int exit_task(struct celeriac_task *task)
{
    int64_t status;
    if (!celeriac_arg_int(task, "status", &status))
        return CELERIAC_FAILED;
    _exit((int)(status & 0xff));
}

static int crash(struct celeriac_task *task)
{
    volatile int *nowhere = NULL;
    (void)task;
    /* The sanitizers handle the signal themselves, and then exit. */
    signal(SIGSEGV, SIG_DFL);
    *nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): on purpose */
    return CELERIAC_OK;
}

static int pid(struct celeriac_task *task)
{
    return celeriac_return_int(task, getpid());
}

/* One write at the end of the file, so that lines of several processes never mix. */
static int append(struct celeriac_task *task)
{
    const char *path, *text;
    if (!celeriac_arg_string(task, "path", &path) || !celeriac_arg_string(task, "text", &text))
        return CELERIAC_FAILED;
    size_t size = strlen(text) + 1;
    char *line = malloc(size);
    if (line == NULL)
        return celeriac_fail(task, "MemoryError", "no room for %zu bytes", size);
    memcpy(line, text, size - 1);
    line[size - 1] = '\n';
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    ssize_t written = fd < 0 ? -1 : write(fd, line, size);
    int error = errno;
    if (fd >= 0)
        close(fd);
    free(line);
    if (written != (ssize_t)size)
        return celeriac_fail(task, "OSError", "cannot append to %s: %s", path, strerror(error));
    return celeriac_return_none(task);
}

/* Goes on after the soft time limit: only the hard one ends it before its time. */
static int ignore_usr1(struct celeriac_task *task)
{
    double seconds;
    if (!celeriac_arg_double(task, "seconds", &seconds))
        return CELERIAC_FAILED;
    double end = seconds_on(CLOCK_MONOTONIC) + seconds;
    double left = seconds;
    while (left > 0) {
        struct timespec rest = {.tv_sec = (time_t)left};
        rest.tv_nsec = (long)((left - (double)rest.tv_sec) * 1e9);
        nanosleep(&rest, NULL);
        left = end - seconds_on(CLOCK_MONOTONIC);
    }
    return celeriac_return(task, celeriac_arg(task, "seconds"));
}

CELERIAC_TASKS({.name = "example.add", .run = add, .signature = "x: float, y: float"},
               {.name = "example.noop", .run = noop, .signature = "*args"},
               {.name = "example.echo", .run = echo, .signature = "*args, **kwargs"},
               {.name = "example.sleep", .run = sleep_task, .signature = "seconds: float"},
               {.name = "example.burn", .run = burn, .signature = "seconds: float"},
               {.name = "example.alloc", .run = alloc, .signature = "mib: int"},
               {.name = "example.fail", .run = fail, .signature = "message: str"},
               {.name = "example.exit", .run = exit_task, .signature = "status: int"},
               {.name = "example.crash", .run = crash, .signature = ""},
               {.name = "example.pid", .run = pid, .signature = ""},
               {.name = "example.append", .run = append, .signature = "path: str, text: str"},
               {.name = "example.ignore_usr1", .run = ignore_usr1, .signature = "seconds: float"})
