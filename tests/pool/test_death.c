/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of jobs whose child dies, in every way that a child can die. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/harness.h"

/* A wait status as of waitpid. */
#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)
enum { ANY = -1 };

/* How a child may fail in the middle of a job, and what is known afterwards. */
static const struct failure {
    const char *body;
    int status;
    const char *notice;
} failures[] = {
    {"exit 0", EXITED(0), "exited with 'exitcode 0'"},
    {"exit 3", EXITED(3), "exited with 'exitcode 3'"},
    {"raise 6", KILLED(SIGABRT), "exited with 'signal 6 (SIGABRT)'"},
    {"raise 11", KILLED(SIGSEGV), "exited with 'signal 11 (SIGSEGV)'"},
    {"raise 9", KILLED(SIGKILL), "exited with 'signal 9 (SIGKILL)', its memory peaked at"},
    {"partial", EXITED(0), "exited with 'exitcode 0'"},
    {"error out of luck", EXITED(1), "gave up: out of luck"},
    {"close", KILLED(SIGKILL), "exited with"},
    {"garbage", KILLED(SIGKILL), "broke the protocol"},
    {"flood", ANY, "broke the protocol"},
    {"huge", KILLED(SIGKILL), "4294967295 bytes is too long"},
    {"ready-again", KILLED(SIGKILL), "READY came twice"},
    {"spawn-frame", KILLED(SIGKILL), "SPAWN is no frame of a child"},
    {"wrong-job", KILLED(SIGKILL), "does not run job"},
};

static void a_child_that_fails_costs_its_job_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct harness *harness = harness_new(NULL);
        harness_start_ready(harness);
        struct run *bystander = harness_start_job(harness, "sleep 0.1");
        struct run *run = harness_submit(harness, failures[i].body);
        struct run *next = harness_submit(harness, "ok");
        harness_until_all_ended(harness);
        print_message("%s\n", failures[i].body);
        assert_int_equal(run->ending.verdict, POOL_LOST);
        assert_true(run->ending.started);
        assert_true(run->ending.has_status);
        if (failures[i].status != ANY)
            assert_int_equal(run->ending.wait_status & ~0x80, failures[i].status);
        assert_true(harness_noticed(harness, failures[i].notice));
        assert_int_equal(bystander->ending.verdict, POOL_DONE);
        assert_int_equal(next->ending.verdict, POOL_DONE);
        harness_until_ready(harness, 2);
        assert_int_equal(harness_stats(harness).lost, 1);
        assert_int_equal(harness_stats(harness).spawned, 3);
        harness_free(harness);
    }
}

static void a_result_that_was_sent_counts(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    for (int i = 0; i < 20; i++)
        harness_submit(harness, "result-then-die");
    harness_until_all_ended(harness);
    for (int i = 0; i < 20; i++)
        assert_int_equal(harness->runs[i].ending.verdict, POOL_DONE);
    harness_free(harness);
}

static void a_second_result_is_a_breach(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "two-results");
    harness_until_notice(harness, "broke the protocol");
    assert_int_equal(run->ending.verdict, POOL_DONE);
    harness_until_ready(harness, 2);
    harness_free(harness);
}

static void what_a_task_left_behind_does_not_delay_the_verdict(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "holder 3");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_int_equal(run->ending.wait_status, EXITED(5));
    assert_true(run->ending.runtime < 1);
    harness_until_ready(harness, 2);
    /* the one that is left is ours when the forkserver has gone */
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
    harness_free(harness);
}

static void an_idle_child_that_is_killed_is_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    pid_t pid = harness_child(harness);
    kill(pid, SIGKILL);
    harness_until_spawned(harness, 3);
    harness_until_ready(harness, 2);
    harness_until_notice(harness, "signal 9 (SIGKILL)");
    assert_int_equal(harness_stats(harness).lost, 0);
    assert_int_equal(harness_stats(harness).failures, 0);
    harness_free(harness);
}

/* --- jobs that did not begin --- */

static void a_job_that_was_not_read_runs_on_the_replacement(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t pid = harness_child(harness);
    kill(pid, SIGSTOP);
    struct run *run = harness_submit(harness, "ok");
    assert_int_equal(harness_stats(harness).busy, 1);
    kill(pid, SIGKILL);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_not_equal(run->ending.pid, pid);
    harness_free(harness);
}

