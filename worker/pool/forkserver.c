/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns one forkserver process: how it is started, what it says, and how it ends. Must not know when
 * a child is wanted, nor what is done about its own end. */

#include "worker/pool/forkserver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/pool/child.h"
#include "worker/pool/death.h"
#include "worker/pool/limits.h"
#include "worker/pool/process.h"
#include "worker/pool/reap.h"

enum { CHANNEL = 3 }; /* its descriptor of our socket */

/* Bytes that the kernel keeps for it (about twice that, with its own overhead): what it has not
 * read yet, no SPAWN can overtake any more. */
enum { UNREAD_MAX = 8192 };

/* --- start --- */

/* No descriptor of ours but the socket, no ignored or blocked signal of ours, and out of reach of
 * signals to our group. */
static int describe_spawn(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                          int socket)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int rc = posix_spawn_file_actions_adddup2(actions, socket, CHANNEL);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, CHANNEL + 1);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                      POSIX_SPAWN_SETSIGMASK);
    return rc;
}

static int spawn(const char *const *argv, int socket, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return -rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = describe_spawn(&actions, &attributes, socket);
        if (rc == 0)
            rc = posix_spawnp(ret, argv[0], &actions, &attributes, (char *const *)argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

static void wait_for_killed(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int make_sockets(int *ret)
{
    int unread = UNREAD_MAX;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) != 0)
        return -errno;
    setsockopt(ret[0], SOL_SOCKET, SO_SNDBUF, &unread, sizeof(unread));
    return 0;
}

static const struct link_handler link_handler;

int forkserver_start(struct pool *pool)
{
    int sockets[2];
    int rc = make_sockets(sockets);
    if (rc != 0)
        return rc;
    struct forkserver *server = calloc(1, sizeof(*server));
    rc = server == NULL ? -ENOMEM : spawn(pool->config.argv, sockets[1], &server->pid);
    close(sockets[1]);
    if (rc != 0) {
        close(sockets[0]);
        goto fail;
    }
    rc = link_init(&server->link, pool->loop, sockets[0], &link_handler);
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
    struct text text = frame_text(frame, 1);
    snprintf(server->error, sizeof(server->error), "%.*s", (int)text.size, text.data);
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

static void set_deadline(struct forkserver *server)
{
    server->deadline = pool_now() + server->pool->config.kill_timeout;
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
    set_deadline(server);
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
    set_deadline(server);
}

/* --- its end --- */

static void on_end(struct link *link, enum link_status status)
{
    struct forkserver *server = CONTAINER_OF(link, struct forkserver, link);
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

static void explain(const struct forkserver *server, const int *status, char *buffer, size_t size)
{
    char how[64] = "an unknown status";
    if (status != NULL)
        reap_describe(*status, how, sizeof(how));
    if (server->error[0] != '\0')
        snprintf(buffer, size, "%s", server->error);
    else
        snprintf(buffer, size, "it exited with '%s'", how);
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

void forkserver_expired(struct forkserver *server, double now)
{
    if (server->state == SERVER_STARTING)
        forkserver_listen(server);
    if (server->deadline <= 0 || server->deadline > now)
        return;
    char why[64];
    snprintf(why, sizeof(why), "it was not ready within %g s", server->pool->config.load_timeout);
    if (server->state == SERVER_DYING)
        forkserver_exited(server, NULL);
    else
        forkserver_kill(server, server->state == SERVER_STARTING ? why : NULL);
}
