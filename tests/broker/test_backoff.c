/* SPDX-License-Identifier: BSD-3-Clause */
/* The schedule of reconnecting. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/backoff.h"

static void sleeps_longer_after_each_failure_up_to_30_seconds(void **state)
{
    static const int expected[] = {2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 30, 30};
    struct backoff backoff;
    (void)state;
    backoff_init(&backoff, 1, -1);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        double seconds = -1;
        assert_true(backoff_failed(&backoff, &seconds));
        assert_int_equal((int)seconds, expected[i]);
    }
}

static void tries_every_url_before_it_sleeps(void **state)
{
    static const struct {
        size_t next;
        int seconds;
    } expected[] = {{1, 0}, {2, 0}, {0, 2}, {1, 0}, {2, 0}, {0, 4}};
    struct backoff backoff;
    (void)state;
    backoff_init(&backoff, 3, -1);
    assert_int_equal(backoff.url, 0);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        double seconds = -1;
        assert_true(backoff_failed(&backoff, &seconds));
        assert_int_equal((int)seconds, expected[i].seconds);
        assert_int_equal(backoff.url, expected[i].next);
    }
}

static void gives_up_after_the_retries_on_all_urls_together(void **state)
{
    struct backoff backoff;
    double seconds = 0;
    (void)state;
    backoff_init(&backoff, 2, 3);
    assert_true(backoff_failed(&backoff, &seconds));
    assert_true(backoff_failed(&backoff, &seconds));
    assert_true(backoff_failed(&backoff, &seconds));
    assert_false(backoff_failed(&backoff, &seconds));
}

static void gives_up_at_once_without_retries(void **state)
{
    struct backoff backoff;
    double seconds = 0;
    (void)state;
    backoff_init(&backoff, 1, 0);
    assert_false(backoff_failed(&backoff, &seconds));
}

static void starts_over_after_a_success_with_the_same_url(void **state)
{
    struct backoff backoff;
    double seconds = 0;
    (void)state;
    backoff_init(&backoff, 2, 1);
    assert_true(backoff_failed(&backoff, &seconds));
    backoff_succeeded(&backoff);
    assert_int_equal(backoff.url, 1);
    assert_true(backoff_failed(&backoff, &seconds));
    assert_int_equal(backoff.url, 0);
    assert_int_equal((int)seconds, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeps_longer_after_each_failure_up_to_30_seconds),
        cmocka_unit_test(tries_every_url_before_it_sleeps),
        cmocka_unit_test(gives_up_after_the_retries_on_all_urls_together),
        cmocka_unit_test(gives_up_at_once_without_retries),
        cmocka_unit_test(starts_over_after_a_success_with_the_same_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
