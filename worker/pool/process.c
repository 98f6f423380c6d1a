/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns pidfds and what /proc says about them. Must not know children or jobs. */

#include "worker/pool/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "worker/pool/link.h"

/* The beginning of a file of /proc, null-terminated. False: there is no such file. */
static bool read_proc(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, buffer, size - 1);
    close(fd);
    buffer[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The process that a pidfd stands for; -1: it is no pidfd, or its process has been reaped. */
static long pid_of(int pidfd)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    if (!read_proc(path, text, sizeof(text)))
        return -1;
    const char *line = strstr(text, "\nPid:");
    return line != NULL ? strtol(line + strlen("\nPid:"), NULL, 10) : -1;
}

/* A descriptor may be missing, and the kernel may hand over the bytes of several frames with one;
 * so each is asked whose it is. */
int process_claim(struct link *link, pid_t pid)
{
    for (unsigned i = 0; i < link->descriptor_count; i++) {
        int fd = link->descriptors[i];
        if (pid_of(fd) != pid)
            continue;
        link->descriptor_count--;
        memmove(&link->descriptors[i], &link->descriptors[i + 1],
                (link->descriptor_count - i) * sizeof(int));
        return fd;
    }
    return -1;
}

static long parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!read_proc(path, text, sizeof(text)))
        return -1;
    /* "pid (name) state ppid ..."; the name may hold anything */
    const char *end = strrchr(text, ')');
    return end != NULL && strlen(end) > 4 ? strtol(end + 4, NULL, 10) : -1;
}

int process_open(pid_t pid, pid_t parent)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0 || parent_of(pid) == parent)
        return fd;
    close(fd);
    return -1;
}

void process_signal(pid_t pid, int pidfd, int signal, int value)
{
    siginfo_t info = {.si_signo = signal, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    if (pidfd >= 0 && pidfd_send_signal(pidfd, signal, &info, 0) == 0)
        return;
    if (pidfd < 0 || errno == ENOSYS || errno == EPERM)
        sigqueue(pid, signal, info.si_value);
}
