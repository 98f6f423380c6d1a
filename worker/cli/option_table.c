/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what every option is called and does. Reads neither argv nor the environment. */

#include "worker/cli/option_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cli/version.h"

/* ---- options that are more than a value ---- */

static bool call_loglevel(struct option_parse *parse, const char *value)
{
    int level = log_level_by_name(value);
    if (level == 0) {
        snprintf(parse->problem, sizeof(parse->problem),
                 "'%.40s' is no log level: DEBUG, INFO, WARNING, ERROR, CRITICAL or FATAL", value);
        return false;
    }
    parse->options->loglevel = (enum log_level)level;
    return true;
}

static bool call_task_events(struct option_parse *parse, const char *value)
{
    (void)value;
    parse->options->task_events = true;
    options_warn(parse->options, "task-events",
                 "task events are not supported yet, none will be sent");
    return true;
}

static bool call_optimization(struct option_parse *parse, const char *value)
{
    if (strcmp(value, "fair") != 0 && strcmp(value, "default") != 0)
        options_warn(parse->options, "optimization", "scheduling is always fair");
    return true;
}

static bool call_pool(struct option_parse *parse, const char *value)
{
    if (strcmp(value, "prefork") != 0 && strcmp(value, "processes") != 0) {
        snprintf(parse->problem, sizeof(parse->problem),
                 "-P %.60s: the only pool here is prefork; run this worker with Celery", value);
        return false;
    }
    return settings_put(parse->settings, parse->source, "worker_pool", value, parse->problem) ==
           SETTINGS_OK;
}

static bool call_autoscale(struct option_parse *parse, const char *value)
{
    char *end;
    long first = strtol(value, &end, 10);
    long second = *end == ',' ? strtol(end + 1, &end, 10) : 0;
    long most = first > second ? first : second;
    char text[24];
    snprintf(text, sizeof(text), "%ld", most);
    if (*end != '\0' || most < 1) {
        snprintf(parse->problem, sizeof(parse->problem), "--autoscale takes MAX,MIN");
        return false;
    }
    options_warn(parse->options, "autoscale",
                 "it is not supported yet, MAX children run all the time");
    return settings_put(parse->settings, parse->source, "worker_concurrency", text,
                        parse->problem) == SETTINGS_OK;
}

/* As in Celery, where 0 here falls back to the setting. */
static bool call_number_or_setting(struct option_parse *parse, const char *setting,
                                   const char *value)
{
    if (strcmp(value, "0") == 0)
        return true;
    return settings_put(parse->settings, parse->source, setting, value, parse->problem) ==
           SETTINGS_OK;
}

static bool call_prefetch_multiplier(struct option_parse *parse, const char *value)
{
    return call_number_or_setting(parse, "worker_prefetch_multiplier", value);
}

static bool call_concurrency(struct option_parse *parse, const char *value)
{
    return call_number_or_setting(parse, "worker_concurrency", value);
}

static bool split_names(struct option_parse *parse, const char *value, char **ret_text,
                        struct setting_list *ret)
{
    char *text = strdup(value);
    if (text == NULL || !setting_list_split(text, ",", ret)) {
        snprintf(parse->problem, sizeof(parse->problem), "more than %d queues are named",
                 SETTING_LIST_MAX);
        free(text);
        return false;
    }
    free(*ret_text);
    *ret_text = text;
    return true;
}

static bool call_queues(struct option_parse *parse, const char *value)
{
    struct options *options = parse->options;
    options->queues_given = value;
    return split_names(parse, value, &options->queues_text, &options->queues);
}

static bool call_exclude_queues(struct option_parse *parse, const char *value)
{
    struct options *options = parse->options;
    options->exclude_queues_given = value;
    return split_names(parse, value, &options->exclude_queues_text, &options->exclude_queues);
}

static bool call_no_remote_control(struct option_parse *parse, const char *value)
{
    (void)value;
    return settings_put(parse->settings, parse->source, "worker_enable_remote_control", "false",
                        parse->problem) == SETTINGS_OK;
}

