/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the forkserver's loop: frames in, forks, reports out. Single-threaded, since a fork copies
 * the calling thread only. Knows nothing of tasks. */

#include "worker/runtime/native/forkserver.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "codec/buffer.h"
#include "codec/frame.h"
#include "worker/runtime/native/child.h"
#include "worker/runtime/native/children.h"
#include "worker/runtime/native/hello.h"
#include "worker/runtime/native/wire.h"

/* Descriptors that came with bytes whose SPAWN is not whole yet. One read brings those of one SPAWN
 * at most, so more than a few never wait. */
enum { PASSED_MAX = 16 };

enum forkserver_state {
    FORKSERVER_SERVING,
    FORKSERVER_LEAVING, /* LEAVE or EOF: no more SPAWN; ends with the last child */
    FORKSERVER_FAILED,  /* the socket or the protocol is broken */
};

struct forkserver {
    const struct forkserver_config *config;
    enum forkserver_state state;
    struct frame_reader reader;
    struct buffer output;
    struct children children;
    int signals; /* signalfd for SIGCHLD */
    struct wire_passed passed[PASSED_MAX];
    size_t passed_count;
    bool socket_ended;
};

static void fail(struct forkserver *server, const char *text)
{
    log_error("forkserver: %s", text);
    buffer_clear(&server->output, SIZE_MAX);
    if (frame_write_error(&server->output, text) == 0 &&
        !wire_send(FORKSERVER_FD, buffer_bytes(&server->output), (struct bytes){NULL, 0}))
        log_debug("forkserver: the main process is gone");
    server->state = FORKSERVER_FAILED;
}

static void end_socket(struct forkserver *server)
{
    server->socket_ended = true;
    if (server->state == FORKSERVER_SERVING)
        server->state = FORKSERVER_LEAVING;
}

static void send_output(struct forkserver *server, int passed)
{
    if (!server->socket_ended &&
        !wire_send_with_fd(FORKSERVER_FD, buffer_bytes(&server->output), passed))
        end_socket(server);
    buffer_clear(&server->output, SIZE_MAX);
}

static void send_hello(struct forkserver *server)
{
    struct buffer description;
    buffer_init(&description, FRAME_MAX / 2);
    if (hello_describe(server->config->library, &description) &&
        frame_write_hello(&server->output, buffer_bytes(&description)) == 0)
        send_output(server, WIRE_NO_FD);
    else
        fail(server, "out of memory for HELLO");
    buffer_done(&description);
}

static void close_passed(const struct wire_passed *passed)
{
    for (size_t i = 0; i < passed->count; i++)
        close(passed->fds[i]);
}

/* False: there are none. */
static bool take_passed(struct forkserver *server, struct wire_passed *ret)
{
    if (server->passed_count == 0)
        return false;
    *ret = server->passed[0];
    server->passed_count--;
    memmove(server->passed, server->passed + 1, server->passed_count * sizeof(server->passed[0]));
    return true;
}

/* In the new child: nothing of the forkserver's stays open. */
static void become_child(const struct forkserver *server, const struct children_entry *entry,
                         pid_t forkserver, const struct wire_passed *own)
{
    close(FORKSERVER_FD);
    close(server->signals);
    for (size_t i = 0; i < server->passed_count; i++)
        close_passed(&server->passed[i]);
    struct child_config config = {.fd = own->fds[0],
                                  .claims_fd = own->count > 1 ? own->fds[1] : -1,
                                  .slot = entry->slot,
                                  .forkserver = forkserver,
                                  .main_process = server->config->main_process,
                                  .log_level = server->config->log_level,
                                  .title = server->config->title,
                                  .library = server->config->library};
    _exit(child_run(&config));
}

static void report_spawned(struct forkserver *server, const struct children_entry *entry)
{
    int pidfd = pidfd_open(entry->pid, 0);
    if (frame_write_spawned(&server->output, entry->slot, entry->generation, entry->pid) == 0)
        send_output(server, pidfd < 0 ? WIRE_NO_FD : pidfd);
    else
        fail(server, "out of memory for SPAWNED");
    if (pidfd >= 0)
        close(pidfd);
}

/* A child that could not be made has ended before it had a pid. */
static void report_unborn(struct forkserver *server, const struct children_entry *entry, int error)
{
    const struct frame_exit ended = {
        .slot = entry->slot, .generation = entry->generation, .wait_status = error};
    if (frame_write_exited(&server->output, &ended) == 0)
        send_output(server, WIRE_NO_FD);
    else
        fail(server, "out of memory for EXITED");
}

