/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a task whose start and end leave a trace, and whose end the test decides. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "celeriac/task.h"

enum { HOLD_STEPS = 3000 };
static const double step_seconds = 0.02;

/* One write, so that lines of several processes never mix. */
static int append(struct celeriac_task *task, const char *path, const char *what, const char *text)
{
    char line[256];
    int size = snprintf(line, sizeof(line), "%s %s\n", what, text);
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
    if (strlen(text) > 200 || snprintf(gate, sizeof(gate), "%s.go", path) >= (int)sizeof(gate))
        return celeriac_fail(task, "ValueError", "too long");
    if (append(task, path, "start", text) != CELERIAC_OK ||
        wait_for_file(task, gate) != CELERIAC_OK || append(task, path, "end", text) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return celeriac_return_string(task, text);
}

CELERIAC_TASKS({.name = "fault.hold", .run = hold, .signature = "path: str, text: str"})
