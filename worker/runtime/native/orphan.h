/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_ORPHAN_H
#define CELERIAC_NATIVE_ORPHAN_H

/* What happens to a process of ours when its parent dies (PROTOCOL.md, "A child's life"). */

#include <stdbool.h>
#include <sys/types.h>

/* The forkserver: killed when the main process dies. False if it is dead already. */
bool orphan_die_with(pid_t main_process);

/* A child: ends when the forkserver dies, unless it is the main process that inherits us; then ends
 * when that one dies. Ends at once if both are dead already. */
void orphan_watch(pid_t forkserver, pid_t main_process);

#endif
