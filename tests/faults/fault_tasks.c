/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns tasks that leave a trace: one whose end the test decides, one that a kill hits easily. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "celeriac/task.h"

enum { HOLD_STEPS = 3000 };
static const double step_seconds = 0.02;

enum { TEXT_MAX = 200 };

/* One write, so that lines of several processes never mix. */
static int append(struct celeriac_task *task, const char *path, const char *what, const char *text)
{
    char line[TEXT_MAX + 16];
    if (strlen(text) > TEXT_MAX)
        return celeriac_fail(task, "ValueError", "the text is too long");
    int size = snprintf(line, sizeof(line), "%s%s\n", what, text);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    ssize_t written = fd < 0 ? -1 : write(fd, line, (size_t)size);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (written != size)
        return celeriac_fail(task, "OSError", "cannot append to %s: %s", path, strerror(error));
    return CELERIAC_OK;
}

static int wait_for_file(struct celeriac_task *task, const char *path)
{
    for (int step = 0; access(path, F_OK) != 0; step++) {
        if (step == HOLD_STEPS)
            return celeriac_fail(task, "TimeoutError", "nobody made %s", path);
        if (celeriac_sleep(task, step_seconds) != CELERIAC_OK)
            return CELERIAC_FAILED;
    }
    return CELERIAC_OK;
}

/* Writes "start TEXT" to the file, waits until PATH.go exists, writes "end TEXT". */
static int hold(struct celeriac_task *task)
{
    const char *path, *text;
    char gate[PATH_MAX];
    if (!celeriac_arg_string(task, "path", &path) || !celeriac_arg_string(task, "text", &text))
        return CELERIAC_FAILED;
    if (snprintf(gate, sizeof(gate), "%s.go", path) >= (int)sizeof(gate))
        return celeriac_fail(task, "ValueError", "the path is too long");
    if (append(task, path, "start ", text) != CELERIAC_OK ||
        wait_for_file(task, gate) != CELERIAC_OK || append(task, path, "end ", text) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_return_string(task, text);
}

/* Appends the text in the middle of so many seconds: a kill falls before or behind it. */
static int slow_append(struct celeriac_task *task)
{
    const char *path, *text;
    double seconds;
    if (!celeriac_arg_string(task, "path", &path) || !celeriac_arg_string(task, "text", &text) ||
        !celeriac_arg_double(task, "seconds", &seconds))
        return CELERIAC_FAILED;
    if (celeriac_sleep(task, seconds / 2) != CELERIAC_OK ||
        append(task, path, "", text) != CELERIAC_OK ||
        celeriac_sleep(task, seconds / 2) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_return_none(task);
}

CELERIAC_TASKS({.name = "fault.hold", .run = hold, .signature = "path: str, text: str"},
               {.name = "fault.slow_append",
                .run = slow_append,
                .signature = "path: str, text: str, seconds: float"})
