/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks that write down when they ran: to the file that CELERIAC_BENCH_NOTES names, two doubles
 * each, in one write, so that those of several processes never mix. */

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "celeriac/task.h"

static double wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int write_note(struct celeriac_task *task, double kind, double value)
{
    static int fd = -1; /* one task at a time runs in this process */
    const double note[] = {kind, value};
    const char *path = getenv("CELERIAC_BENCH_NOTES");
    if (fd < 0 && path != NULL)
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, note, sizeof(note)) != (ssize_t)sizeof(note))
        return celeriac_fail(task, "OSError", "cannot write a note");
    return celeriac_return_none(task);
}

/* How many seconds after `since` it runs. */
static int note(struct celeriac_task *task)
{
    double now = wall_clock();
    double kind, since;
    if (!celeriac_arg_double(task, "kind", &kind) || !celeriac_arg_double(task, "since", &since))
        return CELERIAC_FAILED;
    return write_note(task, kind, now - since);
}

/* When it has slept. */
static int sleep_and_note(struct celeriac_task *task)
{
    double kind, seconds;
    if (!celeriac_arg_double(task, "kind", &kind) ||
        !celeriac_arg_double(task, "seconds", &seconds) ||
        celeriac_sleep(task, seconds) != CELERIAC_OK)
        return CELERIAC_FAILED;
    return write_note(task, kind, wall_clock());
}

CELERIAC_TASKS({.name = "bench.note", .run = note, .signature = "kind: float, since: float"},
               {.name = "bench.sleep",
                .run = sleep_and_note,
                .signature = "kind: float, seconds: float"})
