/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what the options of the client's commands are called and do. Sends nothing. */

#include "worker/cli/client_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_BASE = 256, ROWS_MAX = 40 };

/* As long as a result is kept, by default. */
static const double wait_default = 24 * 3600;

struct parse {
    enum client_command command;
    struct client_options *options;
    struct settings *settings;
    char problem[SETTINGS_MESSAGE_SIZE];
    enum options_answer answer;
};

typedef bool apply_option(struct parse *parse, size_t place, const char *value);

/* ---- effects ---- */

static bool refuse(struct parse *parse, const char *value, const char *what)
{
    snprintf(parse->problem, sizeof(parse->problem), "'%.60s' is not %s", value, what);
    return false;
}

static void *at(const struct parse *parse, size_t place)
{
    return (char *)parse->options + place;
}

static bool put_text(struct parse *parse, size_t place, const char *value)
{
    *(const char **)at(parse, place) = value;
    return true;
}

static bool put_flag(struct parse *parse, size_t place, const char *value)
{
    (void)value;
    *(bool *)at(parse, place) = true;
    return true;
}

static bool read_number(const char *value, double *ret)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(number))
        return false;
    *ret = number;
    return true;
}

static bool put_seconds(struct parse *parse, size_t place, const char *value)
{
    return read_number(value, at(parse, place)) || refuse(parse, value, "a number of seconds");
}

static bool put_count(struct parse *parse, size_t place, const char *value)
{
    double number;
    if (!read_number(value, &number) || number < 0 || number > 255 || number != trunc(number))
        return refuse(parse, value, "a whole number from 0 to 255");
    *(int *)at(parse, place) = (int)number;
    return true;
}

/* Seconds from now, or a point in time. */
static bool put_expires(struct parse *parse, size_t place, const char *value)
{
    (void)place;
    if (!read_number(value, &parse->options->call.expires))
        parse->options->call.expires_at = value;
    return true;
}

static bool put_wait(struct parse *parse, size_t place, const char *value)
{
    parse->options->waits = true;
    if (value == NULL)
        return true;
    return put_seconds(parse, place, value) &&
           (parse->options->wait_seconds >= 0 || refuse(parse, value, "a time to wait"));
}

static bool put_setting(struct parse *parse, const char *name, const char *value)
{
    return settings_put(parse->settings, SETTING_OPTION, name, value, parse->problem) ==
           SETTINGS_OK;
}

static bool put_broker(struct parse *parse, size_t place, const char *value)
{
    (void)place;
    return put_setting(parse, "broker_url", value);
}

static bool put_backend(struct parse *parse, size_t place, const char *value)
{
    (void)place;
    return put_setting(parse, "result_backend", value);
}

static bool put_set(struct parse *parse, size_t place, const char *value)
{
    (void)place;
    return settings_override(parse->settings, SETTING_SET, value, parse->problem) != SETTINGS_ERROR;
}

/* A result is found by its id: the backend is that of the settings for every task. */
static bool put_nothing(struct parse *parse, size_t place, const char *value)
{
    (void)parse, (void)place, (void)value;
    return true;
}

static bool print_help(struct parse *parse, size_t place, const char *value);

/* ---- the table ---- */

#define PLACE(member) offsetof(struct client_options, member)

enum { BOTH = CLIENT_CALL | CLIENT_RESULT };

static const struct row {
    unsigned commands;
    char letter;   /* 0: none */
    bool optional; /* the argument */
    const char *name, *argument;
    apply_option *apply;
    size_t place;
    const char *help;
} rows[] = {
    {CLIENT_CALL, 'a', false, "args", "JSON", put_text, PLACE(call.args),
     "positional arguments, a JSON array"},
    {CLIENT_CALL, 'k', false, "kwargs", "JSON", put_text, PLACE(call.kwargs),
     "keyword arguments, a JSON object"},
    {CLIENT_CALL, 0, false, "eta", "TIME", put_text, PLACE(call.eta),
     "not before this time, ISO 8601"},
    {CLIENT_CALL, 0, false, "countdown", "SECONDS", put_seconds, PLACE(call.countdown),
     "not before so many seconds have passed"},
    {CLIENT_CALL, 0, false, "expires", "TIME|SECONDS", put_expires, 0,
     "not after this time, or so many seconds"},
    {CLIENT_CALL, 0, false, "serializer", "NAME", put_text, PLACE(call.serializer),
     "json (default) or msgpack"},
    {CLIENT_CALL, 0, false, "compression", "NAME", put_text, PLACE(call.compression),
     "zlib, bzip2, lzma, brotli or zstd"},
    {CLIENT_CALL, 0, false, "queue", "NAME", put_text, PLACE(call.queue),
     "queue (default: task_default_queue)"},
    {CLIENT_CALL, 0, false, "exchange", "NAME", put_text, PLACE(call.exchange),
     "exchange, with --routing-key instead of a queue"},
    {CLIENT_CALL, 0, false, "routing-key", "KEY", put_text, PLACE(call.routing_key), "routing key"},
    {CLIENT_CALL, 0, false, "priority", "N", put_count, PLACE(call.priority),
     "0 to 255; RabbitMQ serves the larger ones first"},
    {CLIENT_CALL, 0, false, "task-id", "ID", put_text, PLACE(call.task_id),
     "id of the task (default: a new one)"},
    {CLIENT_CALL, 0, false, "time-limit", "SECONDS", put_seconds, PLACE(call.time_limit),
     "kill the task's process after that"},
    {CLIENT_CALL, 0, false, "soft-time-limit", "SECONDS", put_seconds, PLACE(call.soft_time_limit),
     "tell the task after that"},
    {CLIENT_CALL, 0, false, "headers", "JSON", put_text, PLACE(call.headers),
     "headers of your own, a JSON object"},
    {CLIENT_CALL, 0, false, "shadow", "NAME", put_text, PLACE(call.shadow),
     "the task's name in logs"},
    {CLIENT_CALL, 0, false, "ignore-result", NULL, put_flag, PLACE(call.ignore_result),
     "nothing is stored"},
    {CLIENT_RESULT, 't', false, "task", "NAME", put_nothing, 0,
     "accepted: results are found by their ids"},
    {CLIENT_RESULT, 0, false, "traceback", NULL, put_flag, PLACE(traceback),
     "print the traceback as it is stored now; does not wait"},
    {BOTH, 0, true, "wait", "SECONDS", put_wait, PLACE(wait_seconds),
     "wait for the end (default: a day)"},
    {BOTH, 'b', false, "broker", "URL", put_broker, 0,
     "amqp://user:password@host:port/vhost; several: separated by ';'"},
    {BOTH, 0, false, "result-backend", "URL", put_backend, 0,
     "where results are: redis://, unix://, and for call --wait rpc://"},
    {BOTH, 0, false, "set", "NAME=VALUE", put_set, 0,
     "give a Celery setting a value; may be repeated"},
    {BOTH, 'h', false, "help", NULL, print_help, 0, "print this and leave"},
};

