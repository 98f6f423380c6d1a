/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_OPTIONS_H
#define CELERIAC_CLI_OPTIONS_H

/* The command line, with Celery's option names: `celeriac [-A APP] [-b URL] [--result-backend URL]
 * worker [OPTIONS]`. Options that are settings go into the settings; the rest is here. */

#include <stdbool.h>
#include <stddef.h>

#include "worker/cli/settings.h"
#include "worker/log/log.h"

struct options {
    const char *app;
    const char *hostname;
    const char *logfile, *pidfile, *config;
    enum log_level loglevel;
    bool purge, quiet;
    struct setting_list queues, exclude_queues;
    char *queues_text, *exclude_queues_text; /* owned: behind the lists */
};

enum options_answer {
    OPTIONS_RUN,   /* go on */
    OPTIONS_EXIT,  /* --help or --version has been answered: leave with 0 */
    OPTIONS_ERROR, /* a sentence has been written to stderr: leave with 2 */
};

/* Reads argv, the environment and --config into *options and *settings. Writes warnings with
 * `warn`. The strings of argv are borrowed. */
enum options_answer options_read(int argc, char **argv, struct options *options,
                                 struct settings *settings, void (*warn)(const char *text));
void options_done(struct options *options);

#endif
