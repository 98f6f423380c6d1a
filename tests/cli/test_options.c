/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/cli/options.h"

enum { ARGUMENTS_MAX = 32 };

static char last_warning[256];

static void remember(const char *text)
{
    strncpy(last_warning, text, sizeof(last_warning) - 1);
}

struct fixture {
    struct options options;
    struct settings settings;
    char *argv[ARGUMENTS_MAX];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    settings_init(&fixture->settings);
    unsetenv("CELERY_BROKER_URL");
    unsetenv("CELERY_RESULT_BACKEND");
    last_warning[0] = '\0';
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    options_done(&fixture->options);
    settings_done(&fixture->settings);
    free(fixture);
    return 0;
}

static enum options_answer read_line(struct fixture *fixture, const char *line)
{
    static char copy[512];
    strncpy(copy, line, sizeof(copy) - 1);
    int argc = 0;
    char *rest;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        fixture->argv[argc++] = word;
    fixture->argv[argc] = NULL;
    optind = 0; /* glibc: start afresh */
    return options_read(argc, fixture->argv, &fixture->options, &fixture->settings, remember);
}

static void reads_celerys_options_before_and_after_the_command(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(read_line(fixture, "celeriac -A lib.so -b amqp://h worker -c 3 -Q a,b -X b "
                                        "--max-tasks-per-child=5 -l info --purge -n w1@%h"),
                     OPTIONS_RUN);
    assert_string_equal(fixture->options.app, "lib.so");
    assert_string_equal(fixture->settings.broker_url, "amqp://h");
    assert_int_equal(fixture->settings.worker_concurrency, 3);
    assert_int_equal(fixture->settings.worker_max_tasks_per_child, 5);
    assert_int_equal(fixture->options.queues.count, 2);
    assert_string_equal(fixture->options.exclude_queues.items[0], "b");
    assert_int_equal(fixture->options.loglevel, LOG_INFO);
    assert_true(fixture->options.purge);
    assert_string_equal(fixture->options.hostname, "w1@%h");
}

static void without_a_command_it_is_a_worker(void **state)
{
    assert_int_equal(read_line(*state, "celeriac -A lib.so"), OPTIONS_RUN);
}

static void the_environment_is_weaker_than_an_option(void **state)
{
    struct fixture *fixture = *state;
    setenv("CELERY_BROKER_URL", "amqp://env", 1);
    setenv("CELERY_RESULT_BACKEND", "rpc://", 1);
    assert_int_equal(read_line(fixture, "celeriac -b amqp://option worker"), OPTIONS_RUN);
    assert_string_equal(fixture->settings.broker_url, "amqp://option");
    assert_string_equal(fixture->settings.result_backend, "rpc://");
}

static void a_prefetch_multiplier_of_zero_falls_back_to_the_setting(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(read_line(fixture, "celeriac worker --prefetch-multiplier 0"), OPTIONS_RUN);
    assert_int_equal(fixture->settings.worker_prefetch_multiplier, 4);
    assert_int_equal(read_line(fixture, "celeriac worker --prefetch-multiplier 64"), OPTIONS_RUN);
    assert_int_equal(fixture->settings.worker_prefetch_multiplier, 64);
}

static void what_has_no_effect_is_said(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(read_line(fixture, "celeriac worker -E"), OPTIONS_RUN);
    assert_non_null(strstr(last_warning, "not supported yet"));
    assert_int_equal(read_line(fixture, "celeriac worker -O fast"), OPTIONS_RUN);
    assert_non_null(strstr(last_warning, "fair"));
    last_warning[0] = '\0';
    assert_int_equal(read_line(fixture, "celeriac worker -O fair --without-gossip "
                                        "--without-mingle --without-heartbeat"),
                     OPTIONS_RUN);
    assert_string_equal(last_warning, "");
    assert_int_equal(read_line(fixture, "celeriac worker --set redis_socket_timeout=3"),
                     OPTIONS_RUN);
    assert_non_null(strstr(last_warning, "redis_socket_timeout"));
}

static void bad_usage_is_refused(void **state)
{
    static const char *const lines[] = {
        "celeriac beat",
        "celeriac worker extra",
        "celeriac worker --no-such-option",
        "celeriac worker -c many",
        "celeriac worker -l loud",
        "celeriac worker --set nothing",
        "celeriac worker --config /nowhere.ini",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(read_line(fixture, lines[i]), OPTIONS_ERROR);
}

static void help_and_version_end_it(void **state)
{
    assert_int_equal(read_line(*state, "celeriac --help"), OPTIONS_EXIT);
    assert_int_equal(read_line(*state, "celeriac worker --version"), OPTIONS_EXIT);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_celerys_options_before_and_after_the_command),
        CASE(without_a_command_it_is_a_worker),
        CASE(the_environment_is_weaker_than_an_option),
        CASE(a_prefetch_multiplier_of_zero_falls_back_to_the_setting),
        CASE(what_has_no_effect_is_said),
        CASE(bad_usage_is_refused),
        CASE(help_and_version_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