static bool call_set(struct option_parse *parse, const char *value)
{
    return settings_override(parse->settings, SETTING_SET, value, parse->problem) != SETTINGS_ERROR;
}

static bool call_version(struct option_parse *parse, const char *value)
{
    (void)value;
    puts(CELERIAC_VERSION " (celeriac)");
    parse->answer = OPTIONS_EXIT;
    return true;
}

static bool call_help(struct option_parse *parse, const char *value)
{
    (void)value;
    option_print_help();
    parse->answer = OPTIONS_EXIT;
    return true;
}

/* ---- the table ---- */

#define TO(member)    EFFECT_TEXT, offsetof(struct options, member), NULL, NULL
#define FLAG(member)  EFFECT_FLAG, offsetof(struct options, member), NULL, NULL
#define SETTING(name) EFFECT_SETTING, 0, name, NULL
#define CALL(name)    EFFECT_CALL, 0, NULL, call_##name
#define NONE          EFFECT_NONE, 0, NULL, NULL
#define WARN(text)    EFFECT_WARN, 0, text, NULL
#define REFUSE(text)  EFFECT_REFUSE, 0, text, NULL

#define NO_BEAT   "the scheduler is not part of this worker: run `celery beat` beside it"
#define NO_EVENTS "event heartbeats are not supported yet"
#define NO_DETACH "it belongs to --detach"

