/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way from settings and HELLO to the configuration of the consumer. Starts nothing but
 * the consumer's connections. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/rate_limit.h"
#include "worker/cli/app.h"
#include "worker/cli/banner.h"
#include "worker/cli/cpus.h"
#include "worker/cli/nodename.h"
#include "worker/cli/version.h"

enum { START_SECONDS_MAX = 86400, REVOKES_LIMIT = 10000000 };

static int refuse(char error[APP_ERROR_SIZE], const char *text)
{
    snprintf(error, APP_ERROR_SIZE, "%s", text);
    return -1;
}

/* ---- checks ---- */

static int check_urls(struct app *app, char error[APP_ERROR_SIZE])
{
    char url_error[BROKER_URL_ERROR_SIZE];
    const char *url = app->settings.broker_url;
    if (broker_urls_parse(url != NULL ? url : "amqp://", app->urls, &app->url_count, url_error) !=
        0)
        return refuse(error, url_error);
    return 0;
}

static int check_numbers(const struct app *app, char error[APP_ERROR_SIZE])
{
    const char *pool = app->settings.worker_pool;
    if (app->settings.worker_lost_max_deliveries < 1)
        return refuse(error, "worker_lost_max_deliveries must be at least 1");
    if (pool != NULL && strcmp(pool, "prefork") != 0 && strcmp(pool, "processes") != 0) {
        snprintf(error, APP_ERROR_SIZE,
                 "worker_pool is '%.60s', and the only pool here is prefork: -P prefork takes it "
                 "nevertheless",
                 pool);
        return -1;
    }
    return 0;
}

static int check_control(const struct app *app, char error[APP_ERROR_SIZE])
{
    const struct settings *settings = &app->settings;
    struct codec_reason reason;
    double limit;
    const msgpack_object text = settings->task_default_rate_limit != NULL
                                    ? value_string(settings->task_default_rate_limit)
                                    : value_nil();
    if (rate_limit_read(&text, &limit, &reason) != 0) {
        snprintf(error, APP_ERROR_SIZE, "task_default_rate_limit: %s", reason.text);
        return -1;
    }
    if (settings->control_exchange == NULL || strlen(settings->control_exchange) > 128)
        return refuse(error, "control_exchange must be a name of at most 128 bytes");
    return 0;
}

/* Celery's variables, where it too has no settings. */
static int read_revoke_bounds(struct app *app, char error[APP_ERROR_SIZE])
{
    const char *max = getenv("CELERY_WORKER_REVOKES_MAX");
    const char *expires = getenv("CELERY_WORKER_REVOKE_EXPIRES");
    char *end;
    app->revokes_max = CONSUMER_REVOKES_MAX;
    app->revoke_expires = CONSUMER_REVOKE_EXPIRES;
    if (max != NULL) {
        long count = strtol(max, &end, 10);
        if (*max == '\0' || *end != '\0' || count < 1 || count > REVOKES_LIMIT)
            return refuse(error, "CELERY_WORKER_REVOKES_MAX takes a number from 1 to 10000000");
        app->revokes_max = (size_t)count;
    }
    if (expires != NULL) {
        double seconds = strtod(expires, &end);
        if (*expires == '\0' || *end != '\0' || !(seconds >= 0 && seconds <= 1e9))
            return refuse(error, "CELERY_WORKER_REVOKE_EXPIRES takes a number of seconds");
        app->revoke_expires = seconds;
    }
    return 0;
}

static int select_queues(struct app *app, char error[APP_ERROR_SIZE])
{
    queues_done(&app->queues);
    return queues_select(&app->options, &app->settings, app->nodename, &app->queues, error);
}

int hello_check(struct app *app, char error[APP_ERROR_SIZE])
{
    if (check_numbers(app, error) != 0 || check_control(app, error) != 0 ||
        check_urls(app, error) != 0 || read_revoke_bounds(app, error) != 0)
        return -1;
    if (app->kind->apps_have_settings)
        return 0;
    if (select_queues(app, error) != 0 || results_check(&app->results, &app->settings, error) != 0)
        return -1;
    return routes_read(&app->routes, app->settings.task_routes, error);
}

void hello_set_color(const struct app *app)
{
    log_set_color(!app->options.no_color && app->settings.worker_log_color != 0 &&
                  app->logfile[0] == '\0' && isatty(STDERR_FILENO));
}

/* ---- what HELLO says ---- */

