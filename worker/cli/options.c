/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of argv and of the options' variables. What an option does is option_table.c's.
 */

#include "worker/cli/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/cli/option_table.h"

enum { LONG_OPTION_BASE = 256, OPTIONS_MAX = 96, VARIABLE_SIZE = 64 };

static enum options_answer usage_error(const char *text)
{
    fprintf(stderr, "celeriac: %s\nTry 'celeriac --help'.\n", text);
    return OPTIONS_ERROR;
}

/* ---- argv ---- */

static void fill_getopt(struct option long_options[], char letters[])
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        long_options[i] = (struct option){
            .name = row->name,
            .has_arg = row->argument != NULL ? required_argument : no_argument,
            .val = LONG_OPTION_BASE + (int)i,
        };
        if (row->letter == 0)
            continue;
        *letters++ = row->letter;
        if (row->argument != NULL)
            *letters++ = ':';
    }
    *letters = '\0';
}

static const struct option_row *row_of(int found)
{
    if (found >= LONG_OPTION_BASE)
        return &option_table[found - LONG_OPTION_BASE];
    for (size_t i = 0; i < option_count; i++) {
        if (found == option_table[i].letter)
            return &option_table[i];
    }
    return NULL;
}

/* What stands behind the command are settings, as in Celery. */
static enum options_answer read_overrides(int count, char **arguments, struct option_parse *parse)
{
    for (int i = 0; i < count; i++) {
        if (settings_override(parse->settings, SETTING_SET, arguments[i], parse->problem) ==
            SETTINGS_ERROR)
            return usage_error(parse->problem);
    }
    return OPTIONS_RUN;
}

static enum options_answer read_argv(int argc, char **argv, struct option_parse *parse)
{
    struct option long_options[OPTIONS_MAX] = {0};
    char letters[2 * OPTIONS_MAX];
    fill_getopt(long_options, letters);
    int found;
    while ((found = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        const struct option_row *row = row_of(found);
        if (row == NULL) { /* getopt has said what is wrong */
            fputs("Try 'celeriac --help'. An app's own options (app.user_options) are not "
                  "supported.\n",
                  stderr);
            return OPTIONS_ERROR;
        }
        if (!option_apply(parse, row, optarg))
            return usage_error(parse->problem);
        if (parse->answer != OPTIONS_RUN)
            return parse->answer;
    }
    /* Without a command it is `worker`: that is what a container's arguments mean. */
    if (optind == argc)
        return OPTIONS_RUN;
    if (strcmp(argv[optind], "worker") != 0)
        return usage_error("the commands are 'worker', 'call' and 'result'");
    return read_overrides(argc - optind - 1, argv + optind + 1, parse);
}

int options_find_command(int argc, char **argv)
{
    struct option long_options[OPTIONS_MAX] = {0};
    char letters[2 * OPTIONS_MAX + 1] = "+"; /* the first word that is no option is the end */
    int complains = opterr;
    fill_getopt(long_options, letters + 1);
    opterr = 0; /* what is wrong is told by who reads them */
    optind = 0;
    while (getopt_long(argc, argv, letters, long_options, NULL) != -1)
        continue;
    int index = optind;
    optind = 0;
    opterr = complains;
    return index;
}

/* ---- the environment ---- */

static void variable_of(const struct option_row *row, char ret[VARIABLE_SIZE])
{
    snprintf(ret, VARIABLE_SIZE, "CELERY_%s%s", row->scope == SCOPE_WORKER ? "WORKER_" : "",
             row->name);
    for (char *c = ret; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* NULL: not set, or empty, which is the same to Celery. */
static const char *variable_value(const char *name)
{
    const char *value = name != NULL ? getenv(name) : NULL;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_off(const char *value)
{
    static const char *const words[] = {"0", "false", "f", "no", "n", "off"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(value, words[i]) == 0)
            return true;
    }
    return false;
}

static bool read_variable(const struct option_row *row, struct option_parse *parse)
{
    char name[VARIABLE_SIZE];
    variable_of(row, name);
    const char *value = variable_value(row->variable);
    if (value == NULL)
        value = variable_value(name);
    if (row->scope == SCOPE_OURS || value == NULL)
        return true;
    if (row->argument == NULL && is_off(value))
        return true;
    return option_apply(parse, row, value);
}

static bool read_setting(const char *variable, const char *setting, struct option_parse *parse)
{
    const char *value = variable_value(variable);
    return value == NULL || settings_put(parse->settings, SETTING_ENVIRONMENT, setting, value,
                                         parse->problem) == SETTINGS_OK;
}

/* Before argv, which then has the last word. The variables of settings come first for the same
 * reason: in Celery the options' variables replace them. */
static enum options_answer read_environment(struct option_parse *parse)
{
    if (!read_setting("CELERY_BROKER_URL", "broker_url", parse) ||
        !read_setting("CELERY_RESULT_BACKEND", "result_backend", parse))
        return usage_error(parse->problem);
    for (size_t i = 0; i < option_count; i++) {
        if (!read_variable(&option_table[i], parse))
            return usage_error(parse->problem);
    }
    return OPTIONS_RUN;
}

enum options_answer options_read(int argc, char **argv, struct options *options,
                                 struct settings *settings)
{
    *options = (struct options){.loglevel = LOG_WARNING};
    struct option_parse parse = {
        .options = options, .settings = settings, .source = SETTING_ENVIRONMENT};
    enum options_answer answer = read_environment(&parse);
    parse.source = SETTING_OPTION;
    return answer == OPTIONS_RUN ? read_argv(argc, argv, &parse) : answer;
}

void options_warn(struct options *options, const char *name, const char *why)
{
    char *text;
    if (options->warning_count == OPTIONS_WARNINGS_MAX ||
        asprintf(&text, "--%s has no effect: %s", name, why) < 0)
        return;
    options->warnings[options->warning_count++] = text;
}

void options_done(struct options *options)
{
    free(options->queues_text);
    free(options->exclude_queues_text);
    for (size_t i = 0; i < options->warning_count; i++)
        free(options->warnings[i]);
    *options = (struct options){0};
}