static void a_job_that_was_partly_written_runs_on_the_replacement(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    char *body = calloc(1, SIZE);
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t pid = harness_child(harness);
    kill(pid, SIGSTOP);
    struct run *run = harness_run(harness, "");
    struct run *behind = harness_run(harness, "ok");
    run->job.body = (struct bytes){body, SIZE};
    pool_submit(harness->pool, &run->job);
    pool_submit(harness->pool, &behind->job);
    harness_for(harness, 0.05);
    kill(pid, SIGKILL);
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(run->document_size, SIZE);
    assert_true(run->order < behind->order);
    assert_int_equal(behind->ending.verdict, POOL_DONE);
    harness_free(harness);
    free(body);
}

static void a_job_that_never_begins_goes_back_three_times(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *run = harness_run(harness, "no-start die");
    run->job.want_started = true;
    pool_submit(harness->pool, &run->job);
    struct run *behind = harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_false(run->ending.started);
    assert_int_equal(run->started, 0);
    assert_int_equal(run->ending.wait_status, EXITED(3));
    assert_int_equal(behind->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).spawned, 5);
    assert_int_equal(behind->ending.pid, harness_child(harness)); /* none of its four */
    assert_int_equal(harness_stats(harness).failures, 0);
    harness_free(harness);
}

/* PROTOCOL.md: who knows what a child does that breaks the protocol. */
static void a_breach_before_started_does_not_count_as_not_begun(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_run(harness, "no-start junk");
    run->job.want_started = true;
    pool_submit(harness->pool, &run->job);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_true(run->ending.started);
    harness_free(harness);
}

static void a_job_that_began_is_not_run_again(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "hang");
    kill(run->started_pid, SIGKILL);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_true(run->ending.started);
    assert_int_equal(run->started, 1);
    harness_free(harness);
}

static void a_stop_returns_a_job_that_did_not_begin(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    kill(harness_child(harness), SIGSTOP);
    struct run *run = harness_submit(harness, "ok");
    pool_terminate(harness->pool);
    harness_until_stopped(harness);
    assert_int_equal(run->ending.verdict, POOL_RETURNED);
    assert_false(run->ending.started);
    harness_free(harness);
}

/* --- speed --- */

static void a_dead_child_is_replaced_within_milliseconds(void **state)
{
    (void)state;
    enum { ROUNDS = 21 };
    double delays[ROUNDS];
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = harness_child(harness);
        double begin = harness_now();
        kill(pid, SIGKILL);
        harness_until_spawned(harness, (uint64_t)i + 2);
        harness_until_ready(harness, 1);
        delays[i] = harness_now() - begin;
    }
    for (int i = 0; i < ROUNDS; i++) /* insertion sort, for the median */
        for (int j = i; j > 0 && delays[j] < delays[j - 1]; j--) {
            double delay = delays[j];
            delays[j] = delays[j - 1];
            delays[j - 1] = delay;
        }
    print_message("replaced in %.1f ms (median), %.1f ms (slowest)\n", delays[ROUNDS / 2] * 1000,
                  delays[ROUNDS - 1] * 1000);
    assert_true(delays[ROUNDS / 2] < 0.2); /* a loaded machine and a sanitizer's fork included */
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_fails_costs_its_job_and_nothing_else),
        cmocka_unit_test(a_result_that_was_sent_counts),
        cmocka_unit_test(a_second_result_is_a_breach),
        cmocka_unit_test(what_a_task_left_behind_does_not_delay_the_verdict),
        cmocka_unit_test(an_idle_child_that_is_killed_is_replaced),
        cmocka_unit_test(a_job_that_was_not_read_runs_on_the_replacement),
        cmocka_unit_test(a_job_that_was_partly_written_runs_on_the_replacement),
        cmocka_unit_test(a_job_that_never_begins_goes_back_three_times),
        cmocka_unit_test(a_breach_before_started_does_not_count_as_not_begun),
        cmocka_unit_test(a_job_that_began_is_not_run_again),
        cmocka_unit_test(a_stop_returns_a_job_that_did_not_begin),
        cmocka_unit_test(a_dead_child_is_replaced_within_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
