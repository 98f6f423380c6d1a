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
static char warned[1024];

static void remember(void *context, const char *text)
{
    assert_non_null(strstr(text, "no effect"));
    assert_ptr_equal(context, warned);
    strncat(warned, text, sizeof(warned) - strlen(warned) - 1);
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
    assert_int_equal(settings.worker_prefetch_multiplier, -1);
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
    assert_int_equal(settings.task_default_priority, -1);
    assert_int_equal(put(&settings, SETTING_SET, "task_default_priority", "0"), SETTINGS_OK);
    assert_int_equal(settings.task_default_priority, 0);
    assert_int_equal(settings.task_default_delivery_mode, 2);
    assert_int_equal(put(&settings, SETTING_SET, "task_default_delivery_mode", "transient"),
                     SETTINGS_OK);
    assert_int_equal(settings.task_default_delivery_mode, 1);
    settings_done(&settings);
}

static void a_bad_value_is_an_error_that_says_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *says;
    } cases[] = {
        {"task_acks_late", "maybe", "true or false"},
        {"worker_concurrency", "two", "whole number"},
        {"worker_concurrency", "-1", "whole number"},
        {"task_time_limit", "1s", "seconds"},
        {"task_time_limit", "nan", "seconds"},
        {"task_default_priority", "256", "0 to 255"},
        {"task_default_delivery_mode", "3", "persistent or transient"},
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
    warned[0] = '\0';
    assert_int_equal(put(&settings, SETTING_SET, "beat_schedule", "x"), SETTINGS_UNKNOWN);
    assert_int_equal(settings_override(&settings, SETTING_SET, "beat_schedule=x", message),
                     SETTINGS_UNKNOWN);
    assert_int_equal(settings_override(&settings, SETTING_SET, "colour=x", message),
                     SETTINGS_UNKNOWN);
    assert_int_equal(settings_override(&settings, SETTING_SET, "task_time_limit=3", message),
                     SETTINGS_OK);
    settings_warn_unknown(&settings, remember, warned);
    assert_non_null(strstr(warned, "beat_schedule is not supported"));
    assert_non_null(strstr(warned, "colour is not a setting"));
    assert_null(strstr(warned, "task_time_limit"));
    settings_done(&settings);
}

static void overrides_follow_celerys_command_line(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *name, *value;
    } cases[] = {
        {"worker_concurrency=3", "worker_concurrency", "3"},
        {"Worker.Concurrency=3", "worker_concurrency", "3"},
        {"_concurrency=3", "worker_concurrency", "3"},
        {".concurrency=3", "worker_concurrency", "3"},
        {"broker_url=amqp://u:p@h/v?a=b", "broker_url", "amqp://u:p@h/v?a=b"},
        {"task_time_limit=(float)1.5", "task_time_limit", "1.5"},
        {"task_default_queue=(not a type)", "task_default_queue", "(not a type)"},
        {"a=", "a", ""},
    };
    struct override_parts parts;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(override_split(cases[i].argument, &parts));
        assert_string_equal(parts.name, cases[i].name);
        assert_string_equal(parts.value, cases[i].value);
    }
    assert_false(override_split("nothing", &parts));
    assert_false(override_split("=nothing", &parts));
}

static msgpack_object of_two(const char *first, const char *second, msgpack_zone *zone)
{
    msgpack_object array;
    assert_true(value_array(zone, 2, &array));
    array.via.array.ptr[0] = value_string(first);
    array.via.array.ptr[1] = value_string(second);
    return array;
}

static int put_value(struct settings *settings, const char *name, msgpack_object value)
{
    return settings_put_value(settings, name, &value, message);
}

