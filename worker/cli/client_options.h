/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_CLIENT_OPTIONS_H
#define CELERIAC_CLI_CLIENT_OPTIONS_H

/* What stands behind `celeriac call` and `celeriac result`, with the names of `celery call` and
 * `celery result`. */

#include "celeriac/client.h"
#include "worker/cli/options.h"

enum client_command { CLIENT_CALL = 1, CLIENT_RESULT = 2 };

struct client_options {
    const char *subject; /* the task's name, or the id of a result */
    struct celeriac_call call;
    bool waits;          /* --wait */
    double wait_seconds; /* a day, unless --wait names another time */
    bool traceback;
};

/* Reads argv, whose first word is the command. Borrows the strings. */
enum options_answer client_options_read(enum client_command command, int argc, char **argv,
                                        struct client_options *options, struct settings *settings);

#endif
