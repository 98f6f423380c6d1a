/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the end of a child. It has three heralds (EOF on the socket, the pidfd, EXITED or our own
 * wait), in any order; whatever the child has written is read before it is buried. Must not know
 * why it ends, nor what its job was. */

#include "worker/pool/death.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/pool/ahead.h"
#include "worker/pool/child.h"
#include "worker/pool/reap.h"
#include "worker/pool/run.h"
#include "worker/pool/slot.h"

/* Seconds that the status of a child that has ended may take. */
static const double STATUS_TIMEOUT = 1;

/* --- the way down --- */

/* A child that dies before it was ever ready will do so again: the next one waits. */
static void count_failure(struct pool_child *child)
{
    struct pool *pool = child->pool;
    bool excused = child->ready || child->server == NULL || pool_stopping(pool);
    if (child->state != CHILD_STARTING || excused)
        return;
    pool->stats.failures++;
    restart_failed(&pool->child_restart, pool_now());
}

static void die(struct pool_child *child)
{
    double patience = child->gone ? STATUS_TIMEOUT : child->pool->config.kill_timeout;
    count_failure(child);
    ahead_take_back(child);
    child_set_state(child, CHILD_DYING);
    slot_release(child);
    child_set_deadline(child, pool_now() + patience);
}

/* Killing what has ended already is harmless, and keeps its status. */
void death_cut(struct pool_child *child)
{
    if (child->state != CHILD_DYING)
        die(child);
    if (child->pid > 0)
        child_signal(child, SIGKILL, 0);
    else
        link_hang_up(&child->link);
    pool_settle(child->pool);
}

void death_kill(struct pool_child *child, enum verdict_reason reason)
{
    if (child->state == CHILD_DEAD)
        return;
    if (child->reason == VERDICT_BY_ITSELF) {
        child->reason = reason;
        child->signal = SIGKILL;
    }
    child->expected = true;
    death_cut(child);
}

static void describe_end(const struct pool_child *child, char *buffer, size_t size)
{
    char status[64] = "an unknown status", peak[64] = "";
    if (child->has_status)
        reap_describe(child->status, status, sizeof(status));
    bool killed =
        child->has_status && WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGKILL;
    if (killed && child->peak_kib > 0)
        snprintf(peak, sizeof(peak), ", its memory peaked at %llu KiB",
                 (unsigned long long)child->peak_kib);
    snprintf(buffer, size, "exited with '%s'%s%s", status,
             child->ready ? "" : " before it was ready", peak);
}

static void report_end(const struct pool_child *child)
{
    char text[256];
    describe_end(child, text, sizeof(text));
    pool_notice(child->pool, child->expected ? POOL_DEBUG : POOL_ERROR,
                "Process 'ForkPoolWorker-%u' pid:%d %s", child->slot, (int)child->pid, text);
}

static void on_closed(struct pool_child *child)
{
    struct pool *pool = child->pool;
    if (--child->handles == 0) {
        LIST_REMOVE(child, all);
        pool->states[CHILD_DEAD]--;
        link_done(&child->link);
        child_free(child);
    }
    pool_handle_closed(pool);
}

static void on_link_closed(uv_handle_t *handle)
{
    on_closed(CONTAINER_OF(handle, struct pool_child, link.poll));
}

static void on_exit_poll_closed(uv_handle_t *handle)
{
    on_closed(CONTAINER_OF(handle, struct pool_child, exit_poll));
}

static void bury(struct pool_child *child)
{
    struct pool *pool = child->pool;
    child_set_state(child, CHILD_DEAD);
    child->deadline = 0;
    report_end(child);
    run_dropped(child);
    link_close(&child->link, on_link_closed);
    if (child->handles > 1)
        uv_close((uv_handle_t *)&child->exit_poll, on_exit_poll_closed);
    if (child->pidfd >= 0)
        close(child->pidfd);
    pool_settle(pool);
}

/* --- the heralds of an end --- */

/* Nothing more can come than is in the socket now (others may hold the other end, but it was the
 * child's). */
static void read_last_words(struct pool_child *child)
{
    child->gone = true;
    if (child->state != CHILD_DYING)
        die(child);
    link_drain(&child->link);
    link_stop(&child->link);
    run_give_back(child);
}

void death_exited(struct pool_child *child, const int *status)
{
    if (child->state == CHILD_DEAD)
        return;
    if (status != NULL) {
        child->has_status = true;
        child->status = *status;
    }
    read_last_words(child);
    bury(child);
}

/* What the kernel knows about an orphan that has ended: if it is nobody's any more, its forkserver
 * had reaped it. */
static void ask_kernel(struct pool_child *child)
{
    int status;
    int rc = reap_one(child->pid, &status);
    if (rc != 0)
        death_exited(child, rc > 0 ? &status : NULL);
}

void death_orphaned(struct pool_child *child)
{
    child->server = NULL;
    if (child->state == CHILD_DEAD)
        return;
    if (child->pid == 0)
        death_exited(child, NULL);
    else if (child->gone)
        ask_kernel(child);
}

static void on_exit_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct pool_child *child = CONTAINER_OF(poll, struct pool_child, exit_poll);
    uv_poll_stop(poll);
    read_last_words(child);
    child_set_deadline(child, pool_now() + STATUS_TIMEOUT);
    if (child->server == NULL)
        ask_kernel(child);
    pool_settle(child->pool);
}

void death_watch(struct pool_child *child)
{
    if (uv_poll_init(child->pool->loop, &child->exit_poll, child->pidfd) != 0)
        return; /* the socket and EXITED will do */
    uv_poll_start(&child->exit_poll, UV_READABLE, on_exit_poll);
    child->handles++;
    child->pool->handles++;
}

void death_hurry(struct pool_child *child)
{
    double deadline = pool_now() + STATUS_TIMEOUT;
    if (child->state == CHILD_DYING && deadline < child->deadline)
        child_set_deadline(child, deadline);
}
