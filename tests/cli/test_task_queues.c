/* SPDX-License-Identifier: BSD-3-Clause */
/* task_queues, as JSON and as sections: what is said of a queue, and what is not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "worker/cli/task_queues.h"

struct fixture {
    struct settings settings;
    msgpack_zone *zone;
    msgpack_object described;
    char error[QUEUES_ERROR_SIZE];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.zone = msgpack_zone_new(1024);
    fixture.error[0] = '\0';
    settings_init(&fixture.settings);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    settings_done(&fixture->settings);
    msgpack_zone_free(fixture->zone);
    return 0;
}

static void set(struct fixture *fixture, const char *name, const char *text)
{
    char message[SETTINGS_MESSAGE_SIZE];
    assert_int_equal(settings_put(&fixture->settings, SETTING_SET, name, text, message),
                     SETTINGS_OK);
}

static int describe(struct fixture *fixture, const char *json)
{
    set(fixture, "task_queues", json);
    return task_queues_describe(&fixture->settings, fixture->zone, &fixture->described,
                                fixture->error);
}

static int describe_lines(struct fixture *fixture, const char *const lines[][3], size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(
            queue_lines_add(&fixture->settings.queue_lines, lines[i][0], lines[i][1], lines[i][2]));
    return task_queues_describe(&fixture->settings, fixture->zone, &fixture->described,
                                fixture->error);
}

static const msgpack_object *part(const struct fixture *fixture, size_t index, const char *key)
{
    return value_get(value_at(&fixture->described, index), key);
}

static void assert_text(const msgpack_object *value, const char *expected)
{
    struct text text = {"nothing", 7};
    value_as_text(value, &text);
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
}

static void assert_flag(const msgpack_object *value, bool expected)
{
    bool flag = !expected;
    assert_true(value_as_bool(value, &flag));
    assert_int_equal(flag, expected);
}

static int64_t number(const msgpack_object *map, const char *key)
{
    int64_t ret = -1;
    value_as_int(value_get(map, key), &ret);
    return ret;
}

static void what_is_not_said_is_as_in_celerys_dictionary(void **state)
{
    struct fixture *fixture = *state;
    set(fixture, "task_default_exchange", "jobs");
    set(fixture, "task_default_exchange_type", "topic");
    assert_int_equal(describe(fixture, "{\"plain\": {}, \"none\": null}"), 0);
    assert_int_equal(fixture->described.via.array.size, 2);
    assert_text(part(fixture, 0, "name"), "plain");
    assert_text(part(fixture, 0, "exchange"), "jobs");
    assert_text(part(fixture, 0, "exchange_type"), "topic");
    assert_text(part(fixture, 0, "routing_key"), "plain");
    assert_flag(part(fixture, 0, "durable"), true);
    assert_flag(part(fixture, 0, "exchange_durable"), true);
    assert_flag(part(fixture, 0, "auto_delete"), false);
    assert_flag(part(fixture, 0, "exclusive"), false);
    assert_int_equal(part(fixture, 0, "arguments")->via.map.size, 0);
    assert_text(part(fixture, 1, "name"), "none");
}

static void durable_and_auto_delete_are_of_queue_and_exchange(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(describe(fixture,
                              "{\"a\": {\"exchange\": \"x\", \"durable\": false, \"auto_delete\": "
                              "true}, \"b\": {\"exchange\": \"x\", \"durable\": false, "
                              "\"exchange_durable\": true, \"queue_auto_delete\": true}, "
                              "\"c\": {\"exclusive\": true}}"),
                     0);
    static const struct {
        const char *key;
        bool of[3];
    } rows[] = {
        {"durable", {false, false, true}},
        {"exchange_durable", {false, true, true}},
        {"auto_delete", {true, true, true}}, /* the last one with its connection */
        {"exchange_auto_delete", {true, false, false}},
        {"exclusive", {false, false, true}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t queue = 0; queue < 3; queue++)
            assert_flag(part(fixture, queue, rows[i].key), rows[i].of[queue]);
}

static void limits_become_arguments_and_the_nearest_one_wins(void **state)
{
    struct fixture *fixture = *state;
    set(fixture, "task_queue_max_priority", "9");
    assert_int_equal(
        describe(fixture, "{\"a\": {\"expires\": 60, \"message_ttl\": 2.5, \"max_length\": 10, "
                          "\"max_length_bytes\": 2000}, "
                          "\"b\": {\"queue_arguments\": {\"x-max-priority\": 3}}, "
                          "\"c\": {\"queue_arguments\": {\"x-max-priority\": 3, \"x-other\": 1}, "
                          "\"x-other\": 2, \"max_priority\": 4}}"),
        0);
    const msgpack_object *a = part(fixture, 0, "arguments");
    assert_int_equal(number(a, "x-expires"), 60000);
    assert_int_equal(number(a, "x-message-ttl"), 2500);
    assert_int_equal(number(a, "x-max-length"), 10);
    assert_int_equal(number(a, "x-max-length-bytes"), 2000);
    assert_int_equal(number(a, "x-max-priority"), 9);
    assert_int_equal(number(part(fixture, 1, "arguments"), "x-max-priority"), 3);
    const msgpack_object *c = part(fixture, 2, "arguments");
    assert_int_equal(number(c, "x-max-priority"), 4);
    assert_int_equal(number(c, "x-other"), 2);
    assert_int_equal(c->via.map.size, 2);
}

