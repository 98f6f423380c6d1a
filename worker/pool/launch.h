/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_LAUNCH_H
#define CELERIAC_POOL_LAUNCH_H

/* Starts a program as PROTOCOL.md has it, with a socket to us. */

#include <sys/types.h>

#include "codec/base.h"

/* The caller's: *ret_pid to be reaped, *ret_socket to be closed. 0 or a negative errno. */
MUST_CHECK int launch_program(const char *const *argv, pid_t *ret_pid, int *ret_socket);

#endif
