/* SPDX-License-Identifier: BSD-3-Clause */
/* Time limits, and kills that are aimed at one job. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pool/harness.h"

static struct run *submit_limited(struct harness *harness, const char *body, double soft,
                                  double hard)
{
    struct run *run = harness_run(harness, body);
    run->job.soft_limit = soft;
    run->job.hard_limit = hard;
    pool_submit(harness->pool, &run->job);
    return run;
}

static double lasted(const struct run *run)
{
    return run->ended_at - run->started_at;
}

static void the_soft_limit_reaches_the_task(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "soft", 0.2, 0);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_string_equal(run->document, "soft");
    assert_int_equal(run->soft_limits, 1);
    assert_true(lasted(run) >= 0.199);
    harness_free(harness);
}

static void the_hard_limit_kills(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "hang", 0, 0.2);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TIME_LIMIT);
    assert_true(run->ending.started);
    assert_int_equal(run->ending.wait_status, SIGKILL);
    assert_true(lasted(run) >= 0.199 && lasted(run) < 1);
    assert_int_equal(run->soft_limits, 0);
    harness_until_ready(harness, 2);
    assert_int_equal(harness_stats(harness).timed_out, 1);
    assert_int_equal(harness_stats(harness).lost, 0);
    harness_free(harness);
}

static void the_hard_limit_follows_a_soft_one_that_is_ignored(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "hang", 0.1, 0.3);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TIME_LIMIT);
    assert_int_equal(run->soft_limits, 1);
    assert_true(lasted(run) >= 0.299);
    harness_free(harness);
}

static void a_hard_limit_below_the_soft_one_holds(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "hang", 5, 0.2);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TIME_LIMIT);
    assert_int_equal(run->soft_limits, 0);
    assert_true(lasted(run) < 2);
    harness_free(harness);
}

static void limits_do_not_run_while_a_job_waits(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    harness_submit(harness, "sleep 0.4");
    struct run *run = submit_limited(harness, "sleep 0.05", 0.2, 0.3);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(run->soft_limits, 0);
    harness_free(harness);
}

static void limits_end_with_their_job(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    submit_limited(harness, "ok", 0.1, 0.2);
    harness_submit(harness, "sleep 0.4");
    struct run *count = harness_submit(harness, "limits");
    harness_until_ended(harness, count);
    assert_string_equal(count->document, "0");
    assert_int_equal(harness->runs[1].ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).spawned, 1);
    harness_free(harness);
}

static void every_job_has_limits_of_its_own(void **state)
{
    (void)state;
    enum { JOBS = 40 };
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 4;
    harness_start_ready(harness);
    for (int i = 0; i < JOBS; i++)
        if (i % 2 == 0)
            submit_limited(harness, "hang", 0, 0.05 + i % 5 * 0.05);
        else
            submit_limited(harness, "sleep 0.02", 5, 6);
    harness_until_all_ended(harness);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(harness->runs[i].ending.verdict, i % 2 == 0 ? POOL_TIME_LIMIT : POOL_DONE);
    harness_free(harness);
}

static void a_result_that_lies_in_the_socket_beats_the_limit(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "sleep 0.1", 0, 0.2);
    harness_until_started(harness, run);
    usleep(400000); /* the loop stands still and finds the limit passed when it goes on */
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).spawned, 2);
    harness_free(harness);
}

static void a_child_that_does_not_take_up_its_job_is_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.start_timeout = 0.2;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "no-start hang", 0, 100);
    struct run *next = harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_false(run->ending.started);
    assert_int_equal(next->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).spawned, 5);
    assert_true(harness_noticed(harness, "did not take up its job within 0.2 s"));
    harness_free(harness);
}

static void a_child_that_does_not_read_is_replaced(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    char *body = calloc(1, SIZE);
    struct harness *harness = harness_new(NULL);
    harness->config.start_timeout = 0.3;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t pid = harness_child(harness);
    kill(pid, SIGSTOP);
    struct run *run = harness_run(harness, "");
    run->job.body = (struct bytes){body, SIZE};
    pool_submit(harness->pool, &run->job);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_not_equal(run->ending.pid, pid);
    harness_free(harness);
    free(body);
}

static void a_child_that_hangs_after_its_result_costs_no_other_job(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.start_timeout = 0.3;
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *first = harness_submit(harness, "result-then-hang");
    struct run *second = submit_limited(harness, "ok", 0, 10);
    harness_until_all_ended(harness);
    assert_int_equal(first->ending.verdict, POOL_DONE);
    assert_int_equal(second->ending.verdict, POOL_DONE);
    assert_int_not_equal(first->ending.pid, second->ending.pid);
    harness_free(harness);
}

/* --- kills --- */

static void a_kill_ends_exactly_its_job(void **state)
{
    (void)state;
    static const int signals[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGQUIT};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        struct harness *harness = harness_new(NULL);
        harness_start_ready(harness);
        struct run *victim = harness_start_job(harness, "hang");
        struct run *other = harness_start_job(harness, "sleep 0.2");
        assert_true(pool_kill_job(harness->pool, &victim->job, signals[i]));
        assert_int_equal(victim->ended, 0);
        harness_until_ended(harness, victim);
        assert_int_equal(victim->ending.verdict, POOL_TERMINATED);
        assert_int_equal(victim->ending.signal, signals[i]);
        assert_true(victim->ending.runtime < 1);
        harness_until_ended(harness, other);
        assert_int_equal(other->ending.verdict, POOL_DONE);
        assert_int_equal(harness->errors, signals[i] == SIGUSR2 || signals[i] == SIGQUIT);
        harness_free(harness);
    }
}

