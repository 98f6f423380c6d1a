/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of start and stop, the signals, and the only exit of the main process. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cli/app.h"
#include "worker/cli/client_command.h"
#include "worker/cli/pidfile.h"

enum {
    LOAD_SECONDS = 600, /* for the app's imports, which Celery does not limit at all */
    /* A signal that reaches us twice at once (once by itself, once through its group) is one
       signal. */
    ECHO_MS = 200,
};

static int fail(const char *text)
{
    fprintf(stderr, "celeriac: %s\n", text);
    return EXIT_USAGE;
}

/* ---- the process ---- */

/* Whatever the parent left us: an ignored SIGCHLD hides every death, a blocked SIGTERM every stop.
 */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
}

static void log_state(struct app *app)
{
    log_warning("State of %s follows, as asked by SIGUSR1", app->nodename);
    consumer_log_state(app->consumer);
}

/* Celery's worker_shutting_down, with what Celery says there. */
static void tell_app(struct app *app, int number, bool cold)
{
    char name[16];
    msgpack_zone *zone = msgpack_zone_new(256);
    msgpack_object arguments;
    snprintf(name, sizeof(name), "SIG%s", sigabbrev_np(number));
    if (zone != NULL && value_map(zone, 3, &arguments)) {
        value_map_put(&arguments, "sig", value_string(name));
        value_map_put(&arguments, "how", value_string(cold ? "Cold" : "Warm"));
        value_map_put(&arguments, "exitcode", value_int(cold || number == SIGINT));
        consumer_signal(app->consumer, "worker_shutting_down", &arguments);
    }
    if (zone != NULL)
        msgpack_zone_free(zone);
}

static void stop(struct app *app, int number)
{
    bool cold = number == SIGQUIT || (number == SIGTERM && app->remap_sigterm);
    uint64_t now = uv_now(&app->loop);
    if (app->stop_signal != 0 && !cold) {
        if (number == app->stop_signal && now - app->stop_at < ECHO_MS)
            return;
        cold = true;
    }
    if (app->stop_signal == 0) {
        app->stop_signal = number;
        app->stop_at = now;
    }
    if (number == SIGINT && !cold)
        printf("\nworker: Hitting Ctrl+C again will terminate all running tasks!\n");
    printf("\nworker: %s shutdown (MainProcess)\n", cold ? "Cold" : "Warm");
    fflush(stdout);
    tell_app(app, number, cold);
    /* Celery's own statuses: 1 after a warm stop by SIGINT, else 0. */
    consumer_stop(app->consumer, cold ? CONSUMER_STOP_COLD : CONSUMER_STOP_WARM,
                  number == SIGINT && !cold ? EXIT_SYSTEM : 0);
}

static void on_signal(uv_signal_t *signal_handle, int number)
{
    struct app *app = signal_handle->data;
    if (number == SIGUSR1)
        log_state(app);
    else
        stop(app, number);
}

static void start_signals(struct app *app)
{
    static const int numbers[APP_SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < APP_SIGNAL_COUNT; i++) {
        uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&app->signals[i]);
    }
    const char *remap = getenv("REMAP_SIGTERM");
    app->remap_sigterm = remap != NULL && strcmp(remap, "SIGQUIT") == 0;
}

/* ---- what the consumer says ---- */

static void on_hello(void *context, const msgpack_object *description)
{
    struct app *app = context;
    char error[APP_ERROR_SIZE];
    if (hello_accept(app, description, error) == 0)
        return;
    log_critical("%s", error);
    consumer_stop(app->consumer, CONSUMER_STOP_COLD, EXIT_USAGE);
}

static void on_stopped(void *context, int exit_status)
{
    struct app *app = context;
    app->exit_status = exit_status;
    for (size_t i = 0; i < APP_SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
}

static const struct consumer_handler consumer_handler = {
    .on_hello = on_hello,
    .on_stopped = on_stopped,
};

/* An interpreter or a program that is not there is a matter of usage. */
static int cannot_execute(const struct app *app, int error)
{
    fprintf(stderr, "celeriac: %s cannot be executed: %s%s\n", app->runtime.argv[0],
            strerror(error), app->kind->apps_have_settings ? " (--python names another)" : "");
    return error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE ? EXIT_SYSTEM
                                                                                    : EXIT_USAGE;
}

static int run(struct app *app)
{
    struct pool_config pool = {
        .argv = app->runtime.argv,
        .load_timeout = LOAD_SECONDS,
        .kill_timeout = 1,
        .leave_timeout = 5,
    };
    uv_loop_init(&app->loop);
    start_signals(app);
    app->consumer = consumer_new(&app->loop, &pool, &consumer_handler, app);
    if (app->consumer == NULL)
        return fail("out of memory or of system resources");
    int error = consumer_start(app->consumer);
    if (error != 0)
        return cannot_execute(app, -error);
    uv_run(&app->loop, UV_RUN_DEFAULT);
    consumer_free(app->consumer);
    uv_loop_close(&app->loop);
    return app->exit_status;
}

static int run_with_pidfile(struct app *app)
{
    char error[512];
    if (app->pidfile[0] != '\0' && pidfile_write(app->pidfile, error, sizeof(error)) != 0)
        return fail(error);
    int status = run(app);
    if (app->pidfile[0] != '\0')
        pidfile_remove(app->pidfile);
    return status;
}

static int start(int argc, char **argv, struct app *app)
{
    switch (options_read(argc, argv, &app->options, &app->settings)) {
    case OPTIONS_EXIT:
        return 0;
    case OPTIONS_ERROR:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    log_init("MainProcess", app->options.loglevel);
    int status = start_prepare(app);
    return status == 0 ? run_with_pidfile(app) : status;
}

int main(int argc, char **argv)
{
    static struct app app;
    reset_signals();
    int command = options_find_command(argc, argv);
    if (command < argc && client_command_is(argv[command]))
        return client_command_run(argc, argv, command);
    settings_init(&app.settings);
    int status = start(argc, argv, &app);
    queues_done(&app.queues);
    routes_done(&app.routes);
    runtime_done(&app.runtime);
    options_done(&app.options);
    settings_done(&app.settings);
    return status;
}
