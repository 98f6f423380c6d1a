/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool where the kernel, or a container's seccomp filter, refuses pidfds. A file of its own,
 * because a filter stays. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/pool/harness.h"

static int refuse_pidfds(void **state)
{
    (void)state;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -1;
    return pidfd_open(getpid(), 0) == -1 && errno == ENOSYS ? 0 : -1;
}

static void limits_and_kills_work_by_number(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 3;
    harness_start_ready(harness);
    struct run *soft = harness_run(harness, "soft");
    struct run *hard = harness_run(harness, "hang");
    soft->job.soft_limit = 0.1;
    hard->job.hard_limit = 0.2;
    pool_submit(harness->pool, &soft->job);
    pool_submit(harness->pool, &hard->job);
    struct run *killed = harness_start_job(harness, "hang");
    assert_true(pool_kill_job(harness->pool, &killed->job, SIGTERM));
    harness_until_all_ended(harness);
    assert_string_equal(soft->document, "soft");
    assert_int_equal(hard->ending.verdict, POOL_TIME_LIMIT);
    assert_int_equal(killed->ending.verdict, POOL_TERMINATED);
    harness_until_ready(harness, 3);
    harness_free(harness);
}

static void orphans_are_kept_and_reaped(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    kill(harness_forkserver(), SIGKILL);
    harness_until_hello(harness, 2);
    struct run *run = harness_submit(harness, "exit 3");
    harness_until_ended(harness, run);
    assert_true(run->ending.has_status);
    assert_int_equal(run->ending.wait_status, 3 << 8);
    harness_until_ready(harness, 2);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_and_kills_work_by_number),
        cmocka_unit_test(orphans_are_kept_and_reaped),
    };
    return cmocka_run_group_tests(tests, refuse_pidfds, NULL);
}
