/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the command line: one table of options, from which --help is printed too. */

#include "worker/cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cli/version.h"

struct parse {
    struct options *options;
    struct settings *settings;
    void (*warn)(const char *text);
    char problem[SETTINGS_MESSAGE_SIZE];
    enum options_answer answer;
};

typedef bool option_function(struct parse *parse, const char *value);

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* its name in --help; NULL: takes none */
    const char *setting;  /* the setting it gives a value to, or NULL: */
    option_function *apply;
    const char *help;
};

static bool apply_app(struct parse *parse, const char *value)
{
    parse->options->app = value;
    return true;
}

static bool apply_hostname(struct parse *parse, const char *value)
{
    parse->options->hostname = value;
    return true;
}

static bool apply_loglevel(struct parse *parse, const char *value)
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

static bool apply_logfile(struct parse *parse, const char *value)
{
    parse->options->logfile = value;
    return true;
}

static bool apply_pidfile(struct parse *parse, const char *value)
{
    parse->options->pidfile = value;
    return true;
}

static bool apply_config(struct parse *parse, const char *value)
{
    parse->options->config = value;
    return true;
}

static bool apply_purge(struct parse *parse, const char *value)
{
    (void)value;
    parse->options->purge = true;
    return true;
}

static bool apply_quiet(struct parse *parse, const char *value)
{
    (void)value;
    parse->options->quiet = true;
    return true;
}

static bool apply_task_events(struct parse *parse, const char *value)
{
    (void)value;
    parse->warn("task events (-E) are not supported yet: none will be sent");
    return true;
}

/* celeriac has neither mingle nor gossip nor event heartbeats: doing without them is what it does.
 */
static bool apply_without(struct parse *parse, const char *value)
{
    (void)parse;
    (void)value;
    return true;
}

static bool apply_optimization(struct parse *parse, const char *value)
{
    if (strcmp(value, "fair") != 0 && strcmp(value, "default") != 0)
        parse->warn("scheduling is always fair: -O has no effect");
    return true;
}

static bool apply_prefetch_multiplier(struct parse *parse, const char *value)
{
    if (strcmp(value, "0") == 0) /* as in Celery, where 0 here falls back to the setting */
        return true;
    return settings_put(parse->settings, SETTING_OPTION, "worker_prefetch_multiplier", value,
                        parse->problem) == SETTINGS_OK;
}

static bool split_names(struct parse *parse, const char *value, char **ret_text,
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

static bool apply_queues(struct parse *parse, const char *value)
{
    return split_names(parse, value, &parse->options->queues_text, &parse->options->queues);
}

static bool apply_exclude_queues(struct parse *parse, const char *value)
{
    return split_names(parse, value, &parse->options->exclude_queues_text,
                       &parse->options->exclude_queues);
}

static bool apply_set(struct parse *parse, const char *value)
{
    const char *equals = strchr(value, '=');
    char name[64];
    if (equals == NULL || (size_t)(equals - value) >= sizeof(name)) {
        snprintf(parse->problem, sizeof(parse->problem), "--set takes name=value");
        return false;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(equals - value), value);
    enum settings_answer answer =
        settings_put(parse->settings, SETTING_SET, name, equals + 1, parse->problem);
    if (answer == SETTINGS_WARNING)
        parse->warn(parse->problem);
    return answer != SETTINGS_ERROR;
}

static bool apply_version(struct parse *parse, const char *value)
{
    (void)value;
    puts(CELERIAC_VERSION " (celeriac)");
    parse->answer = OPTIONS_EXIT;
    return true;
}

static option_function apply_help;

static const struct option_row table[] = {
    {'A', "app", "APP", NULL, apply_app, "the tasks to run: path/to/library.so"},
    {'b', "broker", "URL", "broker_url", NULL,
     "amqp://user:password@host:port/vhost; several: separated by ';'"},
    {0, "result-backend", "URL", "result_backend", NULL, "rpc:// or disabled:// (default)"},
    {0, "config", "FILE", NULL, apply_config, "INI file with settings in its section [celery]"},
    {0, "set", "NAME=VALUE", NULL, apply_set, "give a Celery setting a value; may be repeated"},
    {'n', "hostname", "NAME", NULL, apply_hostname,
     "node name (default celery@%h); %h host, %n its first part, %d its domain"},
    {'c', "concurrency", "N", "worker_concurrency", NULL,
     "child processes (default: the CPUs that the container may use)"},
    {'Q', "queues", "A,B", NULL, apply_queues, "queues to consume (default: task_default_queue)"},
    {'X', "exclude-queues", "A,B", NULL, apply_exclude_queues, "queues not to consume"},
    {'l', "loglevel", "LEVEL", NULL, apply_loglevel,
     "DEBUG, INFO, WARNING (default), ERROR, CRITICAL, FATAL"},
    {'f', "logfile", "FILE", NULL, apply_logfile,
     "log file (default: stderr); %n is the node, %h its host, %d the domain"},
    {'O', "optimization", "PROFILE", NULL, apply_optimization,
     "default or fair: scheduling is always fair"},
    {'E', "task-events", NULL, NULL, apply_task_events, "accepted; events are not supported yet"},
    {0, "events", NULL, NULL, apply_task_events, "the same"},
    {0, "prefetch-multiplier", "N", NULL, apply_prefetch_multiplier,
     "messages held for each child process (default 4)"},
    {0, "max-tasks-per-child", "N", "worker_max_tasks_per_child", NULL,
     "replace a child after N tasks"},
    {0, "max-memory-per-child", "KIB", "worker_max_memory_per_child", NULL,
     "replace a child that has grown beyond KIB resident"},
    {0, "time-limit", "S", "task_time_limit", NULL, "kill a task's process after S seconds"},
    {0, "soft-time-limit", "S", "task_soft_time_limit", NULL, "tell a task after S seconds"},
    {0, "purge", NULL, NULL, apply_purge, "delete all waiting messages before the start"},
    {0, "discard", NULL, NULL, apply_purge, "the same"},
    {0, "pidfile", "FILE", NULL, apply_pidfile,
     "write the process id there; refuse to start if it names a live process"},
    {0, "without-mingle", NULL, NULL, apply_without, "accepted: there is no mingle"},
    {0, "without-gossip", NULL, NULL, apply_without, "accepted: there is no gossip"},
    {0, "without-heartbeat", NULL, NULL, apply_without, "accepted: there are no event heartbeats"},
    {'q', "quiet", NULL, NULL, apply_quiet, "no banner"},
    {0, "version", NULL, NULL, apply_version, "print the version and leave"},
    {'h', "help", NULL, NULL, apply_help, "print this and leave"},
};

static bool apply_help(struct parse *parse, const char *value)
{
    (void)value;
    puts("Usage: celeriac [-A APP] [-b URL] [--result-backend URL] worker [OPTIONS]\n\n"
         "A Celery-compatible worker. Options:");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char names[64];
        char letter[8] = "    ";
        if (table[i].letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", table[i].letter);
        snprintf(names, sizeof(names), "%s--%s%s%s", letter, table[i].name,
                 table[i].argument != NULL ? " " : "",
                 table[i].argument != NULL ? table[i].argument : "");
        printf("  %-32s %s\n", names, table[i].help);
    }
    puts("\nEnvironment: CELERY_BROKER_URL, CELERY_RESULT_BACKEND, REMAP_SIGTERM=SIGQUIT.\n"
         "Signals: TERM or INT ends the worker when its running tasks have ended (warm); a second "
         "one, or\n"
         "QUIT, kills them and returns their messages to the broker (cold). USR1 logs the state.\n"
         "Exit status: 0 stopped as asked; 1 broker or system, or a warm stop by INT (as Celery);\n"
         "2 usage, or tasks that cannot be loaded.");
    parse->answer = OPTIONS_EXIT;
    return true;
}

enum { LONG_OPTION_BASE = 256 };

static void fill_getopt(struct option long_options[], char letters[])
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        long_options[i] = (struct option){
            .name = table[i].name,
            .has_arg = table[i].argument != NULL ? required_argument : no_argument,
            .val = LONG_OPTION_BASE + (int)i,
        };
        if (table[i].letter == 0)
            continue;
        *letters++ = table[i].letter;
        if (table[i].argument != NULL)
            *letters++ = ':';
    }
    *letters = '\0';
}

