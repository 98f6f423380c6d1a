/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_PROCESS_H
#define CELERIAC_POOL_PROCESS_H

/* Handles of processes that are not our children, so that a signal never meets another process that
 * has got a dead one's number. */

#include <sys/types.h>

struct link;

/* The descriptor of `pid` among those that came over `link`; -1: none. The caller's. */
int process_claim(struct link *link, pid_t pid);
/* A pidfd for `pid`, if it is a child of `parent` still; -1: it is not, or this kernel has none.
 * The caller's. */
int process_open(pid_t pid, pid_t parent);
/* Sends `signal` with `value` as its si_value; by number if the kernel (or a seccomp filter) knows
 * no pidfds. */
void process_signal(pid_t pid, int pidfd, int signal, int value);

#endif
