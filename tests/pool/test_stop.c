/* SPDX-License-Identifier: BSD-3-Clause */
/* Warm and cold stops, at every point of a pool's life. */

#include <signal.h>
#include <unistd.h>

#include "tests/pool/harness.h"

static void leaves_when_running_jobs_have_ended(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    harness_submit(harness, "sleep 0.2");
    harness_submit(harness, "sleep 0.2");
    struct run *queued = harness_submit(harness, "ok");
    struct run *suspect = harness_run(harness, "ok");
    suspect->job.suspect = true;
    pool_submit(harness->pool, &suspect->job);
    pool_leave(harness->pool);
    assert_int_equal(suspect->ending.verdict, POOL_RETURNED);
    assert_int_equal(queued->ended, 1);
    assert_int_equal(queued->ending.verdict, POOL_RETURNED);
    assert_false(queued->ending.started);
    harness_until_stopped(harness);
    assert_int_equal(harness->runs[0].ending.verdict, POOL_DONE);
    assert_int_equal(harness->runs[1].ending.verdict, POOL_DONE);
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
}

static void terminates_running_jobs(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *first = harness_start_job(harness, "hang");
    struct run *second = harness_start_job(harness, "hang");
    struct run *queued = harness_submit(harness, "hang");
    double begin = harness_now();
    pool_terminate(harness->pool);
    assert_int_equal(queued->ending.verdict, POOL_RETURNED);
    harness_until_stopped(harness);
    assert_true(harness_now() - begin < 1);
    assert_int_equal(first->ending.verdict, POOL_TERMINATED);
    assert_int_equal(first->ending.signal, SIGKILL);
    assert_true(first->ending.started);
    assert_int_equal(second->ending.verdict, POOL_TERMINATED);
    harness_free(harness);
}

static void hands_back_results_that_were_sent_before_a_cold_stop(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "ok");
    usleep(200000); /* the loop does not run: the result waits in the socket */
    pool_terminate(harness->pool);
    harness_until_stopped(harness);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    harness_free(harness);
}

static void returns_jobs_that_come_after_the_stop(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *running = harness_submit(harness, "sleep 0.2");
    pool_leave(harness->pool);
    struct run *late = harness_submit(harness, "ok");
    assert_int_equal(late->ended, 0);
    harness_until_ended(harness, late);
    assert_int_equal(late->ending.verdict, POOL_RETURNED);
    assert_int_equal(running->ended, 0);
    harness_until_stopped(harness);
    harness_free(harness);
}

static void a_cold_stop_overtakes_a_warm_one(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "hang");
    pool_leave(harness->pool);
    pool_terminate(harness->pool);
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    assert_int_equal(run->ending.verdict, POOL_TERMINATED);
    harness_free(harness);
}

static void stops_while_children_are_starting(void **state)
{
    (void)state;
    for (int cold = 0; cold <= 1; cold++) {
        struct harness *harness = harness_new(NULL);
        harness->config.concurrency = 8;
        harness_start(harness);
        harness_until_spawned(harness, 8);
        (cold ? pool_terminate : pool_leave)(harness->pool);
        harness_until_stopped(harness);
        harness_free(harness);
    }
}

static void stops_while_the_app_is_loading(void **state)
{
    (void)state;
    for (int cold = 0; cold <= 1; cold++) {
        struct harness *harness = harness_new((const char *const[]){"no-hello", NULL});
        harness->config.kill_timeout = 0.2;
        harness_start(harness);
        struct run *run = harness_submit(harness, "ok");
        (cold ? pool_terminate : pool_leave)(harness->pool);
        harness_until_stopped(harness);
        assert_int_equal(run->ending.verdict, POOL_RETURNED);
        harness_free(harness);
    }
}

static void kills_who_does_not_leave(void **state)
{
    (void)state;
    struct harness *harness = harness_new((const char *const[]){"stay", "no-leave", NULL});
    harness->config.kill_timeout = 0.3;
    harness_start_ready(harness);
    double begin = harness_now();
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    assert_in_range((harness_now() - begin) * 1000, 600, 3000);
    assert_true(harness_noticed(harness, "did not leave within 0.3 s"));
    harness_free(harness);
}

static void may_be_stopped_before_it_was_started(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_create(harness);
    struct run *run = harness_submit(harness, "ok");
    pool_terminate(harness->pool);
    assert_int_equal(run->ending.verdict, POOL_RETURNED);
    assert_int_equal(harness->stopped, 1);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_when_running_jobs_have_ended),
        cmocka_unit_test(terminates_running_jobs),
        cmocka_unit_test(hands_back_results_that_were_sent_before_a_cold_stop),
        cmocka_unit_test(returns_jobs_that_come_after_the_stop),
        cmocka_unit_test(a_cold_stop_overtakes_a_warm_one),
        cmocka_unit_test(stops_while_children_are_starting),
        cmocka_unit_test(stops_while_the_app_is_loading),
        cmocka_unit_test(kills_who_does_not_leave),
        cmocka_unit_test(may_be_stopped_before_it_was_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