static void values_of_the_app_are_weaker_than_anything_named(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    msgpack_zone *zone = msgpack_zone_new(1024);
    assert_int_equal(put(&settings, SETTING_FILE, "worker_concurrency", "5"), SETTINGS_OK);
    assert_int_equal(put_value(&settings, "worker_concurrency", value_int(3)), SETTINGS_OK);
    assert_int_equal(settings.worker_concurrency, 5);
    assert_int_equal(put_value(&settings, "task_acks_late", value_bool(false)), SETTINGS_OK);
    assert_false(settings.task_acks_late);
    assert_int_equal(put_value(&settings, "task_reject_on_worker_lost", value_nil()), SETTINGS_OK);
    assert_false(settings.task_reject_on_worker_lost);
    assert_int_equal(put_value(&settings, "task_time_limit", value_double(0.25)), SETTINGS_OK);
    assert_true(settings.task_time_limit == 0.25);
    assert_int_equal(put_value(&settings, "broker_connection_max_retries", value_nil()),
                     SETTINGS_OK);
    assert_int_equal(settings.broker_connection_max_retries, -1);
    assert_int_equal(put_value(&settings, "broker_connection_retry_on_startup", value_nil()),
                     SETTINGS_OK);
    assert_int_equal(settings.broker_connection_retry_on_startup, -1);
    assert_int_equal(put_value(&settings, "broker_url", of_two("amqp://one", "amqp://two", zone)),
                     SETTINGS_OK);
    assert_string_equal(settings.broker_url, "amqp://one;amqp://two");
    assert_int_equal(put_value(&settings, "accept_content", of_two("json", "pickle", zone)),
                     SETTINGS_OK);
    assert_int_equal(settings.accept_content.count, 2);
    assert_string_equal(settings.accept_content.items[1], "pickle");
    assert_int_equal(put_value(&settings, "worker_concurrency", value_string("many")),
                     SETTINGS_OK); /* a stronger one is there: not even read */
    assert_int_equal(put_value(&settings, "worker_prefetch_multiplier", value_string("many")),
                     SETTINGS_ERROR);
    assert_int_equal(put_value(&settings, "task_annotations", value_nil()), SETTINGS_UNKNOWN);
    msgpack_zone_free(zone);
    settings_done(&settings);
}

static int read_text(struct settings *settings, const char *text)
{
    char path[] = "/tmp/celeriac-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int answer = settings_read_file(settings, path, message);
    unlink(path);
    return answer;
}

static void an_ini_file_gives_settings(void **state)
{
    (void)state;
    struct settings settings;
    settings_init(&settings);
    assert_int_equal(read_text(&settings, "[celery]\nworker_concurrency = 7 ; a comment\n"
                                          "timezone = Europe/Berlin\n"),
                     0);
    assert_int_equal(settings.worker_concurrency, 7);
    assert_int_equal(settings.overrides.count, 2);
    assert_int_equal(settings.overrides.items[1].source, SETTING_FILE);
    assert_string_equal(settings.overrides.items[1].text, "timezone=Europe/Berlin");
    assert_int_equal(read_text(&settings, "[celery]\nworker_concurrency = many\n"), -1);
    assert_non_null(strstr(message, "worker_concurrency"));
    assert_int_equal(read_text(&settings, "[other]\nx = 1\n"), -1);
    assert_non_null(strstr(message, "[other]"));
    assert_int_equal(read_text(&settings, "[queue a]\nrouting_key = a.#\n\n[queue b]\n"
                                          "exchange = b\nbindings = {}\nbindings = {}\n"),
                     0);
    assert_int_equal(settings.queue_lines.count, 4);
    assert_string_equal(settings.queue_lines.items[0].queue, "a");
    assert_string_equal(settings.queue_lines.items[0].value, "a.#");
    assert_string_equal(settings.queue_lines.items[3].key, "bindings");
    assert_int_equal(read_text(&settings, "[queue a name that inih cuts behind 49 characters, so]\n"
                                          "durable = no\n"),
                     -1);
    assert_non_null(strstr(message, "too long"));
    assert_int_equal(read_text(&settings, "[celery]\nnonsense\n"), -1);
    assert_non_null(strstr(message, "line 2"));
    assert_int_equal(settings_read_file(&settings, "/nowhere/x.ini", message), -1);
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
        cmocka_unit_test(overrides_follow_celerys_command_line),
        cmocka_unit_test(values_of_the_app_are_weaker_than_anything_named),
        cmocka_unit_test(an_ini_file_gives_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