static const struct option_row *row_of(int found)
{
    if (found >= LONG_OPTION_BASE)
        return &table[found - LONG_OPTION_BASE];
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (found == table[i].letter)
            return &table[i];
    }
    return NULL;
}

static bool apply_row(struct parse *parse, const struct option_row *row, const char *value)
{
    if (row->setting == NULL)
        return row->apply(parse, value);
    return settings_put(parse->settings, SETTING_OPTION, row->setting, value, parse->problem) ==
           SETTINGS_OK;
}

static enum options_answer usage_error(const char *text)
{
    fprintf(stderr, "celeriac: %s\nTry 'celeriac --help'.\n", text);
    return OPTIONS_ERROR;
}

static enum options_answer read_argv(int argc, char **argv, struct parse *parse)
{
    struct option long_options[ARRAY_LEN(table) + 1] = {0};
    char letters[2 * ARRAY_LEN(table) + 1];
    fill_getopt(long_options, letters);
    int found;
    while ((found = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        const struct option_row *row = row_of(found);
        if (row == NULL) {
            fputs("Try 'celeriac --help'.\n", stderr); /* getopt has said what is wrong */
            return OPTIONS_ERROR;
        }
        if (!apply_row(parse, row, optarg))
            return usage_error(parse->problem);
        if (parse->answer != OPTIONS_RUN)
            return parse->answer;
    }
    /* Without a command it is `worker`: that is what a container's arguments mean. */
    if (optind < argc && strcmp(argv[optind], "worker") != 0)
        return usage_error("the only command is 'worker'");
    if (optind + 1 < argc)
        return usage_error("too many arguments");
    return OPTIONS_RUN;
}

static enum options_answer read_environment(struct parse *parse)
{
    static const struct {
        const char *variable, *setting;
    } variables[] = {
        {"CELERY_BROKER_URL", "broker_url"},
        {"CELERY_RESULT_BACKEND", "result_backend"},
    };
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        const char *value = getenv(variables[i].variable);
        if (value != NULL && value[0] != '\0' &&
            settings_put(parse->settings, SETTING_ENVIRONMENT, variables[i].setting, value,
                         parse->problem) != SETTINGS_OK)
            return usage_error(parse->problem);
    }
    return OPTIONS_RUN;
}

enum options_answer options_read(int argc, char **argv, struct options *options,
                                 struct settings *settings, void (*warn)(const char *text))
{
    *options = (struct options){.loglevel = LOG_WARNING};
    struct parse parse = {.options = options, .settings = settings, .warn = warn};
    enum options_answer answer = read_argv(argc, argv, &parse);
    if (answer == OPTIONS_RUN)
        answer = read_environment(&parse);
    if (answer == OPTIONS_RUN && options->config != NULL &&
        settings_read_file(settings, options->config, warn, parse.problem) != 0)
        answer = usage_error(parse.problem);
    return answer;
}

void options_done(struct options *options)
{
    free(options->queues_text);
    free(options->exclude_queues_text);
    *options = (struct options){0};
}