static void a_broadcast_queue_has_a_name_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    struct text name = {"", 0};
    assert_int_equal(describe(fixture, "{\"all\": {\"broadcast\": true}}"), 0);
    assert_true(value_as_text(part(fixture, 0, "name"), &name));
    assert_int_equal(name.size, strlen("bcast.") + 36);
    assert_memory_equal(name.data, "bcast.", 6);
    assert_text(part(fixture, 0, "alias"), "all");
    assert_text(part(fixture, 0, "exchange"), "all");
    assert_text(part(fixture, 0, "exchange_type"), "fanout");
    assert_text(part(fixture, 0, "routing_key"), "celery");
    assert_flag(part(fixture, 0, "auto_delete"), true);
    assert_flag(part(fixture, 0, "exchange_auto_delete"), false);
    assert_flag(part(fixture, 0, "durable"), true);
}

static void sections_say_the_same(void **state)
{
    struct fixture *fixture = *state;
    static const char *const lines[][3] = {
        {"feeds", "exchange", "feeds"},
        {"feeds", "exchange_type", "topic"},
        {"images", "name", "images of any size"},
        {"feeds", "routing_key", "5"},
        {"feeds", "durable", "no"},
        {"feeds", "x-max-length", "7"},
        {"feeds", "x-queue-type", "quorum"},
        {"feeds", "binding_arguments", "{\"x-match\": \"any\"}"},
        {"images", "bindings", "{\"exchange\": \"a\"}"},
        {"images", "bindings", "[{\"exchange\": \"b\"}, {\"exchange\": \"c\"}]"},
        {"images", "exchange", "None"},
    };
    assert_int_equal(describe_lines(fixture, lines, ARRAY_LEN(lines)), 0);
    assert_int_equal(fixture->described.via.array.size, 2);
    assert_text(part(fixture, 0, "name"), "feeds");
    assert_text(part(fixture, 0, "routing_key"), "5");
    assert_flag(part(fixture, 0, "durable"), false);
    assert_int_equal(number(part(fixture, 0, "arguments"), "x-max-length"), 7);
    assert_text(value_get(part(fixture, 0, "arguments"), "x-queue-type"), "quorum");
    assert_text(value_get(part(fixture, 0, "binding_arguments"), "x-match"), "any");
    assert_text(part(fixture, 1, "name"), "images of any size");
    assert_text(part(fixture, 1, "exchange"), "celery");
    const msgpack_object *bindings = part(fixture, 1, "bindings");
    assert_int_equal(bindings->via.array.size, 3);
    assert_text(value_get(value_at(bindings, 0), "exchange"), "a");
    assert_text(value_get(value_at(bindings, 2), "exchange"), "c");
}

static void what_cannot_be_is_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *json, *word;
    } rows[] = {
        {"[]", "must be a JSON object"},
        {"{", "must be a JSON object"},
        {"{\"q\": []}", "must be a JSON object of objects"},
        {"{\"q\": {\"exchnge\": \"x\"}}", "'exchnge' of the queue 'q'"},
        {"{\"q\": {\"exchange\": 5}}", "'exchange' of the queue 'q' must be text"},
        {"{\"q\": {\"durable\": \"yes\"}}", "'durable' of the queue 'q' must be true or false"},
        {"{\"q\": {\"expires\": -1}}", "must be a number"},
        {"{\"q\": {\"queue_arguments\": 1}}", "must be a JSON object"},
        {"{\"q\": {\"bindings\": {}}}", "must be a JSON array"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(describe(fixture, rows[i].json), -1);
        assert_non_null(strstr(fixture->error, rows[i].word));
    }
}

static void lines_that_cannot_be_are_named(void **state)
{
    struct fixture *fixture = *state;
    static const char *const lines[][3] = {{"q", "durable", "perhaps"}};
    assert_int_equal(describe_lines(fixture, lines, 1), -1);
    assert_non_null(strstr(fixture->error, "'durable' of the queue 'q' must be true or false"));
    assert_int_equal(describe(fixture, "{}"), -1); /* both ways at once */
    assert_non_null(strstr(fixture->error, "use one"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_not_said_is_as_in_celerys_dictionary),
        CASE(durable_and_auto_delete_are_of_queue_and_exchange),
        CASE(limits_become_arguments_and_the_nearest_one_wins),
        CASE(a_broadcast_queue_has_a_name_of_its_own),
        CASE(sections_say_the_same),
        CASE(what_cannot_be_is_named),
        CASE(lines_that_cannot_be_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
