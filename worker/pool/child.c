/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns one child process as long as it lives: its birth, its states, its frames, its deadlines.
 * Must not know what a job is, beyond that the child has one. */

#include "worker/pool/child.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/pool/account.h"
#include "worker/pool/ahead.h"
#include "worker/pool/death.h"
#include "worker/pool/forkserver.h"
#include "worker/pool/limits.h"
#include "worker/pool/process.h"
#include "worker/pool/run.h"
#include "worker/pool/slot.h"

enum { LISTEN_READS = 512 }; /* more than a socket holds */

/* --- states --- */

static const char *const state_names[CHILD_STATES] = {
    [CHILD_STARTING] = "starting", [CHILD_STANDBY] = "standby",   [CHILD_IDLE] = "idle",
    [CHILD_BUSY] = "busy",         [CHILD_RETIRING] = "retiring", [CHILD_DYING] = "dying",
    [CHILD_DEAD] = "dead",
};

const char *child_state_name(enum child_state state)
{
    return state_names[state];
}

#define TO(state) (1U << CHILD_##state)

static const unsigned allowed[CHILD_STATES] = {
    [CHILD_STARTING] = TO(STANDBY) | TO(IDLE) | TO(RETIRING) | TO(DYING),
    [CHILD_STANDBY] = TO(IDLE) | TO(RETIRING) | TO(DYING),
    [CHILD_IDLE] = TO(BUSY) | TO(RETIRING) | TO(DYING),
    [CHILD_BUSY] = TO(IDLE) | TO(RETIRING) | TO(DYING),
    [CHILD_RETIRING] = TO(DYING),
    [CHILD_DYING] = TO(DEAD),
};

void child_set_state(struct pool_child *child, enum child_state state)
{
    struct pool *pool = child->pool;
    bool fine = (allowed[child->state] & (1U << state)) != 0;
    assert(fine);
    (void)fine;
    if (child->state == CHILD_IDLE)
        LIST_REMOVE(child, idle);
    if (child->state == CHILD_BUSY)
        ahead_shut(child);
    pool->states[child->state]--;
    pool->states[state]++;
    child->state = state;
    /* The one that worked last is the next to work: its caches are warm. */
    if (state == CHILD_IDLE)
        LIST_INSERT_HEAD(&pool->idle, child, idle);
}

void child_set_deadline(struct pool_child *child, double deadline)
{
    child->deadline = deadline;
    if (deadline > 0)
        limits_watch(child->pool, deadline);
}

/* --- signals --- */

void child_signal(struct pool_child *child, int signal, int value)
{
    if (child->pid > 0 && !child->gone)
        process_signal(child->pid, child->pidfd, signal, value);
}

/* --- leaving --- */

void child_let_go(struct pool_child *child)
{
    child->expected = true;
    child_set_state(child, CHILD_RETIRING);
    slot_release(child);
    child_set_deadline(child, pool_now() + child->pool->config.kill_timeout);
    pool_settle(child->pool);
}

void child_retire(struct pool_child *child)
{
    if (child->state >= CHILD_RETIRING)
        return;
    bool sent = frame_write_leave(&child->link.output) == 0 &&
                link_send(&child->link, (struct bytes){NULL, 0}) == 0;
    if (sent)
        child_let_go(child);
    else
        death_cut(child);
}

static void on_end(struct link *link, enum link_status status)
{
    struct pool_child *child = CONTAINER_OF(link, struct pool_child, link);
    if (status == LINK_BROKEN) {
        pool_notice(child->pool, POOL_ERROR,
                    "Process 'ForkPoolWorker-%u' pid:%d broke the protocol and is killed: %s",
                    child->slot, (int)child->pid, link->reason.text);
        child->expected = true;
    } else if (child->state == CHILD_RETIRING) {
        return; /* it is on its way */
    }
    run_give_back(child);
    death_cut(child);
    death_hurry(child);
}

/* --- frames --- */

static void become_usable(struct pool_child *child)
{
    if (child->state != CHILD_STARTING || !child->ready || child->pid == 0)
        return;
    child->deadline = 0;
    child_set_state(child, slot_occupied(child) ? CHILD_STANDBY : CHILD_IDLE);
    pool_settle(child->pool);
}

/* A limit that a fresh child exceeds would replace every child after its first job, for ever. */
static void check_baseline(struct pool *pool, uint64_t resident_kib)
{
    uint64_t limit = pool->config.max_memory_per_child;
    if (!pool->memory_limited || resident_kib < limit)
        return;
    pool->memory_limited = false;
    pool_notice(pool, POOL_ERROR,
                "A new child holds %llu KiB of memory before its first job: the limit of %llu KiB "
                "is too low and is not applied",
                (unsigned long long)resident_kib, (unsigned long long)limit);
}

static bool on_ready(struct pool_child *child, const struct frame *frame)
{
    struct pool *pool = child->pool;
    if (child->ready) {
        codec_fail(&child->link.reason, CODEC_ETYPE, "READY came twice");
        return false;
    }
    child->ready = true;
    pool->stats.failures = 0;
    restart_succeeded(&pool->child_restart);
    check_baseline(pool, frame_uint(frame, 1));
    become_usable(child);
    return true;
}