static int read_settings(struct app *app, const msgpack_object *settings,
                         char error[APP_ERROR_SIZE])
{
    if (value_is_nil(settings) || settings->type != MSGPACK_OBJECT_MAP)
        return 0;
    for (uint32_t i = 0; i < settings->via.map.size; i++) {
        const msgpack_object_kv *pair = &settings->via.map.ptr[i];
        char message[SETTINGS_MESSAGE_SIZE];
        char name[OVERRIDE_NAME_SIZE];
        struct text key;
        if (!value_as_text(&pair->key, &key) || key.size >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)key.size, key.data);
        if (settings_put_value(&app->settings, name, &pair->val, message) == SETTINGS_ERROR) {
            snprintf(error, APP_ERROR_SIZE, "the app's setting %s", message);
            return -1;
        }
    }
    return 0;
}

static void read_start_timeout(struct app *app, const msgpack_object *description)
{
    double seconds;
    app->start_timeout = app->settings.worker_proc_alive_timeout;
    if (value_as_double(value_get(description, "start_timeout"), &seconds) && seconds > 0 &&
        seconds <= START_SECONDS_MAX)
        app->start_timeout = seconds;
}

static int read_hello(struct app *app, const msgpack_object *description,
                      char error[APP_ERROR_SIZE])
{
    if (read_settings(app, value_get(description, "settings"), error) != 0 ||
        check_numbers(app, error) != 0 || check_control(app, error) != 0 ||
        check_urls(app, error) != 0)
        return -1;
    read_start_timeout(app, description);
    if (results_read(&app->results, &app->settings, description, error) != 0)
        return -1;
    const msgpack_object *queues = value_get(description, "queues");
    if (value_is_nil(queues))
        return select_queues(app, error);
    queues_done(&app->queues);
    return queues_read(queues, value_get(description, "other_queues"), &app->queues, error);
}

static bool is_line_type(const char *type)
{
    return type != NULL && (strcmp(type, "quorum") == 0 || strcmp(type, "classic") == 0);
}

/* Celery's condition: a quorum queue among those that are known, consumed or not. */
static int prepare_queues(struct app *app, char error[APP_ERROR_SIZE])
{
    const struct queues *queues = &app->queues;
    const char *type = app->settings.broker_native_delayed_delivery_queue_type;
    app->delayed = (struct delayed){0};
    if (!queues_missing(queues, &app->settings, &app->missing_queue))
        return refuse(error, "out of memory");
    if (!delayed_is_wanted(queues->items, queues->known))
        return 0;
    if (!is_line_type(type))
        return refuse(error, "broker_native_delayed_delivery_queue_type must be quorum or classic");
    if (!delayed_make(queues->zone, type, queues->items, queues->known, queues->count,
                      &app->delayed))
        return refuse(error, "out of memory");
    return 0;
}

/* ---- to the consumer ---- */

static struct consumer_config consumer_config_of(const struct app *app)
{
    const struct settings *settings = &app->settings;
    bool is_auto = settings->worker_prefetch_multiplier < 0;
    return (struct consumer_config){
        .nodename = app->nodename,
        .task_acks_late = settings->task_acks_late,
        .task_reject_on_worker_lost = settings->task_reject_on_worker_lost,
        .task_acks_on_failure_or_timeout = settings->task_acks_on_failure_or_timeout,
        .task_ignore_result = settings->task_ignore_result,
        .task_time_limit = settings->task_time_limit,
        .task_soft_time_limit = settings->task_soft_time_limit,
        .worker_lost_max_deliveries = (unsigned)settings->worker_lost_max_deliveries,
        .concurrency = app->concurrency,
        .prefetch_multiplier = is_auto ? 0 : (unsigned)settings->worker_prefetch_multiplier,
        .prefetch_automatic = is_auto,
        .worker_eta_task_limit = (unsigned)settings->worker_eta_task_limit,
        .task_default_rate_limit = settings->task_default_rate_limit,
        .worker_disable_rate_limits = settings->worker_disable_rate_limits,
        .worker_enable_remote_control = settings->worker_enable_remote_control,
        .control_exchange = settings->control_exchange,
        .control_queue_ttl = settings->control_queue_ttl,
        .control_queue_expires = settings->control_queue_expires,
        .revokes_max = app->revokes_max,
        .revoke_expires = app->revoke_expires,
        .eta_hold = settings->worker_eta_hold,
        .result_serializer = app->results.serializer,
        .accept_content = app->results.app_decides ? NULL : app->results.accepted,
        .result_extended = settings->result_extended,
        .task_track_started = settings->task_track_started,
        .task_store_errors_even_if_ignored = settings->task_store_errors_even_if_ignored,
        .task_inherit_parent_priority = settings->task_inherit_parent_priority,
        .task_serializer = settings->task_serializer,
        .task_default_queue = settings->task_default_queue,
        .task_default_priority = settings->task_default_priority,
        .task_default_delivery_mode = settings->task_default_delivery_mode,
        .destinations =
            {
                .queues = app->queues.items,
                .queue_count = app->queues.known,
                .consumed_count = app->queues.count,
                .missing = settings->task_create_missing_queues ? &app->missing_queue : NULL,
                .delayed = app->delayed.queue_count > 0,
            },
        .task_routes = app->routes.items,
        .task_route_count = app->routes.count,
    };
}

