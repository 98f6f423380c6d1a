/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a shell sees of a call: the settings it is made with, what is printed, the exit
 * status. */

#include "worker/cli/client_command.h"

#include <stdio.h>
#include <string.h>

#include "worker/cli/app.h"
#include "worker/cli/client_options.h"

enum { STATUS_FAILED = 1, STATUS_USAGE = EXIT_USAGE, STATUS_SERVER = 3, STATUS_TIMEOUT = 4 };

struct shell {
    enum client_command command;
    struct options globals;
    struct settings settings;
    struct client_options options;
    struct results results;
    struct celeriac_client *client;
};

static int fail(int status, const char *text)
{
    fprintf(stderr, "celeriac: %s\n", text);
    return status;
}

static enum client_command command_of(const char *word)
{
    if (strcmp(word, "call") == 0)
        return CLIENT_CALL;
    return strcmp(word, "result") == 0 ? CLIENT_RESULT : 0;
}

bool client_command_is(const char *word)
{
    return command_of(word) != 0;
}

/* ---- settings ---- */

static int read_config(struct shell *shell)
{
    char error[SETTINGS_MESSAGE_SIZE];
    const char *config = shell->globals.config;
    if (config != NULL && settings_read_file(&shell->settings, config, error) != 0)
        return fail(STATUS_USAGE, error);
    /* Better no message than one at the wrong broker. */
    if (shell->globals.app != NULL &&
        settings_source(&shell->settings, "broker_url") == SETTING_DEFAULT)
        return fail(STATUS_USAGE,
                    "-A: an app's settings are not read here: name the broker with -b and the "
                    "result backend with --result-backend, or both in a file with --config");
    return 0;
}

/* Who does not wait needs no backend, and so may have any. */
static int choose_backend(struct shell *shell)
{
    char error[RESULTS_ERROR_SIZE];
    bool needed = shell->command == CLIENT_RESULT || shell->options.waits;
    if (!needed)
        return 0;
    if (results_check(&shell->results, &shell->settings, error) != 0)
        return fail(STATUS_USAGE, error);
    if (strncmp(shell->results.url, "disabled", strlen("disabled")) == 0)
        return fail(STATUS_USAGE, "there is no result backend to look at: see --result-backend");
    if (shell->command == CLIENT_RESULT && strncmp(shell->results.url, "rpc", strlen("rpc")) == 0)
        return fail(STATUS_USAGE,
                    "results of rpc:// are messages to the process that has sent the task: no "
                    "other can read them. Use celeriac call --wait, or redis://");
    return 0;
}

static int open_client(struct shell *shell)
{
    char error[CELERIAC_CLIENT_ERROR_SIZE];
    const struct settings *settings = &shell->settings;
    const struct celeriac_client_config config = {
        .broker_url = settings->broker_url,
        .result_backend = shell->results.url,
        .result_key_prefix = shell->results.key_prefix,
        .result_expires = settings->result_expires,
        .task_serializer = settings->task_serializer,
        .task_default_queue = settings->task_default_queue,
        .task_default_exchange = settings->task_default_exchange,
        .task_default_exchange_type = settings->task_default_exchange_type,
        .task_default_routing_key = settings->task_default_routing_key,
        .task_default_queue_type = settings->task_default_queue_type,
        .task_create_missing_queue_type = settings->task_create_missing_queue_type,
        .task_create_missing_queue_exchange_type =
            settings->task_create_missing_queue_exchange_type,
        .task_queue_max_priority = settings->task_queue_max_priority,
        .connection_timeout = settings->broker_connection_timeout,
    };
    int rc = celeriac_client_open(&config, &shell->client, error);
    return rc == 0 ? 0 : fail(STATUS_USAGE, error);
}

/* ---- results ---- */

static int status_of(int error, bool sent)
{
    if (error == CELERIAC_CLIENT_EINVALID || error == CELERIAC_CLIENT_EUNSUPPORTED)
        return STATUS_USAGE;
    return error == CELERIAC_CLIENT_ETIMEOUT && sent ? STATUS_TIMEOUT : STATUS_SERVER;
}

static int print_result(const struct celeriac_result *result)
{
    const char *json = celeriac_result_json(result);
    const char *exception = celeriac_result_exception(result);
    if (!celeriac_result_is_success(result)) {
        fprintf(stderr, "%s\n", exception != NULL ? exception : celeriac_result_state(result));
        return STATUS_FAILED;
    }
    if (json == NULL)
        return fail(STATUS_SERVER, "the result cannot be written as JSON");
    puts(json);
    return 0;
}

static int print_traceback(const struct celeriac_result *result)
{
    const char *traceback = celeriac_result_traceback(result);
    puts(traceback != NULL ? traceback : "null");
    return 0;
}

static int wait_for(struct shell *shell, const char *id)
{
    struct celeriac_result *result;
    bool peeks = shell->options.traceback;
    int rc = peeks ? celeriac_client_peek(shell->client, id, shell->options.wait_seconds, &result)
                   : celeriac_client_wait(shell->client, id, shell->options.wait_seconds, &result);
    if (rc != 0) {
        fprintf(stderr, "celeriac: task %s: %s\n", id, celeriac_client_error(shell->client));
        return status_of(rc, true);
    }
    int status = peeks ? print_traceback(result) : print_result(result);
    celeriac_result_free(result);
    return status;
}

/* ---- the two commands ---- */

static int run_call(struct shell *shell)
{
    char id[CELERIAC_TASK_ID_SIZE];
    shell->options.call.task = shell->options.subject;
    const char *queue = shell->options.call.queue;
    if (queue != NULL && !shell->settings.task_create_missing_queues &&
        strcmp(queue, shell->settings.task_default_queue) != 0)
        return fail(STATUS_USAGE, "--queue: the queue is not configured, and "
                                  "task_create_missing_queues is off");
    if (shell->options.waits && shell->options.call.ignore_result)
        return fail(STATUS_USAGE, "--wait and --ignore-result exclude each other");
    int rc = celeriac_client_send(shell->client, &shell->options.call, id);
    if (rc != 0)
        return fail(status_of(rc, false), celeriac_client_error(shell->client));
    if (shell->options.waits)
        return wait_for(shell, id);
    puts(id);
    return 0;
}

static int run(struct shell *shell)
{
    int status = read_config(shell);
    if (status == 0)
        status = choose_backend(shell);
    if (status == 0)
        status = open_client(shell);
    if (status != 0)
        return status;
    status =
        shell->command == CLIENT_CALL ? run_call(shell) : wait_for(shell, shell->options.subject);
    celeriac_client_close(shell->client);
    /* A full disk must not look like success. */
    if (fflush(stdout) != 0 && status == 0)
        return fail(STATUS_SERVER, "the result cannot be written to stdout");
    return status;
}

int client_command_run(int argc, char **argv, int index)
{
    struct shell shell = {.command = command_of(argv[index])};
    settings_init(&shell.settings);
    enum options_answer answer = options_read(index, argv, &shell.globals, &shell.settings);
    if (answer == OPTIONS_RUN)
        answer = client_options_read(shell.command, argc - index, argv + index, &shell.options,
                                     &shell.settings);
    int status = answer == OPTIONS_ERROR ? STATUS_USAGE : 0;
    if (answer == OPTIONS_RUN)
        status = run(&shell);
    options_done(&shell.globals);
    settings_done(&shell.settings);
    return status;
}
