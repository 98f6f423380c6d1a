/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that are replaced on purpose: after so many tasks, with so much memory, or because they
 * say so. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pool/harness.h"

/* How many jobs each process had; the pids are the harness's. */
static unsigned most_jobs_of_a_process(const struct harness *harness, unsigned *ret_processes)
{
    unsigned most = 0, processes = 0;
    for (unsigned i = 0; i < harness->run_count; i++) {
        unsigned jobs = 0;
        bool first = true;
        for (unsigned j = 0; j < harness->run_count; j++) {
            bool same = harness->runs[j].ending.pid == harness->runs[i].ending.pid;
            jobs += same;
            first = first && !(same && j < i);
        }
        processes += first;
        most = jobs > most ? jobs : most;
    }
    *ret_processes = processes;
    return most;
}

static void assert_all_done(const struct harness *harness)
{
    for (unsigned i = 0; i < harness->run_count; i++)
        assert_int_equal(harness->runs[i].ending.verdict, POOL_DONE);
}

static void a_child_runs_so_many_tasks_and_leaves(void **state)
{
    (void)state;
    static const unsigned limits[] = {1, 3, 7};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        unsigned processes;
        struct harness *harness = harness_new(NULL);
        harness->config.max_tasks_per_child = limits[i];
        harness_start_ready(harness);
        for (int j = 0; j < 84; j++)
            harness_submit(harness, "ok");
        harness_until_all_ended(harness);
        assert_all_done(harness);
        assert_int_equal(most_jobs_of_a_process(harness, &processes), limits[i]);
        assert_in_range(processes, 84 / limits[i], 84 / limits[i] + 1);
        assert_int_equal(harness->errors, 0);
        assert_int_equal(harness_stats(harness).failures, 0);
        harness_free(harness);
    }
}

static void a_successor_is_ready_before_the_last_task_ends(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.max_tasks_per_child = 1;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *last = harness_start_job(harness, "sleep 0.3");
    harness_until_ready(harness, 2);
    struct run *next = harness_run(harness, "ok");
    next->job.want_started = true;
    pool_submit(harness->pool, &next->job);
    assert_int_equal(harness_stats(harness).queued, 1); /* the slot is taken */
    assert_int_equal(harness_stats(harness).busy, 1);
    harness_until_all_ended(harness);
    assert_true(next->started_at >= last->ended_at - 0.001);
    assert_true(next->started_at - last->ended_at < 0.1);
    assert_int_equal(next->ending.slot, last->ending.slot);
    harness_free(harness);
}

static void a_last_task_that_dies_frees_the_slot_for_the_successor(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.max_tasks_per_child = 1;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *last = harness_submit(harness, "exit 3");
    struct run *next = harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(last->ending.verdict, POOL_LOST);
    assert_int_equal(next->ending.verdict, POOL_DONE);
    harness_free(harness);
}

static void a_child_that_holds_too_much_memory_is_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.max_memory_per_child = 5000;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *small = harness_submit(harness, "rss 5000");
    struct run *large = harness_submit(harness, "rss 5001");
    struct run *next = harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_all_done(harness);
    assert_int_equal(small->ending.pid, large->ending.pid);
    assert_int_not_equal(next->ending.pid, large->ending.pid);
    assert_int_equal(harness_stats(harness).recycled, 1);
    assert_true(harness_noticed(harness, "holds 5001 KiB"));
    harness_free(harness);
}

static void a_memory_limit_below_a_fresh_child_is_reported_once_and_not_applied(void **state)
{
    (void)state;
    struct harness *harness = harness_new((const char *const[]){"rss", "9000", NULL});
    harness->config.max_memory_per_child = 9000;
    harness_start_ready(harness);
    for (int i = 0; i < 10; i++)
        harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(harness->errors, 1);
    assert_true(harness_noticed(harness, "the limit of 9000 KiB is too low"));
    assert_int_equal(harness_stats(harness).spawned, 2);
    harness_free(harness);
}

static void a_child_that_announces_its_leave_gets_no_more_jobs(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    for (int i = 0; i < 10; i++)
        harness_submit(harness, i % 2 == 0 ? "retire" : "ok");
    harness_until_all_ended(harness);
    assert_all_done(harness);
    assert_int_equal(harness_stats(harness).recycled, 5);
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
}

static void a_child_that_does_not_leave_is_killed(void **state)
{
    (void)state;
    struct harness *harness = harness_new((const char *const[]){"stay", NULL});
    harness->config.max_tasks_per_child = 1;
    harness->config.kill_timeout = 0.2;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    harness_until_ended(harness, harness_submit(harness, "ok"));
    harness_until_notice(harness, "did not leave within 0.2 s");
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_runs_so_many_tasks_and_leaves),
        cmocka_unit_test(a_successor_is_ready_before_the_last_task_ends),
        cmocka_unit_test(a_last_task_that_dies_frees_the_slot_for_the_successor),
        cmocka_unit_test(a_child_that_holds_too_much_memory_is_replaced),
        cmocka_unit_test(a_memory_limit_below_a_fresh_child_is_reported_once_and_not_applied),
        cmocka_unit_test(a_child_that_announces_its_leave_gets_no_more_jobs),
        cmocka_unit_test(a_child_that_does_not_leave_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
