/* SPDX-License-Identifier: BSD-3-Clause */
/* The straight path: jobs in, results out, in which order, and what children inherit. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pool/harness.h"

static void runs_a_job_and_hands_its_result_back(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "ok 42");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_string_equal(run->state, "SUCCESS");
    assert_string_equal(run->document, "ok 42");
    assert_true(run->ending.started);
    assert_true(run->ending.pid > 1);
    assert_in_range(run->ending.slot, 1, 2);
    assert_int_equal(run->started, 0);
    assert_true(run->ending.runtime > 0 && run->ending.runtime < 5);
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
}

static void runs_jobs_that_came_before_the_children(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start(harness);
    for (int i = 0; i < 10; i++)
        harness_submit(harness, "ok");
    assert_int_equal(harness_stats(harness).queued, 10);
    harness_until_all_ended(harness);
    assert_int_equal(harness_stats(harness).done, 10);
    harness_free(harness);
}

static void runs_jobs_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    for (int i = 0; i < 100; i++)
        harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(harness->runs[i].order, i);
    harness_free(harness);
}

static void gives_a_short_job_to_the_idle_child_not_behind_a_long_one(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *slow = harness_submit(harness, "sleep 0.5");
    for (int i = 0; i < 50; i++)
        harness_submit(harness, "ok");
    harness_until_ended(harness, slow);
    assert_int_equal(slow->order, 50);
    harness_free(harness);
}

static void asks_before_it_dispatches(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    harness->refuse_dispatch = true;
    struct run *refused = harness_submit(harness, "ok");
    assert_int_equal(harness_stats(harness).queued, 0);
    assert_false(pool_withdraw(harness->pool, &refused->job));
    harness->refuse_dispatch = false;
    harness_until_ended(harness, harness_submit(harness, "ok"));
    assert_int_equal(refused->ended, 0);
    harness_free(harness);
}

static void withdraws_queued_jobs_and_no_others(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    struct run *running = harness_submit(harness, "sleep 0.1");
    struct run *queued = harness_submit(harness, "ok");
    struct run *last = harness_submit(harness, "ok");
    assert_false(pool_withdraw(harness->pool, &running->job));
    assert_true(pool_withdraw(harness->pool, &queued->job));
    assert_false(pool_withdraw(harness->pool, &queued->job));
    harness_until_ended(harness, last);
    assert_int_equal(running->ended, 1);
    assert_int_equal(queued->ended, 0);
    assert_false(pool_withdraw(harness->pool, &last->job));
    harness_free(harness);
}

static void holds_jobs_while_it_is_paused(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *running = harness_submit(harness, "sleep 0.05");
    pool_pause(harness->pool);
    struct run *held = harness_submit(harness, "ok");
    harness_until_ended(harness, running);
    assert_int_equal(harness_stats(harness).queued, 1);
    assert_int_equal(harness_stats(harness).busy, 0);
    pool_resume(harness->pool);
    assert_int_equal(harness_stats(harness).busy, 1);
    harness_until_ended(harness, held);
    harness_free(harness);
}

static void tells_when_a_job_has_started_if_asked_to(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_run(harness, "sleep 0.05");
    run->job.want_started = true;
    pool_submit(harness->pool, &run->job);
    harness_until_started(harness, run);
    assert_int_equal(run->ended, 0);
    harness_until_ended(harness, run);
    assert_int_equal(run->started, 1);
    assert_int_equal(run->started_pid, run->ending.pid);
    harness_free(harness);
}

/* Around the size that is copied, larger than a socket takes at once, and larger than what is kept.
 */
static void carries_bodies_of_every_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 16384, 16385, 65536, 300000, 8 << 20, 1};
    enum { LARGEST = 8 << 20 };
    char *body = malloc(LARGEST);
    for (size_t i = 0; i < LARGEST; i++)
        body[i] = (char)(i * 7 % 251);
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct run *run = harness_run(harness, "");
        run->job.body = (struct bytes){body, sizes[i]};
        run->expect = body;
        pool_submit(harness->pool, &run->job);
    }
    harness_until_all_ended(harness);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(harness->runs[i].ending.verdict, POOL_DONE);
        assert_int_equal(harness->runs[i].document_size, sizes[i]);
        assert_true(harness->runs[i].as_expected);
    }
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
    free(body);
}

