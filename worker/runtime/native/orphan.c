/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the death signal of the parent. The kernel sends the one that we ask for; a child asks for a
 * signal that it can handle, because the death of its forkserver alone is no reason to end a task.
 */

#include "worker/runtime/native/orphan.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile pid_t main_pid; /* written once, before the handler that reads it is set */

bool orphan_die_with(pid_t main_process)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == main_process;
}

/* Whoever is our parent now is so for good: the main process, or nobody of ours. */
static void judge(void)
{
    if (!orphan_die_with(main_pid))
        _exit(0);
}

static void on_parent_death(int number)
{
    (void)number;
    int saved_errno = errno;
    judge();
    errno = saved_errno;
}

void orphan_watch(pid_t forkserver, pid_t main_process)
{
    /* The highest real-time signal: the ones that libraries use count from the lowest. */
    int number = SIGRTMAX;
    struct sigaction action = {.sa_handler = on_parent_death, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    main_pid = main_process;
    sigaction(number, &action, NULL);
    prctl(PR_SET_PDEATHSIG, number);
    if (getppid() != forkserver)
        judge();
}
