/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns SIGUSR1. A signal handler sees nothing but statics, so the job's number and its flag are
 * two. */

#include "worker/runtime/native/limits.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NO_JOB = -1 };

static volatile sig_atomic_t current_job = NO_JOB; /* the low 31 bits of the job's number */
static volatile sig_atomic_t reached;

static void on_soft_limit(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code != SI_QUEUE || current_job == NO_JOB ||
        info->si_value.sival_int != current_job)
        return;
    reached = 1;
    /* A thread of the task's own may have got the signal; the task's system call is to end all the
     * same. */
    int saved_errno = errno;
    if (gettid() != getpid())
        syscall(SYS_tgkill, getpid(), getpid(), number);
    errno = saved_errno;
}

void limits_install(void)
{
    /* No SA_RESTART: what the task waits in ends with EINTR. */
    struct sigaction action = {.sa_sigaction = on_soft_limit, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
}

void limits_begin(uint64_t job)
{
    reached = 0;
    current_job = (sig_atomic_t)(job & 0x7fffffff);
}

void limits_end(void)
{
    current_job = NO_JOB;
}

bool limits_reached(void)
{
    return reached != 0;
}

static struct timespec deadline_after(double seconds)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    double whole = floor(seconds);
    deadline.tv_sec += (time_t)whole;
    deadline.tv_nsec += (long)((seconds - whole) * 1e9);
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000;
    }
    return deadline;
}

/* False if the deadline has passed. */
static bool time_left(const struct timespec *deadline, struct timespec *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ret->tv_sec = deadline->tv_sec - now.tv_sec;
    ret->tv_nsec = deadline->tv_nsec - now.tv_nsec;
    if (ret->tv_nsec < 0) {
        ret->tv_sec--;
        ret->tv_nsec += 1000000000;
    }
    return ret->tv_sec >= 0;
}

bool limits_sleep(double seconds)
{
    static const double longest = 1e9; /* 31 years: fits every time_t */
    if (!(seconds > 0))
        return !limits_reached();
    struct timespec deadline = deadline_after(fmin(seconds, longest));
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    struct timespec left;
    while (!limits_reached() && time_left(&deadline, &left))
        ppoll(NULL, 0, &left, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !limits_reached();
}