const struct option_row option_table[] = {
    {'A', SCOPE_GLOBAL, "app", "APP", "APP", TO(app),
     "a Celery app, named as for celery -A, or path/to/library.so with tasks in C"},
    {'b', SCOPE_GLOBAL, "broker", "URL", "BROKER_URL", SETTING("broker_url"),
     "amqp://user:password@host:port/vhost; several: separated by ';'"},
    {0, SCOPE_GLOBAL, "result-backend", "URL", "RESULT_BACKEND", SETTING("result_backend"),
     "where results go; with a library redis://, rpc:// or disabled:// (default)"},
    {0, SCOPE_GLOBAL, "loader", "CLASS", "LOADER", TO(loader), "the app's loader"},
    {0, SCOPE_GLOBAL, "config", "NAME", "CONFIG_MODULE", TO(config),
     "module with the app's settings, or INI file: [celery] settings, [queue NAME] task_queues"},
    {0, SCOPE_GLOBAL, "workdir", "FOLDER", NULL, TO(workdir), "go there before anything else"},
    {'C', SCOPE_GLOBAL, "no-color", NULL, "NO_COLOR", FLAG(no_color), "no colours in the log"},
    {'q', SCOPE_GLOBAL, "quiet", NULL, NULL, FLAG(quiet), "no banner"},
    {0, SCOPE_GLOBAL, "skip-checks", NULL, "SKIP_CHECKS", FLAG(skip_checks),
     "skip Django's checks at the start"},
    {0, SCOPE_OURS, "python", "PATH", NULL, TO(python),
     "interpreter for a Celery app (default: $VIRTUAL_ENV/bin/python, else python3)"},
    {0, SCOPE_OURS, "no-preload", NULL, NULL, FLAG(no_preload),
     "import the app in every child, not once before they are forked"},
    {0, SCOPE_OURS, "celery-acks", NULL, NULL, FLAG(celery_acks),
     "Celery's defaults for acks: early, and a lost task is not requeued"},
    {0, SCOPE_OURS, "set", "NAME=VALUE", NULL, CALL(set),
     "give a Celery setting a value; may be repeated"},
    {'n', SCOPE_WORKER, "hostname", "NAME", NULL, TO(hostname),
     "node name (default celery@%h); %h host, %n its first part, %d its domain"},
    {'c', SCOPE_WORKER, "concurrency", "N", NULL, CALL(concurrency),
     "child processes (default: the CPUs that the container may use)"},
    {'P', SCOPE_WORKER, "pool", "POOL", NULL, CALL(pool), "prefork"},
    {0, SCOPE_WORKER, "autoscale", "MAX,MIN", NULL, CALL(autoscale),
     "not supported yet: MAX children"},
    {'Q', SCOPE_WORKER, "queues", "A,B", NULL, CALL(queues),
     "queues to consume (default: the app's)"},
    {'X', SCOPE_WORKER, "exclude-queues", "A,B", NULL, CALL(exclude_queues),
     "queues not to consume"},
    {'I', SCOPE_WORKER, "include", "A,B", NULL, TO(include), "more modules to import"},
    {'l', SCOPE_WORKER, "loglevel", "LEVEL", NULL, CALL(loglevel),
     "DEBUG, INFO, WARNING (default), ERROR, CRITICAL, FATAL"},
    {'f', SCOPE_WORKER, "logfile", "FILE", NULL, TO(logfile),
     "log file (default: stderr); %n is the node, %h its host, %d the domain"},
    {'O', SCOPE_WORKER, "optimization", "PROFILE", NULL, CALL(optimization),
     "default or fair: scheduling is always fair"},
    {'E', SCOPE_WORKER, "task-events", NULL, NULL, CALL(task_events),
     "accepted; not supported yet"},
    {0, SCOPE_OURS, "events", NULL, NULL, CALL(task_events), NULL},
    {0, SCOPE_WORKER, "prefetch-multiplier", "N", NULL, CALL(prefetch_multiplier),
     "messages held for each child process; default auto: many short ones, one long one"},
    {0, SCOPE_WORKER, "disable-prefetch", NULL, NULL, WARN("it is for Redis brokers"), "accepted"},
    {0, SCOPE_WORKER, "max-tasks-per-child", "N", NULL, SETTING("worker_max_tasks_per_child"),
     "replace a child after N tasks"},
    {0, SCOPE_WORKER, "max-memory-per-child", "KIB", NULL, SETTING("worker_max_memory_per_child"),
     "replace a child that has grown beyond KIB resident"},
    {0, SCOPE_WORKER, "time-limit", "S", NULL, SETTING("task_time_limit"),
     "kill a task's process after S seconds"},
    {0, SCOPE_WORKER, "soft-time-limit", "S", NULL, SETTING("task_soft_time_limit"),
     "tell a task after S seconds"},
    {0, SCOPE_WORKER, "purge", NULL, NULL, FLAG(purge),
     "delete all waiting messages before the start"},
    {0, SCOPE_OURS, "discard", NULL, NULL, FLAG(purge), NULL},
    {0, SCOPE_WORKER, "pidfile", "FILE", NULL, TO(pidfile),
     "write the process id there; refuse to start if it names a live process"},
    {0, SCOPE_WORKER, "uid", "USER", NULL, TO(uid), "become this user (name or number)"},
    {0, SCOPE_WORKER, "gid", "GROUP", NULL, TO(gid), "and this group"},
    {0, SCOPE_WORKER, "umask", "MODE", NULL, TO(umask),
     "of the files that are made, octal with a leading 0"},
    {0, SCOPE_WORKER, "without-mingle", NULL, NULL, NONE, "accepted: there is no mingle"},
    {0, SCOPE_WORKER, "without-gossip", NULL, NULL, NONE, "accepted: there is no gossip"},
    {0, SCOPE_WORKER, "without-heartbeat", NULL, NULL, NONE,
     "accepted: there are no event heartbeats"},
    {0, SCOPE_WORKER, "heartbeat-interval", "S", NULL, WARN(NO_EVENTS),
     "accepted; not supported yet"},
    {0, SCOPE_WORKER, "without-remote-control", NULL, NULL, CALL(no_remote_control),
     "answer no remote control: no revoke, no rate limits at run time"},
    {'S', SCOPE_WORKER, "statedb", "FILE", NULL, TO(statedb),
     "keep there what has been revoked; %n is the node, %h its host, %d the domain"},
    {'s', SCOPE_WORKER, "schedule-filename", "FILE", NULL, WARN(NO_BEAT), "accepted: it is for -B"},
    {0, SCOPE_OURS, "schedule", "FILE", NULL, WARN(NO_BEAT), NULL},
    {0, SCOPE_WORKER, "scheduler", "CLASS", NULL, WARN(NO_BEAT), "accepted: it is for -B"},
    {0, SCOPE_WORKER, "executable", "PATH", NULL, WARN(NO_DETACH), "accepted: it is for -D"},
    {'B', SCOPE_WORKER, "beat", NULL, NULL, REFUSE(NO_BEAT),
     "refused: run celery beat beside the worker"},
    {'D', SCOPE_WORKER, "detach", NULL, NULL,
     REFUSE("celeriac stays in the foreground: let the service "
            "manager or the container put it into the background"),
     "refused"},
    {0, SCOPE_OURS, "version", NULL, NULL, CALL(version), "print the version and leave"},
    {'h', SCOPE_OURS, "help", NULL, NULL, CALL(help), "print this and leave"},
};
const size_t option_count = ARRAY_LEN(option_table);

