/* SPDX-License-Identifier: BSD-3-Clause */
/* The straight path: jobs in, results out, order, pausing, sizes, stopping. */

#include <signal.h>
#include <stdio.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_a_job_and_hands_its_result_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