static bool on_error(struct pool_child *child, const struct frame *frame)
{
    struct text text = frame_text(frame, 1);
    if (child->gave_up) {
        codec_fail(&child->link.reason, CODEC_ETYPE, "ERROR came twice");
        return false;
    }
    char account[ACCOUNT_SIZE];
    child->gave_up = true;
    account_keep(text, account, sizeof(account));
    pool_notice(child->pool, POOL_ERROR, "Process 'ForkPoolWorker-%u' pid:%d gave up: %s",
                child->slot, (int)child->pid, account);
    return true;
}

static bool on_frame(struct link *link, const struct frame *frame)
{
    static bool (*const handlers[])(struct pool_child *, const struct frame *) = {
        [FRAME_ERROR] = on_error,           [FRAME_READY] = on_ready,
        [FRAME_STARTED] = run_on_started,   [FRAME_RESULT] = run_on_result,
        [FRAME_PUBLISH] = run_on_follow_up, [FRAME_STORE] = run_on_follow_up,
        [FRAME_CHORD] = run_on_follow_up,
    };
    if (frame->type < ARRAY_LEN(handlers) && handlers[frame->type] != NULL)
        return handlers[frame->type](CONTAINER_OF(link, struct pool_child, link), frame);
    codec_fail(&link->reason, CODEC_ETYPE, "%s is no frame of a child",
               frame_type_name(frame->type));
    return false;
}

static void on_sent(struct link *link)
{
    run_sent(CONTAINER_OF(link, struct pool_child, link));
}

void child_listen(struct pool_child *child)
{
    const struct pool_job *job = child->job;
    enum link_status status = LINK_OPEN;
    for (int reads = 0; reads < LISTEN_READS && status == LINK_OPEN && child->job == job; reads++)
        status = link_read(&child->link);
    if (status != LINK_EOF && status != LINK_BROKEN)
        return;
    link_stop(&child->link);
    on_end(&child->link, status);
}

/* --- birth --- */

static struct pool_child *make(struct pool *pool, struct forkserver *server, uint32_t slot)
{
    struct pool_child *child = calloc(1, sizeof(*child));
    if (child == NULL)
        return NULL;
    child->pool = pool;
    child->server = server;
    child->slot = slot;
    child->generation = ++pool->last_generation;
    child->pidfd = -1;
    ahead_start(child);
    return child;
}

void child_free(struct pool_child *child)
{
    if (child == NULL)
        return;
    page_free(child->claims);
    free(child);
}

/* Sends the child its end of the socket and, if it knows what that is, its claim page. */
static int offer(struct pool_child *child, int socket)
{
    int descriptors[] = {socket, -1};
    if (child->server->looks_ahead)
        child->claims = page_new(&descriptors[1]);
    bool paged = child->claims != NULL;
    int rc = forkserver_spawn(child->server, child, descriptors, paged ? 2 : 1);
    if (paged)
        close(descriptors[1]);
    return rc;
}

int child_spawn(struct pool *pool, struct forkserver *server, uint32_t slot,
                struct pool_child **ret)
{
    static const struct link_handler handler = {on_frame, on_end, on_sent, false};
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return -errno;
    struct pool_child *child = make(pool, server, slot);
    int rc = child == NULL ? -ENOMEM : offer(child, sockets[1]);
    close(sockets[1]);
    if (rc == 0)
        rc = link_init(&child->link, pool->loop, sockets[0], &handler);
    else
        close(sockets[0]);
    if (rc != 0) {
        child_free(child);
        return rc;
    }
    child->handles = 1;
    pool->handles++;
    pool->states[CHILD_STARTING]++;
    pool->stats.spawned++;
    LIST_INSERT_HEAD(&pool->children, child, all);
    *ret = child;
    child_set_deadline(child, pool_now() + pool->config.start_timeout);
    return 0;
}

void child_spawned(struct pool_child *child, pid_t pid, int pidfd)
{
    child->pid = pid;
    child->pidfd = pidfd;
    if (pidfd >= 0)
        death_watch(child);
    if (child->state == CHILD_DYING)
        child_signal(child, SIGKILL, 0);
    become_usable(child);
}

/* --- deadlines --- */

static void never_ready(struct pool_child *child)
{
    double limit = child->pool->config.start_timeout;
    if (child->pid == 0) {
        child->deadline = 0;
        forkserver_kill(child->server, "it makes no children when asked to");
        return;
    }
    pool_notice(child->pool, POOL_ERROR,
                "Process 'ForkPoolWorker-%u' pid:%d was not ready within %g s: it is killed",
                child->slot, (int)child->pid, limit);
    child->expected = true;
    death_cut(child);
}

static void never_left(struct pool_child *child)
{
    pool_notice(child->pool, POOL_WARNING,
                "Process 'ForkPoolWorker-%u' pid:%d did not leave within %g s: it is killed",
                child->slot, (int)child->pid, child->pool->config.kill_timeout);
    death_cut(child);
}

void child_expired(struct pool_child *child, double now)
{
    /* What has come in time must count, even if we were not there in time to read it. */
    if (child->state == CHILD_STARTING && child->server != NULL)
        forkserver_listen(child->server);
    if (child->state == CHILD_STARTING || child->state == CHILD_BUSY)
        child_listen(child);
    if (child->deadline <= 0 || child->deadline > now)
        return;
    if (child->state == CHILD_STARTING)
        never_ready(child);
    else if (child->state == CHILD_BUSY)
        run_expired(child, now);
    else if (child->state == CHILD_RETIRING)
        never_left(child);
    else if (child->state == CHILD_DYING)
        death_exited(child, NULL);
}
