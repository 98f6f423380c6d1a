/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_FORKSERVER_H
#define CELERIAC_NATIVE_FORKSERVER_H

/* The forkserver's side of PROTOCOL.md: forks a child for each SPAWN, reaps and reports. */

#include <sys/types.h>

#include "worker/log/log.h"
#include "worker/runtime/native/library.h"
#include "worker/runtime/native/title.h"

enum { FORKSERVER_FD = 3 };

struct forkserver_config {
    pid_t main_process;
    enum log_level log_level; /* of the children's lines */
    struct title title;
    const struct library *library;
};

/* Sends HELLO and serves until the main process has gone or wants no more; returns the exit status.
 * Children never return. */
int forkserver_run(const struct forkserver_config *config);

/* Sends ERROR with `text`: why the forkserver cannot start. */
void forkserver_complain(const char *text);

#endif