static const struct {
    const char *name, *subject, *about;
} commands[] = {
    [CLIENT_CALL] = {"call", "TASK",
                     "Sends a task and prints its id; with --wait prints its result, as JSON, "
                     "instead."},
    [CLIENT_RESULT] = {"result", "ID",
                       "Waits for the result of a task, and prints it as JSON. Results of rpc:// "
                       "go to the process\nthat has sent the task; another one cannot read them."},
};

static bool is_of(const struct row *row, enum client_command command)
{
    return (row->commands & (unsigned)command) != 0;
}

static bool print_help(struct parse *parse, size_t place, const char *value)
{
    (void)place, (void)value;
    printf("Usage: celeriac [-b URL] [--result-backend URL] [--config FILE] %s [OPTIONS] %s\n\n"
           "%s Options:\n",
           commands[parse->command].name, commands[parse->command].subject,
           commands[parse->command].about);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        const char *argument = row->argument != NULL ? row->argument : "";
        char letter[8] = "    ", names[64];
        if (!is_of(row, parse->command))
            continue;
        if (row->letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(names, sizeof(names), row->optional ? "%s--%s [%s]" : "%s--%s %s", letter,
                 row->name, argument);
        printf("  %-32s %s\n", names, row->help);
    }
    puts("\nEnvironment: CELERY_BROKER_URL, CELERY_RESULT_BACKEND, CELERY_CONFIG_MODULE (an INI "
         "file).\n"
         "Exit status: 0 success; 1 the task has failed; 2 usage; 3 the broker or the result "
         "backend\n"
         "is out of reach or refuses; 4 the task has not ended in time.");
    parse->answer = OPTIONS_EXIT;
    return true;
}

/* ---- argv ---- */

static enum options_answer usage_error(const struct parse *parse, const char *text)
{
    fprintf(stderr, "celeriac: %s\nTry 'celeriac %s --help'.\n", text,
            commands[parse->command].name);
    return OPTIONS_ERROR;
}

static void fill_getopt(enum client_command command, struct option longs[], char letters[])
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        if (!is_of(row, command))
            continue;
        *longs++ = (struct option){
            .name = row->name,
            .has_arg = row->optional ? optional_argument : row->argument != NULL,
            .val = LONG_BASE + (int)i,
        };
        if (row->letter == 0)
            continue;
        *letters++ = row->letter;
        if (row->argument != NULL)
            *letters++ = ':';
    }
    *longs = (struct option){0};
    *letters = '\0';
}

static const struct row *row_of(enum client_command command, int found)
{
    if (found >= LONG_BASE)
        return &rows[found - LONG_BASE];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (found == rows[i].letter && is_of(&rows[i], command))
            return &rows[i];
    return NULL;
}

/* getopt knows optional arguments only behind '=': a number that follows is one, too. */
static const char *argument_of(const struct row *row, int argc, char **argv)
{
    double number;
    if (optarg != NULL || !row->optional || optind >= argc || !read_number(argv[optind], &number))
        return optarg;
    return argv[optind++];
}

static enum options_answer take_subject(struct parse *parse, int argc, char **argv)
{
    char text[64];
    if (optind == argc - 1) {
        parse->options->subject = argv[optind];
        return OPTIONS_RUN;
    }
    snprintf(text, sizeof(text), "'%s' takes one %s", commands[parse->command].name,
             commands[parse->command].subject);
    return usage_error(parse, text);
}

enum options_answer client_options_read(enum client_command command, int argc, char **argv,
                                        struct client_options *options, struct settings *settings)
{
    struct option longs[ROWS_MAX];
    char letters[2 * ROWS_MAX];
    struct parse parse = {.command = command, .options = options, .settings = settings};
    int found;
    static_assert(ARRAY_LEN(rows) < ROWS_MAX, "room for the end of the list");
    *options = (struct client_options){.wait_seconds = wait_default};
    fill_getopt(command, longs, letters);
    optind = 0; /* getopt begins anew */
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct row *row = row_of(command, found);
        if (row == NULL) { /* getopt has said what is wrong */
            fprintf(stderr, "Try 'celeriac %s --help'.\n", commands[command].name);
            return OPTIONS_ERROR;
        }
        if (!row->apply(&parse, row->place, argument_of(row, argc, argv)))
            return usage_error(&parse, parse.problem);
        if (parse.answer != OPTIONS_RUN)
            return parse.answer;
    }
    return take_subject(&parse, argc, argv);
}
