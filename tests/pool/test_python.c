/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool with a runtime in another language, which was written from PROTOCOL.md alone. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/pool/harness.h"

static struct harness *start(void)
{
    struct harness *harness = harness_new((const char *const[]){SCRIPTED_PY, NULL});
    harness->argv[0] = "/usr/bin/python3";
    harness->config.load_timeout = harness->config.start_timeout = 30;
    harness_start_ready(harness);
    return harness;
}

static void it_runs_jobs(void **state)
{
    (void)state;
    struct harness *harness = start();
    for (int i = 0; i < 200; i++)
        harness_submit(harness, "echo hello");
    struct run *fields = harness_submit(harness, "fields");
    struct run *failing = harness_submit(harness, "nonsense");
    harness_until_all_ended(harness);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(harness->runs[i].ending.verdict, POOL_DONE);
        assert_string_equal(harness->runs[i].document, "hello");
    }
    assert_string_equal(fields->document, "{\"task\": \"t\"}");
    assert_string_equal(failing->state, "FAILURE");
    assert_int_equal(harness->errors, 0);
    harness_free(harness);
}

static void it_keeps_to_limits_and_reports_deaths(void **state)
{
    (void)state;
    struct harness *harness = start();
    struct run *soft = harness_run(harness, "soft");
    struct run *hard = harness_run(harness, "sleep 100");
    soft->job.soft_limit = 0.2;
    hard->job.hard_limit = 0.2;
    pool_submit(harness->pool, &soft->job);
    pool_submit(harness->pool, &hard->job);
    harness_until_all_ended(harness);
    assert_string_equal(soft->document, "soft");
    assert_int_equal(hard->ending.verdict, POOL_TIME_LIMIT);
    assert_int_equal(hard->ending.wait_status, SIGKILL);
    struct run *dead = harness_submit(harness, "exit 3");
    harness_until_ended(harness, dead);
    assert_int_equal(dead->ending.verdict, POOL_LOST);
    assert_int_equal(WEXITSTATUS(dead->ending.wait_status), 3);
    harness_until_ready(harness, 2);
    harness_free(harness);
}

static void its_children_outlive_its_forkserver_and_are_recycled(void **state)
{
    (void)state;
    struct harness *harness = harness_new((const char *const[]){SCRIPTED_PY, NULL});
    harness->argv[0] = "/usr/bin/python3";
    harness->config.load_timeout = harness->config.start_timeout = 30;
    harness->config.max_tasks_per_child = 2;
    harness->config.max_memory_per_child = 1000000;
    harness_start_ready(harness);
    struct run *running = harness_start_job(harness, "sleep 0.3");
    kill(harness_forkserver(), SIGKILL);
    harness_until_ended(harness, running);
    assert_int_equal(running->ending.verdict, POOL_DONE);
    for (int i = 0; i < 12; i++)
        harness_submit(harness, "echo x");
    harness_until_all_ended(harness);
    assert_true(harness_stats(harness).recycled >= 5);
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_jobs),
        cmocka_unit_test(it_keeps_to_limits_and_reports_deaths),
        cmocka_unit_test(its_children_outlive_its_forkserver_and_are_recycled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
