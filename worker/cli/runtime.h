/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_RUNTIME_H
#define CELERIAC_CLI_RUNTIME_H

/* Which runtime runs the application of -A, and the command line of its forkserver. */

#include <limits.h>

#include "worker/log/log.h"

enum { RUNTIME_ARGUMENTS = 8, RUNTIME_ERROR_SIZE = 512 };

struct runtime {
    const char *argv[RUNTIME_ARGUMENTS]; /* NULL at the end; points into this struct and `app` */
    char program[PATH_MAX];
    char parent[24];
};

/* -1 with a sentence in `error`: no -A, or nothing that a runtime of this release can run. Borrows
 * `app`. */
MUST_CHECK int runtime_choose(const char *app, enum log_level level, struct runtime *ret,
                              char error[RUNTIME_ERROR_SIZE]);

#endif
