/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_CLIENT_COMMAND_H
#define CELERIAC_CLI_CLIENT_COMMAND_H

/* `celeriac call` and `celeriac result`. */

#include <stdbool.h>

/* True if the word is one of the two. */
bool client_command_is(const char *word);
/* Runs the command that argv[index] is; what stands before are global options. The exit status. */
int client_command_run(int argc, char **argv, int index);

#endif
