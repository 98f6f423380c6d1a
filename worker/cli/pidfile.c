/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the pid file; Celery's rules: a stale one is replaced, a live one refuses the start. */

#include "worker/cli/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 0 if the file is missing or holds no number. */
static long read_pid(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    long pid = 0;
    if (fscanf(file, "%ld", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid;
}

static int create(const char *path, char *error, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        snprintf(error, size, "the pid file %s cannot be written: %s", path, strerror(errno));
        return -1;
    }
    char line[32];
    int length = snprintf(line, sizeof(line), "%ld\n", (long)getpid());
    ssize_t written = write(fd, line, (size_t)length);
    close(fd);
    if (written != length) {
        unlink(path);
        snprintf(error, size, "the pid file %s cannot be written", path);
        return -1;
    }
    return 0;
}

int pidfile_write(const char *path, char *error, size_t size)
{
    long pid = read_pid(path);
    if (pid > 0 && pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno == EPERM)) {
        snprintf(
            error, size,
            "the pid file %s names process %ld, which is alive: is this worker running already?",
            path, pid);
        return -1;
    }
    unlink(path);
    return create(path, error, size);
}

void pidfile_remove(const char *path)
{
    if (read_pid(path) == (long)getpid())
        unlink(path);
}
