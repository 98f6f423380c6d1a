/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "worker/consumer/appsignal.h"
#include "worker/consumer/registry.h"

static void read_description(msgpack_zone *zone, const char *json, struct registry *ret)
{
    msgpack_object description;
    assert_int_equal(json_decode((struct bytes){json, strlen(json)}, zone, &description, NULL), 0);
    assert_true(registry_init(ret, &description));
}

static const struct task *find(const struct registry *registry, const char *name)
{
    return registry_find(registry, (struct text){name, strlen(name)});
}

static void options_are_what_the_task_sets_and_unset_otherwise(void **state)
{
    (void)state;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    struct registry registry;
    read_description(&zone,
                     "{\"tasks\": {\"a\": {}, \"b\": {\"acks_late\": false, \"time_limit\": 1.5, "
                     "\"acks_on_failure_or_timeout\": false, "
                     "\"ignore_result\": true, \"soft_time_limit\": -1}}}",
                     &registry);
    assert_int_equal(registry.count, 2);
    assert_int_equal(find(&registry, "a")->acks_late, UNSET);
    assert_true(tristate_or(find(&registry, "a")->acks_late, true));
    assert_int_equal(find(&registry, "b")->acks_late, NO);
    assert_false(tristate_or(find(&registry, "b")->acks_late, true));
    assert_int_equal(find(&registry, "b")->ignore_result, YES);
    assert_int_equal(find(&registry, "a")->acks_on_failure_or_timeout, UNSET);
    assert_int_equal(find(&registry, "b")->acks_on_failure_or_timeout, NO);
    assert_true(find(&registry, "b")->time_limit == 1.5);
    assert_true(find(&registry, "b")->soft_time_limit == 0);
    registry_done(&registry);
    msgpack_zone_destroy(&zone);
}

static void finds_only_whole_names(void **state)
{
    (void)state;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    struct registry registry;
    read_description(&zone, "{\"tasks\": {\"example.add\": {}}}", &registry);
    assert_non_null(find(&registry, "example.add"));
    assert_null(find(&registry, "example.ad"));
    assert_null(find(&registry, "example.add2"));
    assert_null(find(&registry, ""));
    registry_done(&registry);
    msgpack_zone_destroy(&zone);
}

static void a_description_without_tasks_is_an_empty_registry(void **state)
{
    (void)state;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    struct registry registry;
    read_description(&zone, "{\"tasks\": 5}", &registry);
    assert_int_equal(registry.count, 0);
    assert_false(registry.records);
    assert_int_equal(registry.signals, 0);
    registry_done(&registry);
    msgpack_zone_destroy(&zone);
}

static void says_what_the_runtime_wants(void **state)
{
    (void)state;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    struct registry registry;
    read_description(&zone,
                     "{\"records\": true, "
                     "\"signals\": [\"task_unknown\", \"task_prerun\", 5, \"worker_ready\"]}",
                     &registry);
    assert_true(registry.records);
    assert_int_equal(registry.signals, 1U << APPSIGNAL_TASK_UNKNOWN | 1U << APPSIGNAL_WORKER_READY);
    registry_done(&registry);
    msgpack_zone_destroy(&zone);
}

static void signals_have_the_names_of_the_page(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum appsignal kind;
    } cases[] = {
        {"worker_ready", APPSIGNAL_WORKER_READY},
        {"worker_shutting_down", APPSIGNAL_WORKER_SHUTTING_DOWN},
        {"task_received", APPSIGNAL_TASK_RECEIVED},
        {"task_unknown", APPSIGNAL_TASK_UNKNOWN},
        {"task_rejected", APPSIGNAL_TASK_REJECTED},
        {"task_prerun", APPSIGNAL_COUNT},
        {"", APPSIGNAL_COUNT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct text name = {cases[i].name, strlen(cases[i].name)};
        assert_int_equal(appsignal_find(name), cases[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_what_the_task_sets_and_unset_otherwise),
        cmocka_unit_test(finds_only_whole_names),
        cmocka_unit_test(a_description_without_tasks_is_an_empty_registry),
        cmocka_unit_test(says_what_the_runtime_wants),
        cmocka_unit_test(signals_have_the_names_of_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
