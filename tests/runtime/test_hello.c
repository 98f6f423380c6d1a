/* SPDX-License-Identifier: BSD-3-Clause */
/* What the forkserver tells about the tasks of its library. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/runtime/native/hello.h"

static const struct library *library_of(struct library_task *tasks, size_t count,
                                        struct library *ret)
{
    *ret = (struct library){.tasks = tasks, .count = count};
    return ret;
}

static void describe(const struct library *library, msgpack_zone *zone, msgpack_object *ret)
{
    static struct buffer packed;
    size_t offset = 0;
    buffer_done(&packed);
    buffer_init(&packed, 4096);
    assert_true(hello_describe(library, &packed));
    assert_int_equal(msgpack_unpack((const char *)packed.data, packed.size, &offset, zone, ret),
                     MSGPACK_UNPACK_SUCCESS);
}

static void announces_only_what_a_task_sets_itself(void **state)
{
    struct library_task tasks[] = {
        {.definition = {.name = "plain"}},
        {.definition = {.name = "full",
                        .acks_late = CELERIAC_NO,
                        .reject_on_worker_lost = CELERIAC_YES,
                        .ignore_result = CELERIAC_YES,
                        .time_limit = 10,
                        .soft_time_limit = 1.5,
                        .max_retries = 7,
                        .rate_limit = "5/m"}},
    };
    struct library library;
    msgpack_zone zone;
    msgpack_object description;
    (void)state;
    assert_true(msgpack_zone_init(&zone, 1024));
    describe(library_of(tasks, ARRAY_LEN(tasks), &library), &zone, &description);
    struct text runtime;
    assert_true(value_as_text(value_get(&description, "runtime"), &runtime));
    assert_true(text_equal(runtime, "native"));
    assert_int_equal(value_get(&description, "settings")->via.map.size, 0);
    bool records;
    assert_true(value_as_bool(value_get(&description, "records"), &records) && records);
    assert_null(value_get(&description, "backend"));
    const msgpack_object *announced = value_get(&description, "tasks");
    assert_int_equal(announced->via.map.size, 2);
    assert_int_equal(value_get(announced, "plain")->via.map.size, 0);
    const msgpack_object *full = value_get(announced, "full");
    bool late, reject, ignore;
    double hard, soft;
    int64_t retries;
    assert_int_equal(full->via.map.size, 7);
    assert_true(value_as_bool(value_get(full, "acks_late"), &late) && !late);
    assert_true(value_as_bool(value_get(full, "reject_on_worker_lost"), &reject) && reject);
    assert_true(value_as_bool(value_get(full, "ignore_result"), &ignore) && ignore);
    assert_true(value_as_double(value_get(full, "time_limit"), &hard) && hard == 10);
    assert_true(value_as_double(value_get(full, "soft_time_limit"), &soft) && soft == 1.5);
    assert_true(value_as_int(value_get(full, "max_retries"), &retries) && retries == 7);
    struct text rate = {NULL, 0};
    assert_true(value_as_text(value_get(full, "rate_limit"), &rate) && text_equal(rate, "5/m"));
    msgpack_zone_destroy(&zone);
}

static void retries_can_be_none_and_without_end(void **state)
{
    struct library_task tasks[] = {
        {.definition = {.name = "none", .max_retries = CELERIAC_RETRIES_NONE}},
        {.definition = {.name = "unlimited", .max_retries = CELERIAC_RETRIES_UNLIMITED}},
    };
    struct library library;
    msgpack_zone zone;
    msgpack_object description;
    int64_t retries;
    (void)state;
    assert_true(msgpack_zone_init(&zone, 1024));
    describe(library_of(tasks, ARRAY_LEN(tasks), &library), &zone, &description);
    const msgpack_object *announced = value_get(&description, "tasks");
    assert_true(value_as_int(value_get(value_get(announced, "none"), "max_retries"), &retries));
    assert_int_equal(retries, 0);
    const msgpack_object *unlimited = value_get(value_get(announced, "unlimited"), "max_retries");
    assert_non_null(unlimited);
    assert_true(value_is_nil(unlimited));
    msgpack_zone_destroy(&zone);
}

static void says_when_there_is_no_room(void **state)
{
    struct library_task tasks[] = {{.definition = {.name = "a.task.with.a.name"}}};
    struct library library;
    struct buffer packed;
    (void)state;
    buffer_init(&packed, 40);
    assert_false(hello_describe(library_of(tasks, 1, &library), &packed));
    buffer_done(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announces_only_what_a_task_sets_itself),
        cmocka_unit_test(retries_can_be_none_and_without_end),
        cmocka_unit_test(says_when_there_is_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
