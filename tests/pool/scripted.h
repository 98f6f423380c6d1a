/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TEST_POOL_SCRIPTED_H
#define CELERIAC_TEST_POOL_SCRIPTED_H

/* The parts of the scripted runtime: the wire and the child, as its forkserver sees them. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "codec/frame.h"

/* What the arguments say; scripted.c lists them. */
struct script {
    bool no_hello, hang_up, odd_frame, no_pidfd, odd_pidfd, no_fork, fork_fails, no_leave, stay,
        ahead, sets_bit;
    int exit_with, protocol;
    unsigned long unready, mute, rss;
    const char *error, *excuse, *journal, *log;
};

/* Ends the process, as perror. */
_Noreturn void scripted_die(const char *what);

/* Sends the whole buffer, with `descriptor` if it is not -1; errors go unnoticed, as the peer may
 * be gone. */
void scripted_send(int fd, const struct buffer *buffer, int descriptor);
/* Reads once. False: EOF. descriptors[], two, get what came as SCM_RIGHTS, if anything did. */
bool scripted_receive(int fd, struct frame_reader *reader, int *descriptors);

/* Sends what `write` writes into `send_buffer`. */
#define SEND(fd, write)                                                                            \
    do {                                                                                           \
        struct buffer send_buffer;                                                                 \
        buffer_init(&send_buffer, FRAME_MAX);                                                      \
        if ((write) == 0)                                                                          \
            scripted_send((fd), &send_buffer, -1);                                                 \
        buffer_done(&send_buffer);                                                                 \
    } while (0)

struct scripted_family {
    pid_t main_process, forkserver;
    unsigned long number;          /* how many children came before, and this one */
    const char *inherited_signals; /* ignored or blocked at the forkserver's start */
};

/* The life of a child that talks over the first descriptor; the second is its claim page, or -1. */
_Noreturn void scripted_child(const int *descriptors, const struct script *script,
                              const struct scripted_family *family);

#endif
