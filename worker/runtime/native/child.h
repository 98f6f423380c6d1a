/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_CHILD_H
#define CELERIAC_NATIVE_CHILD_H

/* A child's side of PROTOCOL.md: reads a JOB, runs it, sends its RESULT. */

#include <stdint.h>
#include <sys/types.h>

#include "worker/log/log.h"
#include "worker/runtime/native/library.h"
#include "worker/runtime/native/title.h"

struct child_config {
    int fd;        /* its socket; taken */
    int claims_fd; /* its claim page, taken; -1: none */
    uint32_t slot;
    pid_t forkserver, main_process;
    enum log_level log_level;
    struct title title;
    const struct library *library;
};

/* Right after the fork, with the forkserver's descriptors closed. Returns the exit status, for
 * _exit. */
int child_run(const struct child_config *config);

#endif
