/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/cli/runtime.h"

enum { ARGUMENTS_MAX = 48 };

struct fixture {
    struct options options;
    struct settings settings;
    struct runtime runtime;
    char *argv[ARGUMENTS_MAX];
    char line[1024];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    settings_init(&fixture->settings);
    unsetenv("VIRTUAL_ENV");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    runtime_done(&fixture->runtime);
    options_done(&fixture->options);
    settings_done(&fixture->settings);
    free(fixture);
    return 0;
}

static void make(struct fixture *fixture, const char *line)
{
    char error[RUNTIME_ERROR_SIZE];
    snprintf(fixture->line, sizeof(fixture->line), "%s", line);
    int argc = 0;
    char *rest;
    for (char *word = strtok_r(fixture->line, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest))
        fixture->argv[argc++] = word;
    fixture->argv[argc] = NULL;
    optind = 0; /* glibc: start afresh */
    runtime_done(&fixture->runtime);
    options_done(&fixture->options);
    assert_int_equal(options_read(argc, fixture->argv, &fixture->options, &fixture->settings),
                     OPTIONS_RUN);
    assert_int_equal(runtime_init(&fixture->runtime, &runtime_python, &fixture->options,
                                  &fixture->settings, "w@host", error),
                     0);
}

static bool has(const struct fixture *fixture, const char *argument)
{
    for (size_t i = 0; i < fixture->runtime.count; i++) {
        if (strcmp(fixture->runtime.argv[i], argument) == 0)
            return true;
    }
    return false;
}

static void a_library_is_native_and_all_else_python(void **state)
{
    (void)state;
    static const struct {
        const char *app, *name;
    } cases[] = {
        {"build/libtasks.so", "native"},
        {".so", "native"},
        {"proj", "python"},
        {"proj.celery:app", "python"},
        {"proj.so.app", "python"},
        {"so", "python"},
        {NULL, "python"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(runtime_kind_of(cases[i].app)->name, cases[i].name);
}

static void the_interpreter_is_named_or_the_environments_or_in_path(void **state)
{
    struct fixture *fixture = *state;
    make(fixture, "celeriac -A proj worker");
    assert_string_equal(fixture->runtime.argv[0], "python3");
    setenv("VIRTUAL_ENV", "/srv/venv", 1);
    make(fixture, "celeriac -A proj worker");
    assert_string_equal(fixture->runtime.argv[0], "/srv/venv/bin/python");
    make(fixture, "celeriac -A proj worker --python /opt/python");
    assert_string_equal(fixture->runtime.argv[0], "/opt/python");
}

static void options_become_arguments(void **state)
{
    struct fixture *fixture = *state;
    static const char *const expected[] = {
        "--app=proj",
        "--loglevel=INFO",
        "--hostname=w@host",
        "--logfile=/var/%n%I",
        "--concurrency=3",
        "--queues=a,b",
        "--exclude-queues=b",
        "--include=c,d",
        "--no-color",
        "--no-preload",
        "--celery-acks",
        "--time-limit=9.5",
        "--soft-time-limit=8",
        "--prefetch-multiplier=2",
        "--max-tasks-per-child=100",
        "--max-memory-per-child=5000",
        "--task-events",
        "--quiet",
        "--purge",
    };
    make(fixture, "celeriac -A proj -C -q worker -l info -f /var/%n%I -c 3 -Q a,b -X b -I c,d -E "
                  "--no-preload --celery-acks --time-limit 9.5 --soft-time-limit 8 --purge "
                  "--prefetch-multiplier 2 --max-tasks-per-child 100 --max-memory-per-child 5000");
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_true(has(fixture, expected[i]));
    char parent[40];
    snprintf(parent, sizeof(parent), "--parent=%ld", (long)getpid());
    assert_true(has(fixture, parent));
    assert_null(fixture->runtime.argv[fixture->runtime.count]);
}

static void what_is_not_given_is_left_to_the_app(void **state)
{
    struct fixture *fixture = *state;
    make(fixture, "celeriac worker");
    for (size_t i = 0; i < fixture->runtime.count; i++) {
        assert_null(strstr(fixture->runtime.argv[i], "--app"));
        assert_null(strstr(fixture->runtime.argv[i], "--concurrency"));
        assert_null(strstr(fixture->runtime.argv[i], "--time-limit"));
        assert_null(strstr(fixture->runtime.argv[i], "--queues"));
        assert_null(strstr(fixture->runtime.argv[i], "--setting"));
    }
}

static void overrides_are_passed_on_and_urls_are_not(void **state)
{
    struct fixture *fixture = *state;
    char message[SETTINGS_MESSAGE_SIZE];
    make(fixture, "celeriac -A proj worker --set task_annotations=x Broker.Url=amqp://u:secret@h "
                  "_send_task_events=(bool)1");
    assert_int_equal(
        settings_override(&fixture->settings, SETTING_FILE, "task_annotations=y", message),
        SETTINGS_UNKNOWN);
    make(fixture, "celeriac -A proj worker");
    assert_true(has(fixture, "--setting=task_annotations=x"));
    assert_true(has(fixture, "--setting=worker_send_task_events=1"));
    size_t file = 0;
    size_t line = 0;
    for (size_t i = 0; i < fixture->runtime.count; i++) {
        const char *argument = fixture->runtime.argv[i];
        assert_null(strstr(argument, "secret"));
        file = strcmp(argument, "--setting=task_annotations=y") == 0 ? i : file;
        line = strcmp(argument, "--setting=task_annotations=x") == 0 ? i : line;
    }
    assert_true(file > 0 && file < line); /* the last one wins */
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_is_native_and_all_else_python),
        CASE(the_interpreter_is_named_or_the_environments_or_in_path),
        CASE(options_become_arguments),
        CASE(what_is_not_given_is_left_to_the_app),
        CASE(overrides_are_passed_on_and_urls_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
