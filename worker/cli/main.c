/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of start and stop, the signals, and the only exit of the main process. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "backend/backend.h"
#include "worker/cli/banner.h"
#include "worker/cli/cpus.h"
#include "worker/cli/nodename.h"
#include "worker/cli/options.h"
#include "worker/cli/pidfile.h"
#include "worker/cli/queues.h"
#include "worker/cli/runtime.h"
#include "worker/cli/settings.h"
#include "worker/cli/version.h"
#include "worker/consumer/consumer.h"

enum {
    EXIT_SYSTEM = 1,
    EXIT_USAGE = 2,
    LOAD_SECONDS = 600, /* for the app's imports, which Celery does not limit at all */
    /* A signal that reaches us twice at once (once by itself, once through its group) is one
       signal. */
    ECHO_MS = 200,
};

enum { SIGNAL_COUNT = 5 };

struct app {
    uv_loop_t loop;
    uv_signal_t signals[SIGNAL_COUNT];
    struct options options;
    struct settings settings;
    struct runtime runtime;
    struct queues queues;
    struct broker_url urls[BROKER_URLS_MAX];
    size_t url_count;
    const struct serializer *accepted[SETTING_LIST_MAX + 1];
    const struct serializer *result_serializer;
    char nodename[256];
    char pidfile[PATH_MAX];
    unsigned concurrency;
    struct consumer *consumer;
    int exit_status;
    int stop_signal;  /* the first one; 0: none yet */
    uint64_t stop_at; /* loop time in ms of that signal */
    bool remap_sigterm;
};

static void warn(const char *text)
{
    log_warning("%s", text);
}

static int fail(const char *text)
{
    fprintf(stderr, "celeriac: %s\n", text);
    return EXIT_USAGE;
}

/* ---- checks before anything is started ---- */

static int read_serializers(struct app *app)
{
    char text[256];
    const struct settings *settings = &app->settings;
    const char *name = settings->result_serializer != NULL ? settings->result_serializer : "";
    app->result_serializer = serializer_by_name(name);
    if (app->result_serializer == NULL) {
        snprintf(text, sizeof(text),
                 "result_serializer '%.60s' is not one of json, msgpack: celeriac cannot write it",
                 name);
        return fail(text);
    }
    for (size_t i = 0; i < settings->accept_content.count; i++) {
        app->accepted[i] = serializer_by_name(settings->accept_content.items[i]);
        if (app->accepted[i] == NULL) {
            snprintf(text, sizeof(text),
                     "accept_content names '%.60s', which is not one of json, msgpack",
                     settings->accept_content.items[i]);
            return fail(text);
        }
    }
    return settings->accept_content.count > 0 ? 0 : fail("accept_content is empty");
}

static int read_urls(struct app *app)
{
    char url_error[BROKER_URL_ERROR_SIZE];
    char backend_error[BACKEND_ERROR_SIZE];
    const char *url = app->settings.broker_url;
    if (broker_urls_parse(url != NULL ? url : "amqp://", app->urls, &app->url_count, url_error) !=
        0)
        return fail(url_error);
    if (!backend_supported(app->settings.result_backend, backend_error))
        return fail(backend_error);
    return 0;
}

static int read_names(struct app *app)
{
    if (nodename_make(app->options.hostname, app->nodename, sizeof(app->nodename)) != 0)
        return fail("--hostname is too long");
    const struct options *options = &app->options;
    if (options->pidfile != NULL && nodename_expand_file(options->pidfile, app->nodename,
                                                         app->pidfile, sizeof(app->pidfile)) != 0)
        return fail("--pidfile is too long");
    return 0;
}

static int check(struct app *app)
{
    char error[RUNTIME_ERROR_SIZE];
    if (runtime_choose(app->options.app, app->options.loglevel, &app->runtime, error) != 0)
        return fail(error);
    if (queues_select(&app->options, &app->settings, &app->queues, error) != 0)
        return fail(error);
    if (app->settings.worker_lost_max_deliveries < 1)
        return fail("worker_lost_max_deliveries must be at least 1");
    int count = app->settings.worker_concurrency;
    app->concurrency = count > 0 ? (unsigned)count : cpus_available();
    int status = read_serializers(app);
    if (status == 0)
        status = read_urls(app);
    if (status == 0)
        status = read_names(app);
    return status;
}

/* ---- the process ---- */

static int open_logfile(const struct app *app)
{
    char path[PATH_MAX];
    if (app->options.logfile == NULL)
        return 0;
    if (nodename_expand_file(app->options.logfile, app->nodename, path, sizeof(path)) != 0)
        return fail("--logfile is too long");
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        fprintf(stderr, "celeriac: the log file %s cannot be written: %s\n", path, strerror(errno));
        return EXIT_USAGE;
    }
    dup2(fd, STDERR_FILENO);
    close(fd);
    return 0;
}

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
    printf("\nworker: %s shutdown (MainProcess)\n", cold ? "Cold" : "Warm");
    fflush(stdout);
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
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&app->signals[i]);
    }
    const char *remap = getenv("REMAP_SIGTERM");
    app->remap_sigterm = remap != NULL && strcmp(remap, "SIGQUIT") == 0;
}

