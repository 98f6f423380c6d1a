/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what happens between argv and the first process: places, names, files, the environment and
 * the identity that the runtime inherits. Starts nothing. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/cli/app.h"
#include "worker/cli/nodename.h"
#include "worker/cli/privileges.h"

static int fail(const char *text)
{
    fprintf(stderr, "celeriac: %s\n", text);
    return EXIT_USAGE;
}

static int enter_workdir(const struct app *app)
{
    const char *workdir = app->options.workdir;
    if (workdir == NULL || chdir(workdir) == 0)
        return 0;
    fprintf(stderr, "celeriac: --workdir %s: %s\n", workdir, strerror(errno));
    return EXIT_USAGE;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* For a Celery app --config names a module, as in Celery, unless it can only be our INI file. */
static bool is_ini_file(const struct app *app, const char *config)
{
    struct stat status;
    if (!app->kind->apps_have_settings || ends_with(config, ".ini"))
        return true;
    return !ends_with(config, ".py") && stat(config, &status) == 0 && S_ISREG(status.st_mode);
}

static int read_config(struct app *app)
{
    const char *config = app->options.config;
    char error[SETTINGS_MESSAGE_SIZE];
    if (config == NULL)
        return 0;
    if (is_ini_file(app, config)) {
        if (settings_read_file(&app->settings, config, error) != 0)
            return fail(error);
        if (app->kind->apps_have_settings && app->settings.queue_lines.count > 0)
            return fail("[queue NAME] sections are for native tasks: a Celery app has task_queues");
        return 0;
    }
    return setenv("CELERY_CONFIG_MODULE", config, 1) == 0 ? 0 : fail("out of memory");
}

static int make_names(struct app *app)
{
    const struct options *options = &app->options;
    if (nodename_make(options->hostname, app->nodename, sizeof(app->nodename)) != 0)
        return fail("--hostname is too long");
    if (options->pidfile != NULL && nodename_expand_file(options->pidfile, app->nodename,
                                                         app->pidfile, sizeof(app->pidfile)) != 0)
        return fail("--pidfile is too long");
    if (options->logfile != NULL && nodename_expand_file(options->logfile, app->nodename,
                                                         app->logfile, sizeof(app->logfile)) != 0)
        return fail("--logfile is too long");
    return 0;
}

/* Where tasks are no Celery app, what only an app can do with. */
static void warn_of_options(struct app *app)
{
    struct options *options = &app->options;
    const struct {
        const char *name;
        bool given;
    } rows[] = {
        {"python", options->python != NULL},   {"loader", options->loader != NULL},
        {"include", options->include != NULL}, {"no-preload", options->no_preload},
        {"skip-checks", options->skip_checks},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows) && !app->kind->apps_have_settings; i++) {
        if (rows[i].given)
            options_warn(options, rows[i].name, "it is for Celery apps");
    }
}

/* Celery's defaults, where nobody has said anything; an app says it with its HELLO. */
static int set_acks(struct app *app)
{
    static const char *const names[] = {"task_acks_late", "task_reject_on_worker_lost"};
    char error[SETTINGS_MESSAGE_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(names) && app->options.celery_acks; i++) {
        if (settings_put(&app->settings, SETTING_APP, names[i], "false", error) != SETTINGS_OK)
            return fail(error);
    }
    return 0;
}

/* What celery.bin hands to the app through the environment. */
static int fill_environment(const struct app *app)
{
    const struct options *options = &app->options;
    const struct settings *settings = &app->settings;
    const struct {
        const char *variable, *value;
    } rows[] = {
        {"CELERY_LOADER", options->loader},
        {"CELERY_SKIP_CHECKS", options->skip_checks ? "true" : NULL},
        {"CELERY_BROKER_URL",
         settings_source(settings, "broker_url") != SETTING_DEFAULT ? settings->broker_url : NULL},
        {"CELERY_RESULT_BACKEND", settings->result_backend},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].value != NULL && setenv(rows[i].variable, rows[i].value, 1) != 0)
            return fail("out of memory");
    }
    return 0;
}

static int set_umask(const struct app *app)
{
    const char *text = app->options.umask;
    char *end;
    if (text == NULL)
        return 0;
    long mode = strtol(text, &end, text[0] == '0' ? 8 : 10);
    if (*text == '\0' || *end != '\0' || mode < 0 || mode > 0777)
        return fail("--umask takes a file mode, octal with a leading 0");
    umask((mode_t)mode);
    return 0;
}

static int drop_privileges(const struct app *app)
{
    char error[PRIVILEGES_ERROR_SIZE];
    return privileges_drop(app->options.uid, app->options.gid, error) == 0 ? 0 : fail(error);
}

static int check(struct app *app)
{
    char error[APP_ERROR_SIZE];
    return hello_check(app, error) == 0 ? 0 : fail(error);
}

static int make_runtime(struct app *app)
{
    char error[RUNTIME_ERROR_SIZE];
    int rc =
        runtime_init(&app->runtime, app->kind, &app->options, &app->settings, app->nodename, error);
    return rc == 0 ? 0 : fail(error);
}

static int open_logfile(struct app *app)
{
    if (app->logfile[0] == '\0')
        return 0;
    /* A runtime without a log of its own writes to the stderr that it inherits from us. */
    int error = log_open(app->logfile, !app->kind->apps_have_settings);
    if (error == 0)
        return 0;
    fprintf(stderr, "celeriac: the log file %s cannot be written: %s\n", app->logfile,
            strerror(-error));
    return EXIT_USAGE;
}

int start_prepare(struct app *app)
{
    int status = enter_workdir(app);
    app->kind = runtime_kind_of(app->options.app);
    warn_of_options(app);
    if (status == 0)
        status = read_config(app);
    if (status == 0)
        status = set_acks(app);
    if (status == 0)
        status = make_names(app);
    if (status == 0)
        status = check(app);
    if (status == 0)
        status = fill_environment(app);
    if (status == 0)
        status = make_runtime(app);
    if (status == 0)
        status = set_umask(app);
    if (status == 0)
        status = drop_privileges(app);
    if (status == 0)
        status = open_logfile(app);
    hello_set_color(app);
    return status;
}