static void refuses_a_job_that_no_frame_can_carry(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_run(harness, "");
    run->job.body.size = (size_t)137 << 20; /* never read */
    pool_submit(harness->pool, &run->job);
    assert_int_equal(run->ended, 0);
    struct run *next = harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_false(run->ending.started);
    assert_int_equal(run->ending.pid, 0);
    assert_int_equal(next->ending.verdict, POOL_DONE);
    assert_true(harness_noticed(harness, "larger than a frame"));
    harness_free(harness);
}

static void never_runs_two_suspects_at_once_and_lets_others_pass(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *suspects[3];
    for (int i = 0; i < 3; i++) {
        suspects[i] = harness_run(harness, "sleep 0.1");
        suspects[i]->job.suspect = true;
        suspects[i]->job.want_started = true;
        pool_submit(harness->pool, &suspects[i]->job);
    }
    struct run *other = harness_submit(harness, "ok");
    assert_int_equal(harness_stats(harness).busy, 2);
    harness_until_all_ended(harness);
    assert_int_equal(other->order, 0);
    assert_true(suspects[1]->started_at >= suspects[0]->ended_at);
    assert_true(suspects[2]->started_at >= suspects[1]->ended_at);
    harness_free(harness);
}

static void resubmit(struct harness *harness, struct run *run)
{
    (void)run;
    if (harness->run_count < 1000)
        harness_submit(harness, "ok");
}

static void lets_callbacks_submit(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->on_ended = resubmit;
    harness_start_ready(harness);
    harness_submit(harness, "ok");
    harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    assert_int_equal(harness_stats(harness).done, 1000);
    assert_int_equal(harness_stats(harness).spawned, 2);
    harness_free(harness);
}

/* --- what children inherit --- */

static void children_inherit_no_descriptors_but_their_own(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    int ours[2];
    assert_int_equal(pipe(ours), 0); /* not close-on-exec */
    harness->config.concurrency = 4;
    harness_start_ready(harness);
    for (int i = 0; i < 4; i++)
        harness_submit(harness, "descriptors");
    harness_until_all_ended(harness);
    for (int i = 0; i < 4; i++) {
        int count = 0;
        for (char *part = strtok(harness->runs[i].document, " "); part != NULL;
             part = strtok(NULL, " "))
            count++;
        assert_int_equal(count, 4); /* three standard ones and the socket */
    }
    close(ours[0]);
    close(ours[1]);
    harness_free(harness);
}

static void the_forkserver_inherits_no_ignored_or_blocked_signals(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "inherited");
    struct run *dead = harness_submit(harness, "exit 3");
    harness_until_all_ended(harness);
    assert_string_equal(run->document, "");
    assert_true(dead->ending.has_status);
    harness_free(harness);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void figures_are_right(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    pid_t pids[2] = {0, 0};
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "pid");
    harness_until_ended(harness, run);
    struct pool_stats stats = harness_stats(harness);
    assert_int_equal(stats.submitted, 1);
    assert_int_equal(stats.done, 1);
    assert_int_equal(stats.lost, 0);
    assert_int_equal(stats.spawned, 2);
    assert_int_equal(stats.forkservers, 1);
    assert_int_equal(stats.failures, 0);
    assert_int_equal(pool_get_pids(harness->pool, pids, 2), 2);
    assert_true(pids[0] == run->ending.pid || pids[1] == run->ending.pid);
    assert_int_equal(pool_get_pids(harness->pool, NULL, 0), 2);
    assert_int_equal(strtol(run->document, NULL, 10), run->ending.pid);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_a_job_and_hands_its_result_back),
        cmocka_unit_test(runs_jobs_that_came_before_the_children),
        cmocka_unit_test(runs_jobs_in_the_order_in_which_they_came),
        cmocka_unit_test(gives_a_short_job_to_the_idle_child_not_behind_a_long_one),
        cmocka_unit_test(asks_before_it_dispatches),
        cmocka_unit_test(withdraws_queued_jobs_and_no_others),
        cmocka_unit_test(holds_jobs_while_it_is_paused),
        cmocka_unit_test(tells_when_a_job_has_started_if_asked_to),
        cmocka_unit_test(carries_bodies_of_every_size),
        cmocka_unit_test(refuses_a_job_that_no_frame_can_carry),
        cmocka_unit_test(never_runs_two_suspects_at_once_and_lets_others_pass),
        cmocka_unit_test(lets_callbacks_submit),
        cmocka_unit_test(children_inherit_no_descriptors_but_their_own),
        cmocka_unit_test(the_forkserver_inherits_no_ignored_or_blocked_signals),
        cmocka_unit_test(figures_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
