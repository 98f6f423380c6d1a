/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns fork and exec of a runtime's program: what it finds, and what it does not inherit. Must not
 * know what becomes of it. */

#include "worker/pool/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHANNEL = 3 }; /* its descriptor of our socket */

/* Bytes that the kernel keeps for it (about twice that, with its own overhead): what it has not
 * read yet, no SPAWN can overtake any more. */
enum { UNREAD_MAX = 8192 };

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

static int make_sockets(int *ret)
{
    int unread = UNREAD_MAX;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) != 0)
        return -errno;
    setsockopt(ret[0], SOL_SOCKET, SO_SNDBUF, &unread, sizeof(unread));
    return 0;
}

int launch_program(const char *const *argv, pid_t *ret_pid, int *ret_socket)
{
    int sockets[2];
    int rc = make_sockets(sockets);
    if (rc != 0)
        return rc;
    rc = spawn(argv, sockets[1], ret_pid);
    close(sockets[1]);
    if (rc == 0)
        *ret_socket = sockets[0];
    else
        close(sockets[0]);
    return rc;
}
