/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/cli/settings.h"

static char message[SETTINGS_MESSAGE_SIZE];
static int warnings;

static void count_warning(const char *text)
{
    assert_non_null(strstr(text, "no effect"));
    warnings++;
}

static int put(struct settings *settings, enum setting_source source, const char *name,
               const char *text)
{
    return settings_put(settings, source, name, text, message);
}

static void defaults_are_celerys_but_for_acks(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    assert_true(settings.task_acks_late);
    assert_true(settings.task_reject_on_worker_lost);
    assert_int_equal(settings.worker_prefetch_multiplier, 4);
    assert_int_equal(settings.broker_connection_max_retries, 100);
    assert_string_equal(settings.task_default_queue, "celery");
    assert_null(settings.result_backend);
    assert_int_equal(settings.accept_content.count, 1);
    settings_done(&settings);
}

static void the_strongest_source_wins_in_any_order(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    assert_int_equal(put(&settings, SETTING_OPTION, "broker_url", "amqp://option"), SETTINGS_OK);
    assert_int_equal(put(&settings, SETTING_ENVIRONMENT, "broker_url", "amqp://env"), SETTINGS_OK);
    assert_string_equal(settings.broker_url, "amqp://option");
    assert_int_equal(put(&settings, SETTING_FILE, "task_default_queue", "f"), SETTINGS_OK);
    assert_int_equal(put(&settings, SETTING_SET, "task_default_queue", "s"), SETTINGS_OK);
    assert_string_equal(settings.task_default_queue, "s");
    assert_int_equal(settings_source(&settings, "task_default_queue"), SETTING_SET);
    settings_done(&settings);
}

static void values_of_every_type_are_read(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    assert_int_equal(put(&settings, SETTING_SET, "task_acks_late", "False"), SETTINGS_OK);
    assert_false(settings.task_acks_late);
    assert_int_equal(put(&settings, SETTING_SET, "task_time_limit", "1.5"), SETTINGS_OK);
    assert_true(settings.task_time_limit == 1.5);
    assert_int_equal(put(&settings, SETTING_SET, "task_time_limit", "None"), SETTINGS_OK);
    assert_true(settings.task_time_limit == 0);
    assert_int_equal(put(&settings, SETTING_SET, "broker_connection_max_retries", "None"),
                     SETTINGS_OK);
    assert_int_equal(settings.broker_connection_max_retries, -1);
    assert_int_equal(put(&settings, SETTING_SET, "broker_connection_max_retries", "0"),
                     SETTINGS_OK);
    assert_int_equal(settings.broker_connection_max_retries, 0);
    assert_int_equal(put(&settings, SETTING_SET, "accept_content", "['json', 'msgpack']"),
                     SETTINGS_OK);
    assert_int_equal(settings.accept_content.count, 2);
    assert_string_equal(settings.accept_content.items[1], "msgpack");
    settings_done(&settings);
}

static void a_bad_value_is_an_error_that_says_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *says;
    } cases[] = {
        {"task_acks_late", "maybe", "true or false"}, {"worker_concurrency", "two", "whole number"},
        {"worker_concurrency", "-1", "whole number"}, {"task_time_limit", "1s", "seconds"},
        {"task_time_limit", "nan", "seconds"},
    };
    struct settings settings;
    settings_init(&settings);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(put(&settings, SETTING_SET, cases[i].name, cases[i].value),
                         SETTINGS_ERROR);
        assert_non_null(strstr(message, cases[i].name));
        assert_non_null(strstr(message, cases[i].says));
    }
    settings_done(&settings);
}

static void what_is_not_supported_is_named(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    assert_int_equal(put(&settings, SETTING_SET, "beat_schedule", "x"), SETTINGS_WARNING);
    assert_non_null(strstr(message, "beat_schedule is not supported"));
    assert_int_equal(put(&settings, SETTING_SET, "colour", "x"), SETTINGS_WARNING);
    assert_non_null(strstr(message, "not a setting of Celery"));
    settings_done(&settings);
}

static int read_text(struct settings *settings, const char *text)
{
    char path[] = "/tmp/celeriac-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int answer = settings_read_file(settings, path, count_warning, message);
    unlink(path);
    return answer;
}

static void an_ini_file_gives_settings(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    warnings = 0;
    assert_int_equal(read_text(&settings, "[celery]\nworker_concurrency = 7 ; a comment\n"
                                          "timezone = Europe/Berlin\n"),
                     0);
    assert_int_equal(settings.worker_concurrency, 7);
    assert_int_equal(warnings, 1);
    assert_int_equal(read_text(&settings, "[celery]\nworker_concurrency = many\n"), -1);
    assert_non_null(strstr(message, "worker_concurrency"));
    assert_int_equal(read_text(&settings, "[other]\nx = 1\n"), -1);
    assert_non_null(strstr(message, "[other]"));
    assert_int_equal(read_text(&settings, "[celery]\nnonsense\n"), -1);
    assert_non_null(strstr(message, "line 2"));
    assert_int_equal(settings_read_file(&settings, "/nowhere/x.ini", count_warning, message), -1);
    assert_non_null(strstr(message, "cannot be opened"));
    settings_done(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_celerys_but_for_acks),
        cmocka_unit_test(the_strongest_source_wins_in_any_order),
        cmocka_unit_test(values_of_every_type_are_read),
        cmocka_unit_test(a_bad_value_is_an_error_that_says_what_would_be_right),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(an_ini_file_gives_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
