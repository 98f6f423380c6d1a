/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_REAP_H
#define CELERIAC_POOL_REAP_H

/* The child processes of this process: the forkserver, and orphans. */

#include "worker/pool/internal.h"

struct reap;

/* NULL: no system resources. */
struct reap *reap_new(struct pool *pool);
void reap_free(struct reap *reap);
/* The status of an orphan. 1: *ret is set; 0: it still runs; -1: somebody else had it. */
int reap_one(pid_t pid, int *ret);
/* "signal 9 (SIGKILL)" or "exitcode 3" as Celery has it. */
const char *reap_describe(int status, char *buffer, size_t size);

#endif
