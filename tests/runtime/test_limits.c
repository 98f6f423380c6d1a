/* SPDX-License-Identifier: BSD-3-Clause */
/* The soft time limit: which signals count, and that a sleep misses none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/runtime/native/limits.h"

enum { JOB = 7 };

static bool signal_before_ppoll;

static void send_limit(int value)
{
    assert_int_equal(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = value}), 0);
}

int __real_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);

/* The worst moment for the signal: the flag has been looked at, and the sleep has not begun. */
int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
    if (signal_before_ppoll)
        send_limit(JOB);
    signal_before_ppoll = false;
    return __real_ppoll(fds, count, timeout, mask);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int set_up(void **state)
{
    (void)state;
    limits_install();
    limits_begin(JOB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    limits_end();
    return 0;
}

static void counts_the_signal_of_the_job_that_runs(void **state)
{
    (void)state;
    assert_false(limits_reached());
    send_limit(JOB);
    assert_true(limits_reached());
}

static void ignores_every_other_signal(void **state)
{
    (void)state;
    send_limit(JOB + 1);
    send_limit(-1);
    send_limit(0);
    kill(getpid(), SIGUSR1);
    raise(SIGUSR1);
    assert_false(limits_reached());
    limits_end();
    send_limit(JOB);
    send_limit(-1);
    assert_false(limits_reached());
}

static void plain_kill_does_not_count_for_job_0(void **state)
{
    (void)state;
    limits_begin(0);
    kill(getpid(), SIGUSR1);
    assert_false(limits_reached());
    send_limit(0);
    assert_true(limits_reached());
}

static void next_job_starts_without_the_limit_of_the_last(void **state)
{
    (void)state;
    send_limit(JOB);
    limits_end();
    limits_begin(JOB + 1);
    assert_false(limits_reached());
}

static void compares_the_low_31_bits(void **state)
{
    (void)state;
    limits_begin(UINT64_C(0x580000009));
    send_limit(9);
    assert_true(limits_reached());
}

static void sleeps_as_long_as_it_is_told(void **state)
{
    double start = seconds_now();
    (void)state;
    assert_true(limits_sleep(0.05));
    assert_true(seconds_now() - start >= 0.05);
    assert_true(limits_sleep(0));
    assert_true(limits_sleep(-5));
    assert_true(limits_sleep(0.0 / 0.0));
    assert_true(seconds_now() - start < 5);
}

static void sleep_does_not_begin_after_the_limit(void **state)
{
    double start = seconds_now();
    (void)state;
    send_limit(JOB);
    assert_false(limits_sleep(1e300));
    assert_false(limits_sleep(0));
    assert_true(seconds_now() - start < 5);
}

static void signal_just_before_the_sleep_is_not_missed(void **state)
{
    double start = seconds_now();
    (void)state;
    signal_before_ppoll = true;
    assert_false(limits_sleep(20));
    assert_true(seconds_now() - start < 10);
}

static void sleep_leaves_the_signal_mask_as_it_was(void **state)
{
    sigset_t mask;
    (void)state;
    limits_sleep(0.01);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_the_signal_of_the_job_that_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ignores_every_other_signal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_kill_does_not_count_for_job_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(next_job_starts_without_the_limit_of_the_last, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(compares_the_low_31_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sleeps_as_long_as_it_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sleep_does_not_begin_after_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signal_just_before_the_sleep_is_not_missed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sleep_leaves_the_signal_mask_as_it_was, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