static void a_signal_that_is_ignored_is_followed_by_sigkill(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.kill_timeout = 0.3;
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "hang");
    assert_true(pool_kill_job(harness->pool, &run->job, SIGWINCH));
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TERMINATED);
    assert_int_equal(run->ending.signal, SIGWINCH);
    assert_int_equal(run->ending.wait_status, SIGKILL);
    assert_true(run->ending.runtime >= 0.299);
    harness_free(harness);
}

static void the_hard_limit_does_not_wait_for_a_kill(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.kill_timeout = 5;
    harness_start_ready(harness);
    struct run *run = submit_limited(harness, "hang", 0, 0.3);
    harness_until_started(harness, run);
    assert_true(pool_kill_job(harness->pool, &run->job, SIGWINCH));
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TERMINATED);
    assert_true(lasted(run) < 2);
    harness_free(harness);
}

static void a_job_that_survives_its_kill_is_done_but_its_child_is_not_kept(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "sleep 0.1");
    struct run *next = harness_submit(harness, "ok");
    assert_true(pool_kill_job(harness->pool, &run->job, SIGWINCH));
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(next->ending.verdict, POOL_DONE);
    assert_int_not_equal(run->ending.pid, next->ending.pid);
    harness_free(harness);
}

static void a_signal_is_only_delivered(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "soft"); /* waits for SIGUSR1 with its number */
    assert_true(pool_signal_job(harness->pool, &run->job, SIGWINCH));
    assert_true(pool_signal_job(harness->pool, &run->job, SIGUSR1));
    struct run *next = harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(run->soft_limits, 0); /* it was not the pool's */
    assert_int_equal(next->ending.pid, run->ending.pid);
    assert_int_equal(harness_stats(harness).spawned, 1);
    harness_free(harness);
}

static void a_job_that_dies_of_a_signal_is_terminated(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "hang");
    struct run *next = harness_submit(harness, "ok");
    assert_true(pool_signal_job(harness->pool, &run->job, SIGUSR2));
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_TERMINATED);
    assert_int_equal(run->ending.signal, SIGUSR2);
    assert_int_equal(next->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).lost, 0);
    assert_false(pool_signal_job(harness->pool, &run->job, SIGUSR2));
    harness_free(harness);
}

static void a_kill_comes_too_late_for_a_job_that_has_ended(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *ended = harness_submit(harness, "ok");
    harness_until_ended(harness, ended);
    struct run *running = harness_start_job(harness, "sleep 0.1");
    struct run *queued = harness_submit(harness, "ok");
    assert_false(pool_kill_job(harness->pool, &ended->job, SIGKILL));
    assert_false(pool_kill_job(harness->pool, &queued->job, SIGKILL));
    harness_until_all_ended(harness);
    assert_int_equal(running->ending.verdict, POOL_DONE);
    assert_int_equal(queued->ending.verdict, POOL_DONE);
    harness_free(harness);
}

static void a_kill_reaches_a_job_that_has_not_begun(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    kill(harness_child(harness), SIGSTOP);
    struct run *run = harness_submit(harness, "ok");
    assert_true(pool_kill_job(harness->pool, &run->job, SIGTERM));
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TERMINATED);
    assert_false(run->ending.started);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_soft_limit_reaches_the_task),
        cmocka_unit_test(the_hard_limit_kills),
        cmocka_unit_test(the_hard_limit_follows_a_soft_one_that_is_ignored),
        cmocka_unit_test(a_hard_limit_below_the_soft_one_holds),
        cmocka_unit_test(limits_do_not_run_while_a_job_waits),
        cmocka_unit_test(limits_end_with_their_job),
        cmocka_unit_test(every_job_has_limits_of_its_own),
        cmocka_unit_test(a_result_that_lies_in_the_socket_beats_the_limit),
        cmocka_unit_test(a_child_that_does_not_take_up_its_job_is_replaced),
        cmocka_unit_test(a_child_that_does_not_read_is_replaced),
        cmocka_unit_test(a_child_that_hangs_after_its_result_costs_no_other_job),
        cmocka_unit_test(a_kill_ends_exactly_its_job),
        cmocka_unit_test(a_signal_that_is_ignored_is_followed_by_sigkill),
        cmocka_unit_test(the_hard_limit_does_not_wait_for_a_kill),
        cmocka_unit_test(a_job_that_survives_its_kill_is_done_but_its_child_is_not_kept),
        cmocka_unit_test(a_signal_is_only_delivered),
        cmocka_unit_test(a_job_that_dies_of_a_signal_is_terminated),
        cmocka_unit_test(a_kill_comes_too_late_for_a_job_that_has_ended),
        cmocka_unit_test(a_kill_reaches_a_job_that_has_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