static void spawn(struct forkserver *server, struct children_entry entry,
                  const struct wire_passed *passed)
{
    pid_t forkserver = getpid();
    /* What is buffered now would be written twice. */
    fflush(NULL);
    entry.pid = fork();
    if (entry.pid == 0)
        become_child(server, &entry, forkserver, passed);
    if (entry.pid < 0) {
        report_unborn(server, &entry, errno);
        return;
    }
    children_add(&server->children, entry);
    report_spawned(server, &entry);
}

static void on_spawn(struct forkserver *server, const struct frame *frame)
{
    struct wire_passed passed;
    if (!take_passed(server, &passed)) {
        fail(server, "SPAWN came without a socket");
        return;
    }
    struct children_entry entry = {.slot = (uint32_t)frame_uint(frame, 1),
                                   .generation = (uint32_t)frame_uint(frame, 2)};
    if (!children_reserve(&server->children))
        fail(server, "out of memory for a child");
    else if (server->state == FORKSERVER_SERVING)
        spawn(server, entry, &passed);
    close_passed(&passed);
}

static void handle_frames(struct forkserver *server)
{
    struct codec_reason reason;
    struct frame frame;
    int got;
    while (server->state != FORKSERVER_FAILED &&
           (got = frame_reader_next(&server->reader, &frame, &reason)) != 0) {
        if (got < 0)
            fail(server, reason.text);
        else if (frame.type == FRAME_SPAWN)
            on_spawn(server, &frame);
        else if (frame.type == FRAME_LEAVE)
            server->state = FORKSERVER_LEAVING;
        else
            fail(server, "a frame that is none of a forkserver's");
    }
}

static void on_readable(struct forkserver *server)
{
    struct wire_passed passed;
    enum wire_status status = wire_receive_with_fds(FORKSERVER_FD, &server->reader, &passed);
    if (passed.count > 0 && server->passed_count < PASSED_MAX)
        server->passed[server->passed_count++] = passed;
    else
        close_passed(&passed);
    if (status == WIRE_DATA)
        handle_frames(server);
    else if (status == WIRE_FULL)
        fail(server, "out of memory for a frame");
    else if (status == WIRE_END)
        end_socket(server);
}

static void on_child_signal(struct forkserver *server)
{
    struct signalfd_siginfo ignored;
    while (read(server->signals, &ignored, sizeof(ignored)) > 0)
        continue;
    struct frame_exit ended;
    while (children_reap(&server->children, &ended)) {
        if (frame_write_exited(&server->output, &ended) != 0)
            fail(server, "out of memory for EXITED");
        else
            send_output(server, WIRE_NO_FD);
    }
}

static bool goes_on(const struct forkserver *server)
{
    if (getppid() != server->config->main_process)
        return false;
    return server->state == FORKSERVER_SERVING ||
           (server->state == FORKSERVER_LEAVING && server->children.count > 0);
}

static void serve(struct forkserver *server)
{
    while (goes_on(server)) {
        struct pollfd polled[] = {
            {.fd = server->signals, .events = POLLIN},
            /* A socket at its end would wake us for ever; poll skips negative descriptors. */
            {.fd = server->socket_ended ? -1 : FORKSERVER_FD, .events = POLLIN},
        };
        if (poll(polled, ARRAY_LEN(polled), -1) < 0 && errno != EINTR) {
            fail(server, "cannot wait");
            return;
        }
        if (polled[0].revents != 0)
            on_child_signal(server);
        if (polled[1].revents != 0)
            on_readable(server);
    }
}

static int watch_children(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

int forkserver_run(const struct forkserver_config *config)
{
    struct forkserver server = {.config = config, .state = FORKSERVER_SERVING};
    buffer_init(&server.output, FRAME_MAX);
    children_init(&server.children);
    server.signals = watch_children();
    if (server.signals < 0 || !frame_reader_init(&server.reader)) {
        forkserver_complain("no resources for the forkserver");
        return 1;
    }
    send_hello(&server);
    serve(&server);
    /* Without the main process nobody waits for them; without us they go on. */
    if (getppid() != config->main_process)
        children_kill(&server.children);
    int status = server.state == FORKSERVER_FAILED ? 1 : 0;
    close(server.signals);
    children_done(&server.children);
    frame_reader_done(&server.reader);
    buffer_done(&server.output);
    return status;
}

void forkserver_complain(const char *text)
{
    struct buffer output;
    buffer_init(&output, FRAME_MAX);
    if (frame_write_error(&output, text) != 0 ||
        !wire_send(FORKSERVER_FD, buffer_bytes(&output), (struct bytes){NULL, 0}))
        log_error("%s", text);
    buffer_done(&output);
}
