/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_OPTIONS_H
#define CELERIAC_CLI_OPTIONS_H

/* The command line, with Celery's option names: `celeriac [GLOBAL OPTIONS] worker [OPTIONS]
 * [name=value ...]`. Options that are settings go into the settings; the rest is here. */

#include <stdbool.h>
#include <stddef.h>

#include "worker/cli/settings.h"
#include "worker/log/log.h"

enum { OPTIONS_WARNINGS_MAX = 32 };

/* Strings are those of argv or of the environment; NULL: not given. */
struct options {
    const char *app, *python, *loader, *config, *workdir;
    const char *hostname, *logfile, *pidfile, *statedb, *uid, *gid, *umask;
    const char *include, *queues_given, *exclude_queues_given;
    enum log_level loglevel;
    bool purge, quiet, no_color, skip_checks, task_events, no_preload, celery_acks;
    struct setting_list queues, exclude_queues;
    char *queues_text, *exclude_queues_text; /* owned: behind the lists */
    char *warnings[OPTIONS_WARNINGS_MAX];    /* owned: which options have no effect, for the log */
    size_t warning_count;
};

enum options_answer {
    OPTIONS_RUN,   /* go on */
    OPTIONS_EXIT,  /* --help or --version has been answered: leave with 0 */
    OPTIONS_ERROR, /* a sentence has been written to stderr: leave with 2 */
};

/* Reads argv, and the environment for what argv leaves out (as Celery: every option has a variable,
 * -c CELERY_WORKER_CONCURRENCY for one), into *options and *settings. Borrows the strings. */
enum options_answer options_read(int argc, char **argv, struct options *options,
                                 struct settings *settings);
/* The place of the command in argv, argc if there is none. */
int options_find_command(int argc, char **argv);
/* Remembers that an option has no effect, and why, for the log. */
void options_warn(struct options *options, const char *name, const char *why);
void options_done(struct options *options);

#endif
