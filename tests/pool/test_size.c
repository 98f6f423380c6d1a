/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools that grow and shrink, idle and at work. */

#include "tests/pool/harness.h"

static void grows(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    pool_grow(harness->pool, 3);
    harness_until_ready(harness, 5);
    for (int i = 0; i < 5; i++)
        harness_submit(harness, "sleep 0.1");
    assert_int_equal(harness_stats(harness).busy, 5);
    harness_until_all_ended(harness);
    assert_int_equal(harness_stats(harness).slots, 5);
    harness_free(harness);
}

static void shrinks_idle_slots_at_once(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 4;
    harness_start_ready(harness);
    struct run *busy = harness_submit(harness, "sleep 0.2");
    assert_true(pool_shrink(harness->pool, 3));
    harness_until_ready(harness, 1);
    assert_int_equal(busy->ended, 0);
    harness_until_ended(harness, busy);
    assert_int_equal(busy->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).slots, 1);
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
}

static void shrinks_busy_slots_when_their_job_has_ended(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    harness_submit(harness, "sleep 0.2");
    harness_submit(harness, "sleep 0.2");
    struct run *next = harness_submit(harness, "ok");
    assert_true(pool_shrink(harness->pool, 1));
    harness_until_all_ended(harness);
    for (int i = 0; i < 3; i++)
        assert_int_equal(harness->runs[i].ending.verdict, POOL_DONE);
    harness_until_ready(harness, 1);
    assert_true(next->ending.slot == 1);
    assert_int_equal(harness_stats(harness).spawned, 2);
    harness_free(harness);
}

static void does_not_shrink_to_nothing(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    assert_false(pool_shrink(harness->pool, 2));
    assert_int_equal(harness_stats(harness).ready, 2);
    harness_free(harness);
}

static void never_exceeds_its_size_when_it_shrinks_and_grows_at_work(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *first = harness_submit(harness, "sleep 0.3");
    struct run *second = harness_submit(harness, "sleep 0.3");
    assert_true(pool_shrink(harness->pool, 1));
    pool_grow(harness->pool, 1);
    struct run *third = harness_run(harness, "ok");
    third->job.want_started = true;
    pool_submit(harness->pool, &third->job);
    harness_until_all_ended(harness);
    double free_at = first->ended_at < second->ended_at ? first->ended_at : second->ended_at;
    assert_true(third->started_at >= free_at);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows),
        cmocka_unit_test(shrinks_idle_slots_at_once),
        cmocka_unit_test(shrinks_busy_slots_when_their_job_has_ended),
        cmocka_unit_test(does_not_shrink_to_nothing),
        cmocka_unit_test(never_exceeds_its_size_when_it_shrinks_and_grows_at_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
