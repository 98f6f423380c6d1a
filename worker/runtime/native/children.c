/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of children and their reaping. Knows neither what they do nor who asked for them.
 */

#include "worker/runtime/native/children.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

void children_init(struct children *children)
{
    *children = (struct children){.entries = NULL};
}

void children_done(struct children *children)
{
    free(children->entries);
    children_init(children);
}

bool children_reserve(struct children *children)
{
    if (children->count < children->room)
        return true;
    size_t room = children->room == 0 ? 16 : children->room * 2;
    struct children_entry *entries =
        reallocarray(children->entries, room, sizeof(*children->entries));
    if (entries == NULL)
        return false;
    children->entries = entries;
    children->room = room;
    return true;
}

void children_add(struct children *children, struct children_entry entry)
{
    children->entries[children->count++] = entry;
}

static bool take_out(struct children *children, pid_t pid, struct children_entry *ret)
{
    for (size_t i = 0; i < children->count; i++) {
        if (children->entries[i].pid == pid) {
            *ret = children->entries[i];
            children->entries[i] = children->entries[--children->count];
            return true;
        }
    }
    return false;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* A pid whose child has ended, still unreaped, so that the pid is nobody else's; 0 if there is
 * none. */
static pid_t next_ended(void)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return 0;
    if (info.si_code != CLD_EXITED)
        kill(-info.si_pid, SIGKILL);
    return info.si_pid;
}

bool children_reap(struct children *children, struct frame_exit *ret)
{
    pid_t pid;
    while ((pid = next_ended()) != 0) {
        int status;
        struct rusage usage;
        struct children_entry entry;
        if (wait4(pid, &status, WNOHANG, &usage) != pid || !take_out(children, pid, &entry))
            continue;
        *ret = (struct frame_exit){.slot = entry.slot,
                                   .generation = entry.generation,
                                   .pid = pid,
                                   .wait_status = status,
                                   .utime = seconds_of(usage.ru_utime),
                                   .stime = seconds_of(usage.ru_stime),
                                   .maxrss = (uint64_t)usage.ru_maxrss};
        return true;
    }
    return false;
}

void children_kill(const struct children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        kill(children->entries[i].pid, SIGKILL);
        kill(-children->entries[i].pid, SIGKILL);
    }
}
