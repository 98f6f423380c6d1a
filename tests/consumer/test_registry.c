/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
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
                     "\"ignore_result\": true, \"soft_time_limit\": -1}}}",
                     &registry);
    assert_int_equal(registry.count, 2);
    assert_int_equal(find(&registry, "a")->acks_late, UNSET);
    assert_true(tristate_or(find(&registry, "a")->acks_late, true));
    assert_int_equal(find(&registry, "b")->acks_late, NO);
    assert_false(tristate_or(find(&registry, "b")->acks_late, true));
    assert_int_equal(find(&registry, "b")->ignore_result, YES);
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
    registry_done(&registry);
    msgpack_zone_destroy(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_what_the_task_sets_and_unset_otherwise),
        cmocka_unit_test(finds_only_whole_names),
        cmocka_unit_test(a_description_without_tasks_is_an_empty_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
