/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_CHILD_H
#define CELERIAC_POOL_CHILD_H

/* One child process as long as it lives. */

#include "worker/pool/internal.h"

/* 0 or a negative errno. */
MUST_CHECK int child_spawn(struct pool *pool, struct forkserver *server, uint32_t slot,
                           struct pool_child **ret);
/* Only before its link is open or after that is closed. Accepts NULL. */
void child_free(struct pool_child *child);
void child_set_state(struct pool_child *child, enum child_state state);
void child_set_deadline(struct pool_child *child, double deadline); /* 0: none */
/* Asks a child without a job to leave. */
void child_retire(struct pool_child *child);
/* A child that announced that it leaves by itself. */
void child_let_go(struct pool_child *child);
/* Sends `signal` with `value` (siginfo's si_value). */
void child_signal(struct pool_child *child, int signal, int value);
/* Reads what it has sent, up to the end of its job. */
void child_listen(struct pool_child *child);
/* From the forkserver: the process exists. Takes `pidfd` (-1: none). */
void child_spawned(struct pool_child *child, pid_t pid, int pidfd);
/* The deadline has passed. */
void child_expired(struct pool_child *child, double now);
const char *child_state_name(enum child_state state);

#endif
