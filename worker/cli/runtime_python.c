/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the choice of a Python interpreter and the command line of the forkserver for Celery apps
 * (worker/runtime/python). Executes nothing. */

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "worker/cli/runtime.h"

static bool fits_anything(const char *app)
{
    (void)app;
    return true;
}

static void add_interpreter(struct runtime *runtime, const struct options *options)
{
    const char *environment = getenv("VIRTUAL_ENV");
    if (options->python != NULL)
        runtime_add(runtime, "%s", options->python);
    else if (environment != NULL && environment[0] != '\0')
        runtime_add(runtime, "%s/bin/python", environment);
    else
        runtime_add(runtime, "python3");
}

/* Where neither a build folder nor an installation of ours is around us, the package is expected in
 * the interpreter's own path. */
static void add_package(struct runtime *runtime)
{
    char package[PATH_MAX];
    if (runtime_find("python/celeriac", package, sizeof(package))) {
        runtime_add(runtime, "%s", package);
        return;
    }
    runtime_add(runtime, "-m");
    runtime_add(runtime, "celeriac");
}

static void add_text(struct runtime *runtime, const char *name, const char *value)
{
    if (value != NULL)
        runtime_add(runtime, "--%s=%s", name, value);
}

static void add_flag(struct runtime *runtime, const char *name, bool flag)
{
    if (flag)
        runtime_add(runtime, "--%s", name);
}

/* Settings that Celery's worker takes as options; where they were given as something weaker they
 * are among the overrides. */
static void add_settings(struct runtime *runtime, const struct settings *settings)
{
    static const struct {
        const char *option, *setting;
    } rows[] = {
        {"concurrency", "worker_concurrency"},
        {"prefetch-multiplier", "worker_prefetch_multiplier"},
        {"time-limit", "task_time_limit"},
        {"soft-time-limit", "task_soft_time_limit"},
        {"max-tasks-per-child", "worker_max_tasks_per_child"},
        {"max-memory-per-child", "worker_max_memory_per_child"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum setting_source source = settings_source(settings, rows[i].setting);
        const char *text = settings_text(settings, rows[i].setting);
        bool is_option = source == SETTING_OPTION || source == SETTING_ENVIRONMENT;
        if (is_option && isdigit((unsigned char)text[0])) /* not None */
            add_text(runtime, rows[i].option, text);
    }
}

static void add_override(struct runtime *runtime, const char *text)
{
    struct override_parts parts;
    if (!override_split(text, &parts))
        return;
    /* These go through the environment, which other users of the machine cannot read. */
    if (strcmp(parts.name, "broker_url") == 0 || strcmp(parts.name, "result_backend") == 0)
        return;
    /* Celery knows numbers only. */
    if (strcmp(parts.name, "worker_prefetch_multiplier") != 0 ||
        strcasecmp(parts.value, "auto") != 0)
        runtime_add(runtime, "--setting=%s=%s", parts.name, parts.value);
}

/* The file's first: the last one of a name wins. */
static void add_overrides(struct runtime *runtime, const struct overrides *overrides)
{
    static const enum setting_source order[] = {SETTING_FILE, SETTING_SET};
    for (size_t pass = 0; pass < ARRAY_LEN(order); pass++) {
        for (size_t i = 0; i < overrides->count; i++) {
            if (overrides->items[i].source == order[pass])
                add_override(runtime, overrides->items[i].text);
        }
    }
}

static int fill_python(struct runtime *runtime, const struct options *options,
                       const struct settings *settings, const char *nodename,
                       char error[RUNTIME_ERROR_SIZE])
{
    (void)error;
    add_interpreter(runtime, options);
    add_package(runtime);
    runtime_add(runtime, "--parent=%ld", (long)getpid());
    add_text(runtime, "app", options->app);
    add_text(runtime, "loglevel", log_level_name(options->loglevel));
    add_text(runtime, "hostname", nodename);
    add_text(runtime, "logfile", options->logfile);
    add_text(runtime, "queues", options->queues_given);
    add_text(runtime, "exclude-queues", options->exclude_queues_given);
    add_text(runtime, "include", options->include);
    add_flag(runtime, "no-color", options->no_color);
    add_flag(runtime, "no-preload", options->no_preload);
    add_flag(runtime, "celery-acks", options->celery_acks);
    add_flag(runtime, "task-events", options->task_events);
    add_flag(runtime, "quiet", options->quiet);
    add_flag(runtime, "purge", options->purge);
    add_settings(runtime, settings);
    add_overrides(runtime, &settings->overrides);
    return 0;
}

const struct runtime_kind runtime_python = {
    .name = "python",
    .apps_have_settings = true,
    .fits = fits_anything,
    .fill = fill_python,
};
