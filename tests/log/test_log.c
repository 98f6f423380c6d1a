/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/log/log.h"
#include "worker/log/sink.h"

static char folder[] = "/tmp/celeriac-log-XXXXXX";
static char path[64], moved[64];
static int saved_stderr;

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(moved, sizeof(moved), "%s/log.1", folder);
    saved_stderr = dup(STDERR_FILENO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    unlink(path);
    unlink(moved);
    return rmdir(folder);
}

/* All of a file, and empties it. */
static const char *content_of(const char *name)
{
    static char text[8 * LOG_LINE_MAX];
    int fd = open(name, O_RDWR);
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, sizeof(text) - 1);
    assert_true(size >= 0);
    text[size] = '\0';
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    return text;
}

static void plain_lines(const char *format)
{
    char problem[64];
    assert_true(log_set_format(format, problem, sizeof(problem)));
}

static void lines_go_to_the_file_and_not_to_stderr(void **state)
{
    (void)state;
    log_init("MainProcess", LOG_INFO);
    assert_int_equal(log_open(path, false), 0);
    log_info("to the file");
    log_debug("too low");
    assert_non_null(strstr(content_of(path), ": INFO/MainProcess] to the file\n"));
    assert_true(write(STDERR_FILENO, "", 0) == 0);
    assert_string_equal(content_of(path), "");
}

static void the_apps_format_holds_for_every_line(void **state)
{
    (void)state;
    char problem[64];
    plain_lines("%(levelname)-8s %(message)s");
    log_warning("a %s", "text");
    assert_string_equal(content_of(path), "WARNING  a text\n");
    assert_false(log_set_format("%(nothing)s", problem, sizeof(problem)));
    log_warning("as before");
    assert_string_equal(content_of(path), "WARNING  as before\n");
}

static void colours_are_celerys(void **state)
{
    (void)state;
    plain_lines("%(message)s");
    log_init("MainProcess", LOG_DEBUG);
    log_set_color(true);
    log_debug("d");
    log_info("i");
    log_warning("w");
    log_error("e");
    log_critical("c");
    assert_string_equal(content_of(path), "\033[1;34md\033[0m\ni\n\033[1;33mw\033[0m\n"
                                          "\033[1;31me\033[0m\n\033[1;35mc\033[0m\n");
    log_set_color(false);
    log_error("e");
    assert_string_equal(content_of(path), "e\n");
}

static void a_long_line_is_cut_unless_it_is_critical(void **state)
{
    (void)state;
    static char text[2 * LOG_LINE_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 2] = 'y';
    log_set_color(true);
    log_error("%s", text);
    const char *line = content_of(path);
    assert_int_equal(strlen(line), LOG_LINE_MAX);
    assert_string_equal(line + LOG_LINE_MAX - 9, "x...\033[0m\n");
    log_set_color(false);
    log_critical("%s", text);
    line = content_of(path);
    assert_int_equal(strlen(line), sizeof(text));
    assert_string_equal(line + sizeof(text) - 3, "xy\n");
}

static void a_file_that_was_moved_away_is_opened_anew(void **state)
{
    (void)state;
    struct sink sink = {.fd = STDERR_FILENO};
    assert_int_equal(sink_open(&sink, path, false), 0);
    sink_refresh(&sink, 100);
    assert_int_equal(rename(path, moved), 0);
    sink_refresh(&sink, 100);
    sink_write(&sink, "old\n", 4);
    assert_string_equal(content_of(moved), "old\n");
    sink_refresh(&sink, 101);
    sink_write(&sink, "new\n", 4);
    assert_string_equal(content_of(path), "new\n");
    assert_string_equal(content_of(moved), "");
    assert_int_equal(rename(path, moved), 0); /* and made anew by somebody else */
    close(open(path, O_WRONLY | O_CREAT, 0644));
    sink_refresh(&sink, 102);
    sink_write(&sink, "third\n", 6);
    assert_string_equal(content_of(path), "third\n");
    close(sink.fd);
}

static void without_a_folder_the_old_file_goes_on(void **state)
{
    (void)state;
    struct sink sink = {.fd = STDERR_FILENO};
    assert_int_equal(sink_open(&sink, path, false), 0);
    snprintf(sink.path, sizeof(sink.path), "/nowhere/log");
    sink_refresh(&sink, 1);
    sink_write(&sink, "line\n", 5);
    assert_string_equal(content_of(path), "line\n");
    close(sink.fd);
    assert_int_equal(log_open("/nowhere/log", false), -ENOENT);
}

static void stderr_follows_where_somebody_inherits_it(void **state)
{
    (void)state;
    struct sink sink = {.fd = STDERR_FILENO};
    assert_int_equal(sink_open(&sink, path, true), 0);
    assert_int_equal(write(STDERR_FILENO, "child\n", 6), 6);
    assert_string_equal(content_of(path), "child\n");
    assert_int_equal(rename(path, moved), 0);
    sink_refresh(&sink, 1);
    assert_int_equal(write(STDERR_FILENO, "child\n", 6), 6);
    assert_string_equal(content_of(path), "child\n");
    close(sink.fd);
    dup2(saved_stderr, STDERR_FILENO);
}

static void levels_have_pythons_names(void **state)
{
    (void)state;
    assert_int_equal(log_level_by_name("info"), LOG_INFO);
    assert_int_equal(log_level_by_name("WARN"), LOG_WARNING);
    assert_int_equal(log_level_by_name("Fatal"), LOG_CRITICAL);
    assert_int_equal(log_level_by_name("loud"), 0);
    assert_string_equal(log_level_name(LOG_CRITICAL), "CRITICAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_to_the_file_and_not_to_stderr),
        cmocka_unit_test(the_apps_format_holds_for_every_line),
        cmocka_unit_test(colours_are_celerys),
        cmocka_unit_test(a_long_line_is_cut_unless_it_is_critical),
        cmocka_unit_test(a_file_that_was_moved_away_is_opened_anew),
        cmocka_unit_test(without_a_folder_the_old_file_goes_on),
        cmocka_unit_test(stderr_follows_where_somebody_inherits_it),
        cmocka_unit_test(levels_have_pythons_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
