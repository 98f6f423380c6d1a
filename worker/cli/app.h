/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_APP_H
#define CELERIAC_CLI_APP_H

/* All that the main process is, as main.c, start.c and hello.c share it. Life: start_prepare (all
 * that can be checked before anything runs) -> main.c runs the loop -> the runtime's HELLO ->
 * hello_accept (what only the app can say) -> the consumer works until it has stopped. */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "backend/backend.h"
#include "worker/cli/options.h"
#include "worker/cli/queues.h"
#include "worker/cli/results.h"
#include "worker/cli/routes.h"
#include "worker/cli/runtime.h"
#include "worker/cli/settings.h"
#include "worker/consumer/consumer.h"

enum {
    EXIT_SYSTEM = 1,
    EXIT_USAGE = 2,
};

enum { APP_SIGNAL_COUNT = 5, APP_NAME_SIZE = 256, APP_ERROR_SIZE = 512 };

struct app {
    uv_loop_t loop;
    uv_signal_t signals[APP_SIGNAL_COUNT];
    struct options options;
    struct settings settings;
    const struct runtime_kind *kind;
    struct runtime runtime;
    struct queues queues;
    struct broker_queue missing_queue;
    struct delayed delayed; /* empty: there is no quorum queue */
    struct broker_url urls[BROKER_URLS_MAX];
    size_t url_count;
    struct results results;
    struct routes routes;
    double start_timeout; /* seconds that a child may take: HELLO's, or the setting's */
    char nodename[APP_NAME_SIZE];
    char pidfile[PATH_MAX];
    char logfile[PATH_MAX];
    char statedb[PATH_MAX]; /* "": none */
    size_t revokes_max;     /* Celery's CELERY_WORKER_REVOKES_MAX, and seconds: */
    double revoke_expires;  /* CELERY_WORKER_REVOKE_EXPIRES */
    unsigned concurrency;
    struct consumer *consumer;
    int exit_status;
    int stop_signal;  /* the first one; 0: none yet */
    uint64_t stop_at; /* loop time in ms of that signal */
    bool remap_sigterm;
};

/* Everything between argv and the first process. 0, or the exit status: what is wrong has been
 * written to stderr. */
MUST_CHECK int start_prepare(struct app *app);

/* Checks what can be checked without the app. -1 with a sentence in `error`. */
MUST_CHECK int hello_check(struct app *app, char error[APP_ERROR_SIZE]);
/* Colours in the log, by what is known so far: as Celery, on a terminal only. */
void hello_set_color(const struct app *app);
/* Takes over what HELLO says, prints the banner and connects the consumer. -1 with a sentence in
 * `error`: the worker cannot run with that. */
MUST_CHECK int hello_accept(struct app *app, const msgpack_object *description,
                            char error[APP_ERROR_SIZE]);

#endif
