/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/cli/pidfile.h"

static char path[64];
static char error[256];

static void write_pid(long pid)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%ld\n", pid);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/celeriac-pid-%ld", (long)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void a_live_process_refuses_the_start(void **state)
{
    (void)state;
    write_pid((long)getppid());
    assert_int_equal(pidfile_write(path, error, sizeof(error)), -1);
    assert_non_null(strstr(error, "is alive"));
    pidfile_remove(path); /* not ours: stays */
    assert_int_equal(access(path, F_OK), 0);
}

static void a_stale_file_is_replaced_and_removed_at_the_end(void **state)
{
    (void)state;
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    waitpid(dead, NULL, 0);
    write_pid((long)dead);
    assert_int_equal(pidfile_write(path, error, sizeof(error)), 0);
    long pid = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &pid), 1);
    fclose(file);
    assert_int_equal(pid, getpid());
    pidfile_remove(path);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
    (void)state;
    assert_int_equal(pidfile_write("/nowhere/pid", error, sizeof(error)), -1);
    assert_non_null(strstr(error, "/nowhere/pid"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_live_process_refuses_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_file_is_replaced_and_removed_at_the_end, setup,
                                        teardown),
        cmocka_unit_test(a_folder_that_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