/* ---- what the consumer says ---- */

static struct consumer_config consumer_config_of(const struct app *app)
{
    const struct settings *settings = &app->settings;
    return (struct consumer_config){
        .nodename = app->nodename,
        .task_acks_late = settings->task_acks_late,
        .task_reject_on_worker_lost = settings->task_reject_on_worker_lost,
        .task_acks_on_failure_or_timeout = settings->task_acks_on_failure_or_timeout,
        .task_ignore_result = settings->task_ignore_result,
        .task_time_limit = settings->task_time_limit,
        .task_soft_time_limit = settings->task_soft_time_limit,
        .worker_lost_max_deliveries = (unsigned)settings->worker_lost_max_deliveries,
        .prefetch = app->concurrency * (unsigned)settings->worker_prefetch_multiplier,
        .result_serializer = app->result_serializer,
        .accept_content = app->accepted,
        .result_persistent = settings->result_persistent,
    };
}

static struct broker_config broker_config_of(const struct app *app)
{
    const struct settings *settings = &app->settings;
    bool startup_is_set =
        settings_source(settings, "broker_connection_retry_on_startup") != SETTING_DEFAULT;
    return (struct broker_config){
        .urls = app->urls,
        .url_count = app->url_count,
        .queues = app->queues.items,
        .queue_count = app->queues.count,
        .product = "celeriac",
        .version = CELERIAC_VERSION,
        .prefetch = app->concurrency * (unsigned)settings->worker_prefetch_multiplier,
        .purge = app->options.purge,
        .connection_timeout = settings->broker_connection_timeout,
        .heartbeat = settings->broker_heartbeat,
        .connection_retry = settings->broker_connection_retry,
        .connection_retry_on_startup = startup_is_set ? settings->broker_connection_retry_on_startup
                                                      : settings->broker_connection_retry,
        .connection_max_retries = settings->broker_connection_max_retries,
        .body_max = CONSUMER_BODY_MAX,
        .outbox_max = CONSUMER_OUTBOX_MAX,
    };
}

static struct pool_config pool_config_of(const struct app *app)
{
    return (struct pool_config){
        .concurrency = app->concurrency,
        .max_tasks_per_child = (unsigned)app->settings.worker_max_tasks_per_child,
        .max_memory_per_child = (uint64_t)app->settings.worker_max_memory_per_child,
        .start_timeout = app->settings.worker_proc_alive_timeout,
        .kill_timeout = 1,
    };
}

static void on_hello(void *context, const msgpack_object *description)
{
    struct app *app = context;
    const char *results = app->settings.result_backend;
    if (!app->options.quiet)
        banner_print(&(struct banner){
            .nodename = app->nodename,
            .options = &app->options,
            .url = &app->urls[0],
            .results = results != NULL ? results : "disabled://",
            .concurrency = app->concurrency,
            .queues = &app->queues,
            .description = description,
        });
    struct consumer_config config = consumer_config_of(app);
    struct broker_config broker = broker_config_of(app);
    struct pool_config pool = pool_config_of(app);
    if (consumer_connect(app->consumer, &config, &pool, &broker, results) != 0) {
        log_critical("Out of memory");
        consumer_stop(app->consumer, CONSUMER_STOP_COLD, EXIT_SYSTEM);
    }
}

static void on_stopped(void *context, int exit_status)
{
    struct app *app = context;
    app->exit_status = exit_status;
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
}

static const struct consumer_handler consumer_handler = {
    .on_hello = on_hello,
    .on_stopped = on_stopped,
};

static int run(struct app *app)
{
    struct pool_config pool = {
        .argv = app->runtime.argv,
        .load_timeout = LOAD_SECONDS,
        .kill_timeout = 1,
    };
    uv_loop_init(&app->loop);
    start_signals(app);
    app->consumer = consumer_new(&app->loop, &pool, &consumer_handler, app);
    if (app->consumer == NULL)
        return fail("out of memory or of system resources");
    int error = consumer_start(app->consumer);
    if (error != 0) {
        fprintf(stderr, "celeriac: %s cannot be executed: %s\n", app->runtime.program,
                strerror(-error));
        return EXIT_SYSTEM;
    }
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
    switch (options_read(argc, argv, &app->options, &app->settings, warn)) {
    case OPTIONS_EXIT:
        return 0;
    case OPTIONS_ERROR:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    log_init("MainProcess", app->options.loglevel);
    int status = check(app);
    if (status == 0)
        status = open_logfile(app);
    return status == 0 ? run_with_pidfile(app) : status;
}

int main(int argc, char **argv)
{
    static struct app app;
    reset_signals();
    settings_init(&app.settings);
    int status = start(argc, argv, &app);
    queues_done(&app.queues);
    options_done(&app.options);
    settings_done(&app.settings);
    return status;
}
