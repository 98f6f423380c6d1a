/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/consumer/loss.h"

static void decides_by_queue_count_and_task(void **state)
{
    (void)state;
    static const struct {
        struct loss_facts facts;
        enum loss_action action;
    } cases[] = {
        {{true, true, 0, 3}, LOSS_REPUBLISH}, {{true, true, 1, 3}, LOSS_REPUBLISH},
        {{true, true, 2, 3}, LOSS_FAIL},      {{true, true, 9, 3}, LOSS_FAIL},
        {{true, true, 0, 1}, LOSS_FAIL},      {{true, false, 0, 3}, LOSS_FAIL_ACK},
        {{false, true, 0, 3}, LOSS_FAIL_ACK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(loss_decide(&cases[i].facts), cases[i].action);
}

static msgpack_object headers_with(msgpack_zone *zone, const char *key, int64_t value)
{
    msgpack_object headers;
    assert_true(value_map(zone, 1, &headers));
    value_map_put(&headers, key, value_int(value));
    return headers;
}

static int64_t count_with(msgpack_zone *zone, const char *key, int64_t value)
{
    msgpack_object headers = headers_with(zone, key, value);
    return loss_count(&headers);
}

static bool suspect_with(msgpack_zone *zone, const char *key, int64_t value, unsigned max_losses)
{
    msgpack_object headers = headers_with(zone, key, value);
    return loss_suspect(&headers, max_losses);
}

static void a_high_count_of_either_kind_is_suspicion(void **state)
{
    (void)state;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    assert_true(suspect_with(&zone, "x-worker-lost-count", 2, 3));
    assert_false(suspect_with(&zone, "x-worker-lost-count", 1, 3));
    assert_true(suspect_with(&zone, "x-delivery-count", 2, 3));
    assert_false(suspect_with(&zone, "x-delivery-count", 1, 3));
    assert_false(suspect_with(&zone, "x-delivery-count", 0, 1)); /* every run would be the last */
    msgpack_zone_destroy(&zone);
}

static void only_losses_while_it_ran_are_counted(void **state)
{
    (void)state;
    msgpack_zone zone;
    assert_true(msgpack_zone_init(&zone, 1024));
    assert_int_equal(count_with(&zone, "x-delivery-count", 4), 0);
    assert_int_equal(count_with(&zone, "x-worker-lost-count", 2), 2);
    assert_int_equal(count_with(&zone, "x-worker-lost-count", -7), 0);
    assert_int_equal(count_with(&zone, "something", 5), 0);
    assert_int_equal(loss_count(NULL), 0);
    msgpack_zone_destroy(&zone);
}

static void describes_the_end_as_billiard_does(void **state)
{
    (void)state;
    char text[LOSS_TEXT_SIZE];
    loss_describe(true, 9, 5, text);
    assert_string_equal(text, "Worker exited prematurely: signal 9 (SIGKILL) Job: 5.");
    loss_describe(true, 3 << 8, 12, text);
    assert_string_equal(text, "Worker exited prematurely: exitcode 3 Job: 12.");
    loss_describe(false, 0, 1, text);
    assert_string_equal(text, "Worker exited prematurely: unknown status Job: 1.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_by_queue_count_and_task),
        cmocka_unit_test(only_losses_while_it_ran_are_counted),
        cmocka_unit_test(a_high_count_of_either_kind_is_suspicion),
        cmocka_unit_test(describes_the_end_as_billiard_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
