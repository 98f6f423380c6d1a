/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns one forkserver process: how it is started, what it says, and how it ends. Must not know when
 * a child is wanted, nor what is done about its own end. */

#include "worker/pool/forkserver.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/pool/account.h"
#include "worker/pool/child.h"
#include "worker/pool/death.h"
#include "worker/pool/launch.h"
#include "worker/pool/limits.h"
#include "worker/pool/process.h"
#include "worker/pool/reap.h"

/* --- start --- */

static void wait_for_killed(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static const struct link_handler link_handler;

int forkserver_start(struct pool *pool)
{
    int socket;
    struct forkserver *server = calloc(1, sizeof(*server));
    int rc = server == NULL ? -ENOMEM : launch_program(pool->config.argv, &server->pid, &socket);
    if (rc != 0)
        goto fail;
    rc = link_init(&server->link, pool->loop, socket, &link_handler);
    if (rc != 0) {
        wait_for_killed(server->pid);
        goto fail;
    }
    backlog_init(&server->backlog);
    server->pool = pool;
    server->deadline = pool_now() + pool->config.load_timeout;
    pool->server = server;
    pool->handles++;
    pool->stats.forkservers++;
    return 0;

fail:
    free(server);
    return rc;
}

static void on_abandoned(uv_handle_t *handle)
{
    struct forkserver *server = CONTAINER_OF(handle, struct forkserver, link.poll);
    backlog_done(&server->backlog);
    link_done(&server->link);
    free(server);
}

static void on_closed(uv_handle_t *handle)
{
    struct pool *pool = CONTAINER_OF(handle, struct forkserver, link.poll)->pool;
    on_abandoned(handle);
    pool_handle_closed(pool);
}

void forkserver_abandon(struct forkserver *server)
{
    wait_for_killed(server->pid);
    server->pool->handles--;
    link_close(&server->link, on_abandoned);
}

/* --- its frames --- */

static bool refuse(struct forkserver *server, const char *why)
{
    codec_fail(&server->link.reason, CODEC_ETYPE, "%s", why);
    return false;
}

static bool on_hello(struct forkserver *server, const struct frame *frame)
{
    struct pool *pool = server->pool;
    if (server->up_at > 0)
        return refuse(server, "HELLO came twice");
    if (frame_uint(frame, 1) != FRAME_PROTOCOL)
        return refuse(server, "it speaks another version of the protocol than 1");
    server->up_at = pool_now();
    if (server->state != SERVER_STARTING)
        return true;
    server->state = SERVER_UP;
    server->deadline = 0;
    pool->greeted = true;
    const msgpack_object *ahead = value_get(frame_value(frame, 2), "ahead");
    server->looks_ahead =
        ahead != NULL && ahead->type == MSGPACK_OBJECT_BOOLEAN && ahead->via.boolean;
    pool->handler.on_hello(pool->context, frame_value(frame, 2));
    pool_settle(pool);
    return true;
}

static struct pool_child *find_child(const struct forkserver *server, const struct frame *frame)
{
    uint64_t slot = frame_uint(frame, 1), generation = frame_uint(frame, 2);
    struct pool_child *child;
    LIST_FOREACH(child, &server->pool->children, all)
    if (child->generation == generation && child->slot == slot && child->server == server)
        return child->state != CHILD_DEAD ? child : NULL;
    return NULL;
}

static bool is_pid(uint64_t number)
{
    return number > 1 && number <= INT32_MAX;
}

static bool on_spawned(struct forkserver *server, const struct frame *frame)
{
    uint64_t number = frame_uint(frame, 3);
    struct pool_child *child = find_child(server, frame);
    if (!is_pid(number) || (child != NULL && child->pid != 0))
        return refuse(server, "SPAWNED with a pid that cannot be");
    pid_t pid = (pid_t)number;
    int pidfd = process_claim(&server->link, pid);
    if (child != NULL) {
        child_spawned(child, pid, pidfd >= 0 ? pidfd : process_open(pid, server->pid));
    } else if (pidfd >= 0) { /* given up long ago */
        process_signal(pid, pidfd, SIGKILL, 0);
        close(pidfd);
    }
    return true;
}

static bool on_exited(struct forkserver *server, const struct frame *frame)
{
    struct pool_child *child = find_child(server, frame);
    uint64_t pid = frame_uint(frame, 3);
    int status = (int)frame_uint(frame, 4);
    if (child == NULL)
        return true;
    if (pid == 0) {
        pool_notice(server->pool, POOL_ERROR, "Process 'ForkPoolWorker-%u' was not made: %s",
                    child->slot, strerror(status));
        death_exited(child, NULL);
        return true;
    }
    if (pid != (uint64_t)child->pid)
        return refuse(server, "EXITED with the pid of another process");
    int64_t peak;
    if (value_as_int(value_get(frame_value(frame, 5), "maxrss"), &peak) && peak > 0)
        child->peak_kib = (uint64_t)peak;
    death_exited(child, &status);
    return true;
}

static bool on_error(struct forkserver *server, const struct frame *frame)
{
    account_keep(frame_text(frame, 1), server->error, sizeof(server->error));
    return true;
}

static bool on_frame(struct link *link, const struct frame *frame)
{
    static bool (*const handlers[])(struct forkserver *, const struct frame *) = {
        [FRAME_HELLO] = on_hello,
        [FRAME_SPAWNED] = on_spawned,
        [FRAME_EXITED] = on_exited,
        [FRAME_ERROR] = on_error,
    };
    struct forkserver *server = CONTAINER_OF(link, struct forkserver, link);
    if (frame->type < ARRAY_LEN(handlers) && handlers[frame->type] != NULL)
        return handlers[frame->type](server, frame);
    codec_fail(&link->reason, CODEC_ETYPE, "%s is no frame of a forkserver",
               frame_type_name(frame->type));
    return false;
}

/* --- orders --- */

bool forkserver_ready(const struct forkserver *server)
{
    return server->state == SERVER_UP && !link_pending(&server->link);
}

int forkserver_spawn(struct forkserver *server, const struct pool_child *child,
                     const int *descriptors, size_t count)
{
    if (frame_write_spawn(&server->link.output, child->slot, child->generation) != 0)
        return -ENOMEM;
    return link_pass(&server->link, descriptors, count);
}

bool forkserver_signal(struct forkserver *server, const char *name, struct bytes arguments)
{
    if (server->state != SERVER_UP ||
        !backlog_add(&server->backlog, &server->link, name, arguments))
        return false;
    backlog_send(&server->backlog, &server->link);
    return true;
}

static void set_deadline(struct forkserver *server, double patience)
{
    server->deadline = pool_now() + patience;
    limits_watch(server->pool, server->deadline);
}

void forkserver_kill(struct forkserver *server, const char *why)
{
    if (server->state == SERVER_DYING)
        return;
    if (why != NULL && server->error[0] == '\0')
        snprintf(server->error, sizeof(server->error), "%s", why);
    server->state = SERVER_DYING;
    kill(server->pid,
         SIGKILL); /* it is our child: until we have reaped it, the number is its own */
    set_deadline(server, server->pool->config.kill_timeout);
}

void forkserver_leave(struct forkserver *server)
{
    if (server->state >= SERVER_LEAVING)
        return;
    if (backlog_hand_over(&server->backlog, &server->link) != 0 ||
        frame_write_leave(&server->link.output) != 0 ||
        link_send(&server->link, (struct bytes){NULL, 0}) != 0) {
        forkserver_kill(server, NULL);
        return;
    }
    server->state = SERVER_LEAVING;
    const struct pool_config *config = &server->pool->config;
    bool cold = server->pool->state == POOL_TERMINATING;
    set_deadline(server, cold ? config->kill_timeout : config->leave_timeout);
}

/* --- its end --- */

/* EOF before HELLO. Most probably it is about to end, and its status says more than that. */
static void on_hung_up(struct forkserver *server)
{
    if (!server->hung_up)
        set_deadline(server, server->pool->config.kill_timeout);
    server->hung_up = true;
}

static void on_end(struct link *link, enum link_status status)
{
    struct forkserver *server = CONTAINER_OF(link, struct forkserver, link);
    if (status == LINK_EOF && server->state == SERVER_STARTING) {
        on_hung_up(server);
        return;
    }
    char text[CODEC_REASON_SIZE + 32];
    snprintf(text, sizeof(text), "it broke the protocol: %s", link->reason.text);
    if (status == LINK_BROKEN || server->state != SERVER_LEAVING)
        forkserver_kill(server, status == LINK_BROKEN ? text : NULL);
}

static void on_sent(struct link *link)
{
    struct forkserver *server = CONTAINER_OF(link, struct forkserver, link);
    pool_settle(server->pool);
    if (server->state == SERVER_UP)
        backlog_send(&server->backlog, link);
}

static const struct link_handler link_handler = {on_frame, on_end, on_sent, true};

void forkserver_listen(struct forkserver *server)
{
    enum link_status status = link_drain(&server->link);
    if (status != LINK_EOF && status != LINK_BROKEN)
        return;
    link_stop(&server->link);
    on_end(&server->link, status);
}

static const char *program_of(const struct forkserver *server)
{
    return server->pool->config.argv[0];
}

static void explain(const struct forkserver *server, const int *status, char *buffer, size_t size)
{
    char how[64] = "an unknown status";
    if (status != NULL)
        reap_describe(*status, how, sizeof(how));
    if (server->error[0] != '\0')
        snprintf(buffer, size, "%s", server->error);
    else if (server->up_at > 0)
        snprintf(buffer, size, "it exited with '%s'", how);
    else
        snprintf(buffer, size, "%s exited with '%s' before it said HELLO", program_of(server), how);
}

static bool was_killed(const struct forkserver *server, const int *status)
{
    return server->error[0] == '\0' && status != NULL && WIFSIGNALED(*status) &&
           WTERMSIG(*status) == SIGKILL;
}

static void orphan_children(struct forkserver *server)
{
    struct pool_child *child;
    LIST_FOREACH(child, &server->pool->children, all)
    if (child->server == server)
        death_orphaned(child);
}

void forkserver_exited(struct forkserver *server, const int *status)
{
    struct pool *pool = server->pool;
    bool asked = server->state == SERVER_LEAVING;
    char why[SERVER_ERROR_SIZE];
    link_drain(&server->link);
    server->state = SERVER_DYING;
    explain(server, status, why, sizeof(why));
    pool->server = NULL;
    if (!asked)
        pool_server_lost(pool, why, server->up_at > 0 ? pool_now() - server->up_at : 0,
                         was_killed(server, status));
    orphan_children(server);
    link_close(&server->link, on_closed);
    pool_settle(pool);
}

static void never_greeted(struct forkserver *server)
{
    char why[512];
    if (server->hung_up)
        snprintf(why, sizeof(why), "%s closed its socket without HELLO", program_of(server));
    else
        snprintf(why, sizeof(why), "%s did not say HELLO within %g s", program_of(server),
                 server->pool->config.load_timeout);
    forkserver_kill(server, why);
}

void forkserver_expired(struct forkserver *server, double now)
{
    if (server->state == SERVER_STARTING)
        forkserver_listen(server);
    if (server->deadline <= 0 || server->deadline > now)
        return;
    if (server->state == SERVER_DYING)
        forkserver_exited(server, NULL);
    else if (server->state == SERVER_STARTING)
        never_greeted(server);
    else
        forkserver_kill(server, NULL);
}