void option_print_help(void)
{
    puts("Usage: celeriac [-A APP] [-b URL] [--result-backend URL] worker [OPTIONS] "
         "[name=value ...]\n"
         "       celeriac [-b URL] [--result-backend URL] call TASK | result ID (see call --help, "
         "result --help)\n\n"
         "A Celery-compatible worker. Options:");
    for (size_t i = 0; i < ARRAY_LEN(option_table); i++) {
        const struct option_row *row = &option_table[i];
        char names[64];
        char letter[8] = "    ";
        if (row->letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(names, sizeof(names), "%s--%s%s%s", letter, row->name,
                 row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
        printf("  %-32s %s\n", names, row->help != NULL ? row->help : "the same");
    }
    puts("\nname=value gives a setting a value, as --set: worker_prefetch_multiplier=8.\n"
         "Environment: CELERY_BROKER_URL, CELERY_RESULT_BACKEND, CELERY_CONFIG_MODULE; for an\n"
         "option CELERY_APP, CELERY_WORKER_CONCURRENCY and so on; REMAP_SIGTERM=SIGQUIT.\n"
         "Signals: TERM or INT ends the worker when its running tasks have ended (warm); a second "
         "one, or\n"
         "QUIT, kills them and returns their messages to the broker (cold). USR1 logs the state.\n"
         "Exit status: 0 stopped as asked; 1 broker or system, or a warm stop by INT (as Celery);\n"
         "2 usage, or tasks that cannot be loaded.");
}

/* ---- effects ---- */

static bool apply_text(struct option_parse *parse, const struct option_row *row, const char *value)
{
    *(const char **)((char *)parse->options + row->offset) = value;
    return true;
}

static bool apply_flag(struct option_parse *parse, const struct option_row *row, const char *value)
{
    (void)value;
    *(bool *)((char *)parse->options + row->offset) = true;
    return true;
}

static bool apply_setting(struct option_parse *parse, const struct option_row *row,
                          const char *value)
{
    return settings_put(parse->settings, parse->source, row->text, value, parse->problem) ==
           SETTINGS_OK;
}

static bool apply_call(struct option_parse *parse, const struct option_row *row, const char *value)
{
    return row->call(parse, value);
}

static bool apply_none(struct option_parse *parse, const struct option_row *row, const char *value)
{
    (void)parse;
    (void)row;
    (void)value;
    return true;
}

static bool apply_refuse(struct option_parse *parse, const struct option_row *row,
                         const char *value)
{
    (void)value;
    snprintf(parse->problem, sizeof(parse->problem), "--%s is not supported: %s", row->name,
             row->text);
    return false;
}

static bool apply_warn(struct option_parse *parse, const struct option_row *row, const char *value)
{
    (void)value;
    options_warn(parse->options, row->name, row->text);
    return true;
}

bool option_apply(struct option_parse *parse, const struct option_row *row, const char *value)
{
    static bool (*const effects[])(struct option_parse *, const struct option_row *,
                                   const char *) = {
        [EFFECT_TEXT] = apply_text,       [EFFECT_FLAG] = apply_flag,
        [EFFECT_SETTING] = apply_setting, [EFFECT_CALL] = apply_call,
        [EFFECT_NONE] = apply_none,       [EFFECT_WARN] = apply_warn,
        [EFFECT_REFUSE] = apply_refuse,
    };
    return effects[row->effect](parse, row, value);
}
