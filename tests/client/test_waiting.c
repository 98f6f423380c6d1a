/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "client/waiting.h"

static bool never(const void *context)
{
    (void)context;
    return false;
}

static bool at_once(const void *context)
{
    (void)context;
    return true;
}

/* Writes where nobody reads, as a library does whose server has gone. */
static bool breaks_a_pipe(const void *context)
{
    const int *fd = context;
    assert_int_equal(write(*fd, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    return true;
}

static void ends_at_the_deadline(void **state)
{
    (void)state;
    struct waiting waiting;
    assert_true(waiting_init(&waiting));
    uint64_t begin = uv_hrtime();
    assert_false(waiting_until(&waiting, waiting_deadline(&waiting, 0.2), never, NULL));
    uint64_t taken = (uv_hrtime() - begin) / 1000000;
    assert_in_range(taken, 190, 5000);
    assert_false(waiting_until(&waiting, waiting_deadline(&waiting, -1), never, NULL));
    waiting_done(&waiting);
}

static void asks_before_it_waits(void **state)
{
    (void)state;
    struct waiting waiting;
    assert_true(waiting_init(&waiting));
    assert_true(waiting_until(&waiting, waiting_deadline(&waiting, 3600), at_once, NULL));
    assert_true(waiting_until(&waiting, waiting_deadline(&waiting, 0), at_once, NULL));
    waiting_done(&waiting);
}

static void a_broken_pipe_does_not_end_the_program(void **state)
{
    (void)state;
    struct waiting waiting;
    int ends[2];
    sigset_t pending;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    assert_true(waiting_init(&waiting));
    assert_true(waiting_until(&waiting, waiting_deadline(&waiting, 1), breaks_a_pipe, &ends[1]));
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    waiting_done(&waiting);
    close(ends[1]);
}

static void a_signal_of_the_program_stays(void **state)
{
    (void)state;
    struct waiting waiting;
    sigset_t pipe_only, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    pthread_kill(pthread_self(), SIGPIPE);
    assert_true(waiting_init(&waiting));
    assert_true(waiting_until(&waiting, waiting_deadline(&waiting, 1), at_once, NULL));
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 1);
    waiting_done(&waiting);
    signal(SIGPIPE, SIG_IGN); /* takes it away */
    pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_at_the_deadline),
        cmocka_unit_test(asks_before_it_waits),
        cmocka_unit_test(a_broken_pipe_does_not_end_the_program),
        cmocka_unit_test(a_signal_of_the_program_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
