/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/cli/queues.h"

static char error[QUEUES_ERROR_SIZE];

static void set(struct settings *settings, const char *name, const char *text)
{
    char message[SETTINGS_MESSAGE_SIZE];
    assert_int_equal(settings_put(settings, SETTING_SET, name, text, message), SETTINGS_OK);
}

static void the_default_queue_is_celery(void **state)
{
    (void)state;
    struct settings settings;
    struct options options = {0};
    struct queues queues;
    settings_init(&settings);
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
    assert_int_equal(queues.count, 1);
    assert_string_equal(queues.items[0].name, "celery");
    assert_string_equal(queues.items[0].exchange, "celery");
    assert_string_equal(queues.items[0].exchange_type, "direct");
    assert_string_equal(queues.items[0].routing_key, "celery");
    assert_true(queues.items[0].durable);
    assert_int_equal(queues.items[0].arguments.via.map.size, 0);
    queues_done(&queues);
    settings_done(&settings);
}

static void queues_are_named_excluded_and_taken_once(void **state)
{
    (void)state;
    struct settings settings;
    struct options options = {
        .queues = {{"a", "celery", "b", "a"}, 4},
        .exclude_queues = {{"b"}, 1},
    };
    struct queues queues;
    settings_init(&settings);
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
    assert_int_equal(queues.count, 2);
    assert_string_equal(queues.items[0].name, "a");
    assert_string_equal(queues.items[0].exchange, "a");
    assert_string_equal(queues.items[1].name, "celery");
    queues_done(&queues);
    settings_done(&settings);
}

static void types_and_priorities_become_arguments(void **state)
{
    (void)state;
    struct settings settings;
    struct options options = {.queues = {{"celery", "other"}, 2}};
    struct queues queues;
    struct text type;
    int64_t priority;
    settings_init(&settings);
    set(&settings, "task_default_queue_type", "quorum");
    set(&settings, "task_queue_max_priority", "10");
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
    assert_true(value_as_text(value_get(&queues.items[0].arguments, "x-queue-type"), &type));
    assert_true(text_equal(type, "quorum"));
    assert_true(value_as_int(value_get(&queues.items[1].arguments, "x-max-priority"), &priority));
    assert_int_equal(priority, 10);
    assert_null(value_get(&queues.items[1].arguments, "x-queue-type"));
    queues_done(&queues);
    settings_done(&settings);
}

static void nothing_left_to_consume_is_an_error(void **state)
{
    (void)state;
    struct settings settings;
    struct options options = {.exclude_queues = {{"celery"}, 1}};
    struct queues queues;
    settings_init(&settings);
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), -1);
    assert_non_null(strstr(error, "-X"));
    set(&settings, "task_create_missing_queues", "false");
    options = (struct options){.queues = {{"unknown"}, 1}};
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), -1);
    assert_non_null(strstr(error, "unknown"));
    settings_done(&settings);
}

static void configured_queues_are_known_and_the_named_ones_consumed(void **state)
{
    (void)state;
    static const struct {
        struct setting_list include, exclude;
        const char *consumed[4], *others[4];
    } rows[] = {
        {{{0}, 0}, {{0}, 0}, {"a", "b", "n1@host.dq2"}, {0}},
        {{{"b"}, 1}, {{0}, 0}, {"b", "n1@host.dq2"}, {"a"}},
        {{{"new", "b"}, 2}, {{0}, 0}, {"new", "b", "n1@host.dq2"}, {"a"}},
        {{{0}, 0}, {{"a"}, 1}, {"b", "n1@host.dq2"}, {"a"}},
        {{{"a", "b"}, 2}, {{"a", "b"}, 2}, {"n1@host.dq2"}, {"a", "b"}},
    };
    struct settings settings;
    settings_init(&settings);
    set(&settings, "task_queues", "{\"a\": {\"exchange\": \"a\"}, \"b\": {}}");
    set(&settings, "worker_direct", "true");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct options options = {.queues = rows[i].include, .exclude_queues = rows[i].exclude};
        struct queues queues;
        assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
        for (size_t j = 0; j < queues.known; j++)
            assert_string_equal(queues.items[j].name, j < queues.count
                                                          ? rows[i].consumed[j]
                                                          : rows[i].others[j - queues.count]);
        assert_null(rows[i].consumed[queues.count]);
        assert_null(rows[i].others[queues.known - queues.count]);
        queues_done(&queues);
    }
    settings_done(&settings);
}

static void a_direct_queue_is_the_workers_own(void **state)
{
    (void)state;
    struct settings settings;
    struct options options = {0};
    struct queues queues;
    settings_init(&settings);
    set(&settings, "worker_direct", "true");
    set(&settings, "task_queue_max_priority", "3");
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
    assert_int_equal(queues.count, 2);
    assert_string_equal(queues.items[1].exchange, "C.dq2");
    assert_string_equal(queues.items[1].exchange_type, "direct");
    assert_string_equal(queues.items[1].routing_key, "n1@host");
    assert_true(queues.items[1].durable && !queues.items[1].auto_delete);
    assert_int_equal(queues.items[1].arguments.via.map.size, 1);
    queues_done(&queues);
    settings_done(&settings);
}

static void a_broadcast_queue_goes_by_its_alias(void **state)
{
    (void)state;
    struct settings settings;
    struct options options = {.queues = {{"all"}, 1}};
    struct queues queues;
    settings_init(&settings);
    set(&settings, "task_queues", "{\"all\": {\"broadcast\": true}, \"other\": {}}");
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
    assert_int_equal(queues.count, 1);
    assert_string_equal(queues.items[0].alias, "all");
    assert_false(queues.items[0].no_declare);
    queues_done(&queues);
    options = (struct options){.queues = {{"other"}, 1}};
    assert_int_equal(queues_select(&options, &settings, "n1@host", &queues, error), 0);
    assert_string_equal(queues.items[1].alias, "all");
    assert_true(queues.items[1].no_declare); /* other workers declare their own */
    queues_done(&queues);
    settings_done(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_queue_is_celery),
        cmocka_unit_test(queues_are_named_excluded_and_taken_once),
        cmocka_unit_test(types_and_priorities_become_arguments),
        cmocka_unit_test(configured_queues_are_known_and_the_named_ones_consumed),
        cmocka_unit_test(a_direct_queue_is_the_workers_own),
        cmocka_unit_test(a_broadcast_queue_goes_by_its_alias),
        cmocka_unit_test(nothing_left_to_consume_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
