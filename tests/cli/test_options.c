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

struct fixture {
    struct options options;
    struct settings settings;
    char *argv[ARGUMENTS_MAX];
};

/* Those that the tests set, and those that a machine may have. */
static const char *const variables[] = {
    "APP",
    "BROKER_URL",
    "CELERY_APP",
    "CELERY_BROKER",
    "CONFIG_MODULE",
    "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND",
    "CELERY_WORKER_CONCURRENCY",
    "LOADER",
    "NO_COLOR",
    "CELERY_WORKER_PURGE",
    "CELERY_WORKER_LOGLEVEL",
    "RESULT_BACKEND",
    "SKIP_CHECKS",
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    settings_init(&fixture->settings);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        unsetenv(variables[i]);
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
    options_done(&fixture->options);
    return options_read(argc, fixture->argv, &fixture->options, &fixture->settings);
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
    assert_int_equal(fixture->settings.worker_prefetch_multiplier, -1);
    assert_int_equal(read_line(fixture, "celeriac worker --prefetch-multiplier 64"), OPTIONS_RUN);
    assert_int_equal(fixture->settings.worker_prefetch_multiplier, 64);
}

static void every_option_has_a_variable(void **state)
{
    struct fixture *fixture = *state;
    setenv("CELERY_APP", "proj", 1);
    setenv("CELERY_WORKER_CONCURRENCY", "7", 1);
    setenv("CELERY_WORKER_LOGLEVEL", "error", 1);
    setenv("CELERY_WORKER_PURGE", "0", 1);
    setenv("NO_COLOR", "1", 1);
    assert_int_equal(read_line(fixture, "celeriac worker -l info"), OPTIONS_RUN);
    assert_string_equal(fixture->options.app, "proj");
    assert_int_equal(fixture->settings.worker_concurrency, 7);
    assert_int_equal(fixture->options.loglevel, LOG_INFO);
    assert_false(fixture->options.purge);
    assert_true(fixture->options.no_color);
    setenv("APP", "first", 1);
    assert_int_equal(read_line(fixture, "celeriac worker"), OPTIONS_RUN);
    assert_string_equal(fixture->options.app, "first");
    assert_int_equal(read_line(fixture, "celeriac -A mine worker"), OPTIONS_RUN);
    assert_string_equal(fixture->options.app, "mine");
}

static void a_variable_of_an_option_replaces_that_of_a_setting(void **state)
{
    struct fixture *fixture = *state;
    setenv("CELERY_BROKER_URL", "amqp://setting", 1);
    setenv("CELERY_BROKER", "amqp://option", 1);
    assert_int_equal(read_line(fixture, "celeriac worker"), OPTIONS_RUN);
    assert_string_equal(fixture->settings.broker_url, "amqp://option");
}

static void options_of_celery_and_ours_reach_the_runtime(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(read_line(fixture,
                               "celeriac -A proj --python /venv/bin/python --workdir /srv -C -q "
                               "--loader l.L --skip-checks worker --no-preload --celery-acks "
                               "-I a,b --uid nobody --gid 5 --umask 027 -P prefork -f %n.log"),
                     OPTIONS_RUN);
    const struct options *options = &fixture->options;
    assert_string_equal(options->python, "/venv/bin/python");
    assert_string_equal(options->workdir, "/srv");
    assert_string_equal(options->loader, "l.L");
    assert_string_equal(options->include, "a,b");
    assert_string_equal(options->uid, "nobody");
    assert_string_equal(options->gid, "5");
    assert_string_equal(options->umask, "027");
    assert_string_equal(options->logfile, "%n.log");
    assert_true(options->no_color && options->quiet && options->skip_checks);
    assert_true(options->no_preload && options->celery_acks);
    assert_int_equal(options->warning_count, 0);
}

static void arguments_behind_the_command_are_settings(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(read_line(fixture, "celeriac worker worker.prefetch_multiplier=9 -c 2 "
                                        "_max_tasks_per_child=(int)3 task_annotations=x"),
                     OPTIONS_RUN);
    assert_int_equal(fixture->settings.worker_prefetch_multiplier, 9);
    assert_int_equal(fixture->settings.worker_max_tasks_per_child, 3);
    assert_int_equal(fixture->settings.overrides.count, 3);
    assert_string_equal(fixture->settings.overrides.items[2].text, "task_annotations=x");
}

static void autoscale_takes_the_greatest_number(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(read_line(fixture, "celeriac worker --autoscale 3,10"), OPTIONS_RUN);
    assert_int_equal(fixture->settings.worker_concurrency, 10);
    assert_int_equal(fixture->options.warning_count, 1);
    assert_int_equal(read_line(fixture, "celeriac worker --autoscale many"), OPTIONS_ERROR);
}

static void what_has_no_effect_is_said(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"celeriac worker -E", "not supported yet"},
        {"celeriac worker -O fast", "fair"},
        {"celeriac worker -s schedule", "celery beat"},
        {"celeriac worker --heartbeat-interval 3", "--heartbeat-interval"},
        {"celeriac worker --disable-prefetch", "Redis"},
        {"celeriac worker --executable /bin/python", "--detach"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_line(fixture, cases[i].line), OPTIONS_RUN);
        assert_int_equal(fixture->options.warning_count, 1);
        assert_non_null(strstr(fixture->options.warnings[0], cases[i].says));
    }
    assert_int_equal(read_line(fixture, "celeriac worker -O fair --without-gossip "
                                        "--without-mingle --without-heartbeat"),
                     OPTIONS_RUN);
    assert_int_equal(fixture->options.warning_count, 0);
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
        "celeriac worker worker_concurrency=many",
        "celeriac worker -B",
        "celeriac worker -D",
        "celeriac worker -P gevent",
        "celeriac worker --pool=threads",
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
        CASE(every_option_has_a_variable),
        CASE(a_variable_of_an_option_replaces_that_of_a_setting),
        CASE(options_of_celery_and_ours_reach_the_runtime),
        CASE(arguments_behind_the_command_are_settings),
        CASE(autoscale_takes_the_greatest_number),
        CASE(what_has_no_effect_is_said),
        CASE(bad_usage_is_refused),
        CASE(help_and_version_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
