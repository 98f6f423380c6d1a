/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the duties of a subreaper: the forkserver is our child, and whoever it leaves behind becomes
 * ours too. Reaps them all; tells the pool of those that are its own. Must not know what their ends
 * mean. */

#include "worker/pool/reap.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/pool/death.h"
#include "worker/pool/forkserver.h"

struct reap {
    uv_signal_t signal;
    struct pool *pool;
};

static void on_signal(uv_signal_t *handle, int signal);

struct reap *reap_new(struct pool *pool)
{
    struct reap *reap = malloc(sizeof(*reap));
    if (reap == NULL || uv_signal_init(pool->loop, &reap->signal) != 0) {
        free(reap);
        return NULL;
    }
    reap->pool = pool;
    pool->handles++;
    /* A handler also undoes a SIGCHLD that was ignored when we were started, which would make the
     * kernel throw statuses away. */
    uv_signal_start(&reap->signal, on_signal, SIGCHLD);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* A process that we made before this has perhaps ended already: look once. */
    kill(getpid(), SIGCHLD);
    return reap;
}

static void on_closed(uv_handle_t *handle)
{
    struct reap *reap = CONTAINER_OF(handle, struct reap, signal);
    struct pool *pool = reap->pool;
    free(reap);
    pool_handle_closed(pool);
}

void reap_free(struct reap *reap)
{
    uv_close((uv_handle_t *)&reap->signal, on_closed);
}

/* A pool child leads a session of its own: what is left of it after a violent death is what the
 * task had started. Nobody else can have the group's number as long as the leader is not reaped. */
static void end_group(const siginfo_t *info)
{
    if (info->si_code != CLD_EXITED)
        kill(-info->si_pid, SIGKILL);
}

static struct pool_child *find_child(struct pool *pool, pid_t pid)
{
    struct pool_child *child;
    LIST_FOREACH(child, &pool->children, all)
    if (child->pid == pid && child->state != CHILD_DEAD)
        return child;
    return NULL;
}

static void route(struct pool *pool, pid_t pid, struct pool_child *child, int status)
{
    if (child != NULL)
        death_exited(child, &status);
    else if (pool->server != NULL && pool->server->pid == pid)
        forkserver_exited(pool->server, &status);
}

static void on_signal(uv_signal_t *handle, int signal)
{
    (void)signal;
    struct pool *pool = CONTAINER_OF(handle, struct reap, signal)->pool;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int status;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        struct pool_child *child = find_child(pool, info.si_pid);
        if (child != NULL)
            end_group(&info);
        if (waitpid(info.si_pid, &status, WNOHANG) == info.si_pid)
            route(pool, info.si_pid, child, status);
    }
}

int reap_one(pid_t pid, int *ret)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return errno == ECHILD ? -1 : 0;
    if (info.si_pid == 0)
        return 0;
    end_group(&info);
    return waitpid(pid, ret, WNOHANG) == pid ? 1 : -1;
}

const char *reap_describe(int status, char *buffer, size_t size)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(buffer, size, "signal %d (SIG%s)", WTERMSIG(status), name != NULL ? name : "?");
    } else {
        snprintf(buffer, size, "exitcode %d", WEXITSTATUS(status));
    }
    return buffer;
}