static struct backend_config backend_config_of(const struct app *app)
{
    const struct settings *settings = &app->settings;
    return (struct backend_config){
        .url = app->results.url,
        .serializer = app->results.serializer,
        .persistent = settings->result_persistent,
        .expires = settings->result_expires,
        .socket_timeout = settings->redis_socket_timeout,
        .key_prefix = app->results.key_prefix,
    };
}

static struct broker_config broker_config_of(const struct app *app)
{
    const struct settings *settings = &app->settings;
    int on_startup = settings->broker_connection_retry_on_startup;
    bool is_delayed = app->delayed.queue_count > 0;
    return (struct broker_config){
        .urls = app->urls,
        .url_count = app->url_count,
        .queues = is_delayed ? app->delayed.queues : app->queues.items,
        .queue_count = is_delayed ? app->delayed.queue_count : app->queues.count,
        .exchanges = app->delayed.exchanges,
        .exchange_count = app->delayed.exchange_count,
        .detect_quorum_queues = settings->worker_detect_quorum_queues,
        .product = "celeriac",
        .version = CELERIAC_VERSION,
        .purge = app->options.purge,
        .connection_timeout = settings->broker_connection_timeout,
        .heartbeat = settings->broker_heartbeat,
        .connection_retry = settings->broker_connection_retry,
        .connection_retry_on_startup =
            on_startup >= 0 ? on_startup != 0 : settings->broker_connection_retry,
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
        .start_timeout = app->start_timeout,
        .kill_timeout = 1,
        .leave_timeout = 5,
    };
}

static void print_banner(const struct app *app, const msgpack_object *description)
{
    char results[BACKEND_NAME_SIZE];
    backend_url_masked(app->results.url, results);
    banner_print(&(struct banner){
        .nodename = app->nodename,
        .app = app->options.app,
        .loglevel = app->options.loglevel,
        .url = &app->urls[0],
        .results = results,
        .concurrency = app->concurrency,
        .queues = &app->queues,
        .description = description,
    });
}

static void set_log_format(const struct app *app)
{
    char problem[SETTINGS_MESSAGE_SIZE];
    const char *format = app->settings.worker_log_format;
    if (format != NULL && !log_set_format(format, problem, sizeof(problem)))
        log_warning("worker_log_format is not used by the main process: %s", problem);
}

static void on_warning(void *context, const char *text)
{
    (void)context;
    log_warning("%s", text);
}

/* After the app has said how its log looks. */
static void log_warnings(const struct app *app)
{
    for (size_t i = 0; i < app->options.warning_count; i++)
        log_warning("%s", app->options.warnings[i]);
    if (!app->kind->apps_have_settings)
        settings_warn_unknown(&app->settings, on_warning, NULL);
}

/* The option, or the app's setting: the place is known only now. */
static int open_state(struct app *app, const struct consumer_config *config,
                      char error[APP_ERROR_SIZE])
{
    const char *file =
        app->options.statedb != NULL ? app->options.statedb : app->settings.worker_state_db;
    if (file == NULL)
        return 0;
    if (nodename_expand_file(file, app->nodename, app->statedb, sizeof(app->statedb)) != 0)
        return refuse(error, "--statedb is too long");
    return consumer_open_state(app->consumer, config, app->statedb, error);
}

int hello_accept(struct app *app, const msgpack_object *description, char error[APP_ERROR_SIZE])
{
    if (read_hello(app, description, error) != 0 || prepare_queues(app, error) != 0)
        return -1;
    set_log_format(app);
    hello_set_color(app);
    int count = app->settings.worker_concurrency;
    app->concurrency = count > 0 ? (unsigned)count : cpus_available();
    if (!app->options.quiet)
        print_banner(app, description);
    log_warnings(app);
    struct consumer_config config = consumer_config_of(app);
    if (open_state(app, &config, error) != 0)
        return -1;
    struct broker_config broker = broker_config_of(app);
    struct pool_config pool = pool_config_of(app);
    struct backend_config backend = backend_config_of(app);
    if (consumer_connect(app->consumer, &config, &pool, &broker, &backend) != 0)
        return refuse(error, "out of memory");
    return 0;
}
