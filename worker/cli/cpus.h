/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_CPUS_H
#define CELERIAC_CLI_CPUS_H

/* How many CPUs this process may use: its affinity and its cgroup's quota (v1 and v2), not what the
 * host has. At least 1. */
unsigned cpus_available(void);

#endif
