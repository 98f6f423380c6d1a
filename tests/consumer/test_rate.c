/* SPDX-License-Identifier: BSD-3-Clause */
/* The times are those that kombu's TokenBucket gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/consumer/rate.h"

static void a_fresh_bucket_lets_one_through(void **state)
{
    (void)state;
    struct rate_bucket bucket;
    rate_init(&bucket, 2, 100);
    assert_true(rate_take(&bucket, 100));
    assert_false(rate_take(&bucket, 100));
    assert_true(fabs(rate_wait(&bucket, 100) - 0.5) < 1e-9);
    assert_false(rate_take(&bucket, 100.4));
    assert_true(rate_take(&bucket, 100.5));
}

static void an_idle_bucket_lets_two_through(void **state)
{
    (void)state;
    struct rate_bucket bucket;
    rate_init(&bucket, 1, 100);
    assert_true(rate_take(&bucket, 200));
    assert_true(rate_take(&bucket, 200));
    assert_false(rate_take(&bucket, 200));
    assert_true(fabs(rate_wait(&bucket, 200.25) - 0.75) < 1e-9);
}

static void what_is_saved_is_one_token(void **state)
{
    (void)state;
    struct rate_bucket bucket;
    rate_init(&bucket, 10, 0);
    assert_true(rate_take(&bucket, 0));
    assert_true(rate_take(&bucket, 60)); /* looked at: full, its clock stands at 60 */
    assert_false(rate_take(&bucket, 60));
    assert_true(rate_take(&bucket, 60.1));
}

static void without_a_limit_all_pass(void **state)
{
    (void)state;
    struct rate_bucket bucket;
    rate_init(&bucket, 0, 5);
    for (int i = 0; i < 100; i++)
        assert_true(rate_take(&bucket, 5));
    assert_true(rate_wait(&bucket, 5) == 0);
}

static void a_slow_rate_is_waited_for(void **state)
{
    (void)state;
    struct rate_bucket bucket;
    rate_init(&bucket, 1.0 / 3600, 0);
    assert_true(rate_take(&bucket, 0));
    assert_true(fabs(rate_wait(&bucket, 1800) - 1800) < 1e-6);
    assert_false(rate_take(&bucket, 3599));
    assert_true(rate_take(&bucket, 3600.001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_bucket_lets_one_through),
        cmocka_unit_test(an_idle_bucket_lets_two_through),
        cmocka_unit_test(what_is_saved_is_one_token),
        cmocka_unit_test(without_a_limit_all_pass),
        cmocka_unit_test(a_slow_rate_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
