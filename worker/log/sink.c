/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the descriptor that log lines are written to. Knows no format. */

#include "worker/log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* 0 or a negative errno; then the sink is as it was. */
static int open_file(struct sink *sink, const char *path)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    if (sink->fd > STDERR_FILENO)
        close(sink->fd);
    sink->fd = fd;
    sink->device = status.st_dev;
    sink->inode = status.st_ino;
    if (sink->take_stderr)
        dup2(fd, STDERR_FILENO);
    return 0;
}

int sink_open(struct sink *sink, const char *path, bool take_stderr)
{
    sink->take_stderr = take_stderr;
    int rc = open_file(sink, path);
    if (rc == 0)
        snprintf(sink->path, sizeof(sink->path), "%s", path);
    return rc;
}

void sink_refresh(struct sink *sink, time_t now)
{
    struct stat status;
    if (sink->path[0] == '\0' || sink->looked == now)
        return;
    sink->looked = now;
    if (stat(sink->path, &status) == 0 && status.st_dev == sink->device &&
        status.st_ino == sink->inode)
        return;
    /* Where it cannot be opened, the old file is better than none. */
    (void)!open_file(sink, sink->path);
}

/* A pipe is writable when PIPE_BUF bytes (4096 on Linux) fit, so a line that was allowed here never
 * blocks. */
bool sink_has_room(const struct sink *sink)
{
    struct pollfd descriptor = {.fd = sink->fd, .events = POLLOUT};
    return poll(&descriptor, 1, 0) == 1 && (descriptor.revents & POLLOUT) != 0;
}

void sink_write(const struct sink *sink, const char *line, size_t size)
{
    ssize_t written;
    do {
        written = write(sink->fd, line, size);
    } while (written < 0 && errno == EINTR);
}
