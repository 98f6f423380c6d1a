/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/log/format.h"

static const struct format_record record = {
    .level = LOG_WARNING,
    .process_name = "MainProcess",
    .message = "a text",
    .now = {.tv_sec = 1700000000, .tv_nsec = 7500000},
    .stamp = "2026-11-22 13:25:40",
    .uptime = 1.5,
};

static struct format format;
static char problem[128];

/* What Python's logging makes of the same format and record. */
static void formats_are_pythons(void **state)
{
    (void)state;
    static const struct {
        const char *format, *line;
    } cases[] = {
        {FORMAT_STANDARD, "[2026-11-22 13:25:40,007: WARNING/MainProcess] a text"},
        {"%(levelname)s", "WARNING"},
        {"%(levelname)10s|", "   WARNING|"},
        {"%(levelname)-10s|", "WARNING   |"},
        {"%(levelname).4s|%(levelname)-6.4s|", "WARN|WARN  |"},
        {"%(levelno)d %(levelno)s %(levelno)05d", "30 30 00030"},
        {"%(msecs)03d %(msecs)f %(msecs).1f %(msecs)06.2f %(msecs)s",
         "007 7.500000 7.5 007.50 7.5"},
        {"%(relativeCreated)d", "1500"},
        {"%(created).3f", "1700000000.007"},
        {"%(name)s %(threadName)s", "celeriac MainThread"},
        {"100%% %(message)s", "100% a text"},
        {"{\"text\": \"%(message)s\"}\n-", "{\"text\": \"a text\"}\n-"},
        {"nothing", "nothing"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[256];
        assert_true(format_read(cases[i].format, &format, problem, sizeof(problem)));
        size_t size = format_write(&format, &record, line, sizeof(line));
        line[size] = '\0';
        assert_string_equal(line, cases[i].line);
    }
}

static void the_process_is_ours(void **state)
{
    (void)state;
    char line[64];
    char pid[32];
    assert_true(format_read("%(process)d %(thread)d", &format, problem, sizeof(problem)));
    size_t size = format_write(&format, &record, line, sizeof(line));
    snprintf(pid, sizeof(pid), "%ld %ld", (long)getpid(), (long)getpid());
    line[size] = '\0';
    assert_string_equal(line, pid);
}

static void what_cannot_be_filled_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *format, *says;
    } cases[] = {
        {"%(lineno)d", "lineno"},          {"%(task_id)s: %(message)s", "task_id"},
        {"%(message)s %", "not followed"}, {"%s", "not followed"},
        {"%(message", "not followed"},     {"%(message)", "message"},
        {"%(message)d", "message"},        {"%(msecs)x", "msecs"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_false(format_read(cases[i].format, &format, problem, sizeof(problem)));
        assert_non_null(strstr(problem, cases[i].says));
    }
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[2 * LOG_FORMAT_MAX];
    memset(text, 'x', LOG_FORMAT_MAX);
    text[LOG_FORMAT_MAX] = '\0';
    assert_false(format_read(text, &format, problem, sizeof(problem)));
    text[LOG_FORMAT_MAX - 1] = '\0';
    assert_true(format_read(text, &format, problem, sizeof(problem)));
    size_t most = (size_t)2 * FORMAT_PIECES_MAX; /* each is %% */
    memset(text, '%', most + 2);
    text[most + 2] = '\0';
    assert_false(format_read(text, &format, problem, sizeof(problem)));
    text[most] = '\0';
    assert_true(format_read(text, &format, problem, sizeof(problem)));
}

static void a_line_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    char line[8] = "1234567";
    assert_true(format_read("%(message)s%(levelname)99999s", &format, problem, sizeof(problem)));
    assert_int_equal(format_write(&format, &record, line, 4), 6 + 256);
    assert_memory_equal(line, "a te567", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_pythons),
        cmocka_unit_test(the_process_is_ours),
        cmocka_unit_test(what_cannot_be_filled_is_named),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_line_that_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
