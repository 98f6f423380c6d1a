/* SPDX-License-Identifier: BSD-3-Clause */
/* Forkservers that do not start, that die, that do not obey; and what becomes of the children they
 * leave behind. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/harness.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- the first one --- */

static void a_program_that_cannot_be_executed_is_an_error_of_the_start(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->argv[0] = "/nowhere/celeriac-runtime";
    harness_create(harness);
    assert_int_equal(pool_start(harness->pool), -ENOENT);
    harness->stopped = 1;
    harness_free(harness);
}

static const struct {
    const char *words[3];
    const char *text;
} failures[] = {
    {{"exit", "3"}, SCRIPTED " exited with 'exitcode 3' before it said HELLO"},
    {{"error", "no module named proj"}, "no module named proj"},
    {{"no-hello"}, SCRIPTED " did not say HELLO within 0.3 s"},
    {{"hang-up"}, SCRIPTED " closed its socket without HELLO"},
    {{"protocol", "2"}, "another version of the protocol"},
};

static bool has_failed(struct harness *harness, void *context)
{
    (void)context;
    return harness->failed[0] != '\0';
}

static void the_first_one_that_fails_says_why_and_is_not_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct harness *harness = harness_new(failures[i].words);
        harness->config.load_timeout = 0.3;
        harness->config.kill_timeout = 0.2;
        harness_start(harness);
        struct run *run = harness_submit(harness, "ok");
        harness_until(harness, has_failed, NULL, 5);
        assert_non_null(strstr(harness->failed, failures[i].text));
        harness_for(harness, 0.05);
        assert_int_equal(harness_stats(harness).forkservers, 1);
        assert_int_equal(run->ended, 0);
        pool_terminate(harness->pool);
        harness_until_stopped(harness);
        assert_int_equal(run->ending.verdict, POOL_RETURNED);
        harness_free(harness);
    }
}

static void a_program_that_is_no_runtime_is_named_with_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *text;
    } programs[] = {
        {{"/bin/false"}, "/bin/false exited with 'exitcode 1' before it said HELLO"},
        {{"/bin/sh", "-c", "kill -SEGV $$"},
         "/bin/sh exited with 'signal 11 (SIGSEGV)' before it said HELLO"},
        {{"/bin/sh", "-c", "exec 3>&-; sleep 0.1; exit 4"},
         "/bin/sh exited with 'exitcode 4' before it said HELLO"},
    };
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct harness *harness = harness_new(NULL);
        memcpy(harness->argv, programs[i].words, sizeof(programs[i].words));
        harness_start(harness);
        harness_until(harness, has_failed, NULL, 5);
        assert_string_equal(harness->failed, programs[i].text);
        assert_int_equal(harness_stats(harness).forkservers, 1);
        harness_free(harness);
    }
}

/* `lines` lines of 50 bytes, and one that says what it is all about. */
static char *make_traceback(size_t lines)
{
    char *text = malloc(lines * 50 + 64), *end = text;
    assert_non_null(text);
    for (size_t i = 0; i < lines; i++)
        end += sprintf(end, "line %-44zu\n", i);
    sprintf(end, "ImportError: no module named proj\n");
    return text;
}

static void what_it_says_of_its_failure_comes_whole_up_to_a_bound(void **state)
{
    (void)state;
    char *text = make_traceback(300); /* 15 KiB */
    struct harness *harness = harness_new(WORDS("error", text));
    harness_start(harness);
    harness_until(harness, has_failed, NULL, 5);
    text[strlen(text) - 1] = '\0';
    assert_string_equal(harness->failed, text);
    harness_free(harness);
    free(text);
}

static void of_what_is_too_long_the_end_comes(void **state)
{
    (void)state;
    char *text = make_traceback(2000), first[32];
    struct harness *harness = harness_new(WORDS("error", text));
    harness_start(harness);
    harness_until(harness, has_failed, NULL, 5);
    size_t size = strlen(harness->failed), kept = (size - strlen("...\n") - 33) / 50;
    assert_in_range(size, 16 * 1024 - 51, 16 * 1024 - 1);
    snprintf(first, sizeof(first), "...\nline %zu ", 2000 - kept);
    assert_memory_equal(harness->failed, first, strlen(first));
    assert_string_equal(harness->failed + size - 33, "ImportError: no module named proj");
    harness_free(harness);
    free(text);
}

static void of_a_later_failure_the_end_is_noticed(void **state)
{
    (void)state;
    char path[] = "/tmp/celeriac-pool-XXXXXX", *text = make_traceback(300);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    struct harness *harness = harness_new(WORDS("later", path, "error", text));
    harness_start_ready(harness);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    kill(harness_forkserver(), SIGKILL);
    harness_until_notice(harness, "replaced: ...\nline 2");
    assert_true(harness_noticed(harness, "\nImportError: no module named proj\n"));
    unlink(path);
    harness_free(harness);
    free(text);
}

static void it_lives_in_a_session_of_its_own(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    pid_t server = harness_forkserver();
    assert_true(server > 1);
    assert_int_equal(getsid(server), server);
    assert_int_equal(getsid(harness_child(harness)), harness_child(harness));
    harness_free(harness);
}

/* --- its death --- */

static void kill_forkserver(struct harness *harness)
{
    unsigned hellos = harness->hellos;
    kill(harness_forkserver(), SIGKILL);
    harness_until_hello(harness, hellos + 1);
}

static void one_that_dies_is_replaced_and_its_children_stay(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t pid = harness_child(harness);
    struct run *running = harness_start_job(harness, "sleep 0.2");
    kill_forkserver(harness);
    harness_until_ended(harness, running);
    assert_int_equal(running->ending.verdict, POOL_DONE);
    assert_int_equal(harness_child(harness), pid);
    assert_int_equal(harness_stats(harness).forkservers, 2);
    assert_int_equal(harness_stats(harness).spawned, 1);
    assert_true(harness_noticed(harness, "signal 9 (SIGKILL)"));
    kill(pid, SIGKILL);
    harness_until_spawned(harness, 2);
    harness_until_ready(harness, 1);
    assert_int_not_equal(harness_child(harness), pid);
    harness_free(harness);
}

static void the_death_of_an_orphan_is_noticed_with_its_status(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    kill_forkserver(harness);
    struct run *run = harness_submit(harness, "exit 7");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_true(run->ending.has_status);
    assert_int_equal(WEXITSTATUS(run->ending.wait_status), 7);
    harness_until_ready(harness, 2);
    harness_free(harness);
}

static void an_orphan_obeys_limits_and_leaves(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    kill_forkserver(harness);
    struct run *run = harness_run(harness, "hang");
    run->job.hard_limit = 0.1;
    pool_submit(harness->pool, &run->job);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TIME_LIMIT);
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    harness_free(harness);
}

static void what_an_orphan_leaves_in_its_group_is_ended(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    kill_forkserver(harness);
    struct run *run = harness_submit(harness, "grandchild 1000");
    harness_until_spawned(harness, 3);
    harness_until_ready(harness, 2);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    pid_t grandchild = (pid_t)strtol(run->document, NULL, 10);
    for (int i = 0; i < 1000 && harness_exists(grandchild); i++)
        harness_for(harness, 0.005);
    assert_false(harness_exists(grandchild));
    harness_free(harness);
}

static void children_that_die_with_it_are_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 4;
    harness_start_ready(harness);
    pid_t pids[4];
    struct run *runs[4];
    for (int i = 0; i < 4; i++)
        runs[i] = harness_start_job(harness, "hang");
    assert_int_equal(pool_get_pids(harness->pool, pids, 4), 4);
    kill(harness_forkserver(), SIGSTOP); /* so that it can reap none of them */
    for (int i = 0; i < 4; i++)
        kill(pids[i], SIGKILL);
    kill(harness_forkserver(), SIGKILL);
    harness_until_all_ended(harness);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(runs[i]->ending.verdict, POOL_LOST);
        assert_true(runs[i]->ending.has_status);
        assert_int_equal(runs[i]->ending.wait_status, SIGKILL);
    }
    harness_until_ready(harness, 4);
    harness_free(harness);
}

static void a_death_that_a_stopped_one_does_not_report_is_noticed_all_the_same(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    struct run *run = harness_start_job(harness, "hang");
    kill(harness_forkserver(), SIGSTOP);
    kill(run->started_pid, SIGKILL);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_false(run->ending.has_status);
    assert_true(run->ending.runtime < 5);
    kill(harness_forkserver(), SIGKILL);
    harness_until_ready(harness, 2);
    harness_free(harness);
}

static void one_that_keeps_failing_is_tried_at_growing_intervals(void **state)
{
    (void)state;
    char path[] = "/tmp/celeriac-pool-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    struct harness *harness = harness_new(WORDS("later", path, "exit", "4"));
    harness_start_ready(harness);
    pid_t pid = harness_child(harness);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    double begin = harness_now();
    kill(harness_forkserver(), SIGKILL);
    harness_until_servers(harness, 5); /* at once, after 0.1, 0.2, 0.4 s */
    double elapsed = harness_now() - begin;
    assert_true(elapsed >= 0.69 && elapsed < 3);
    assert_true(harness_noticed(harness, "exitcode 4"));
    assert_int_equal(harness_child(harness), pid);
    unlink(path);
    harness_until_hello(harness, 2);
    harness_free(harness);
}

static void one_that_makes_no_children_is_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(WORDS("no-fork"));
    harness->config.start_timeout = 0.3;
    harness_start(harness);
    harness_until_servers(harness, 2);
    assert_true(harness_noticed(harness, "it makes no children"));
    harness_free(harness);
}

/* A forkserver that dies between a fork and its SPAWNED leaves a child that the pool has never
 * heard of. It leaves when it finds its socket closed, which may be a moment after the pool has
 * stopped. */
static void reap_unannounced_children(void)
{
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

static void one_that_breaks_the_protocol_is_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(WORDS("odd-frame"));
    harness_start(harness);
    harness_until_servers(harness, 2);
    assert_true(harness_noticed(harness, "RESULT is no frame of a forkserver"));
    pool_terminate(harness->pool);
    harness_until_stopped(harness);
    reap_unannounced_children();
    harness_free(harness);
}

/* --- children that do not start --- */

static void forks_that_fail_are_tried_again_later(void **state)
{
    (void)state;
    struct harness *harness = harness_new(WORDS("fork-fails"));
    harness_start(harness);
    harness_until_failures(harness, 4);
    assert_true(harness_noticed(harness, "was not made: Resource temporarily unavailable"));
    harness_free(harness);
}

static void children_that_die_before_they_are_ready_are_tried_one_by_one(void **state)
{
    (void)state;
    struct harness *harness = harness_new(WORDS("unready", "5", "excuse", "no database"));
    harness_start(harness);
    double begin = harness_now();
    harness_until_failures(harness, 5); /* two at once, then at once, after 0.1 and 0.2 s */
    assert_true(harness_now() - begin >= 0.29);
    harness_until_ready(harness, 2);
    assert_int_equal(harness_stats(harness).spawned, 7);
    assert_int_equal(harness_stats(harness).failures, 0);
    assert_true(harness_noticed(harness, "gave up: no database"));
    assert_true(harness_noticed(harness, "exited with 'exitcode 9' before it was ready"));
    harness_free(harness);
}

static void a_child_that_is_not_ready_in_time_is_replaced(void **state)
{
    (void)state;
    struct harness *harness = harness_new(WORDS("mute", "1"));
    harness->config.start_timeout = 0.3;
    harness_start_ready(harness);
    assert_true(harness_noticed(harness, "was not ready within 0.3 s"));
    assert_int_equal(harness_stats(harness).spawned, 3);
    harness_free(harness);
}

static void a_late_look_at_the_clock_kills_no_child_that_was_ready_in_time(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.start_timeout = 0.5;
    harness_start(harness);
    harness_until_spawned(harness, 2);
    usleep(700000);
    harness_until_ready(harness, 2);
    assert_int_equal(harness_stats(harness).spawned, 2);
    assert_int_equal(harness_stats(harness).forkservers, 1);
    harness_free(harness);
}

/* --- pidfds --- */

/* With every other pidfd missing, and all announcements waiting in the socket, the kernel hands
 * over one child's pidfd with another child's frame. */
static void children_are_told_apart_without_their_pidfds(void **state)
{
    (void)state;
    enum { CHILDREN = 6 };
    static const char *const words[] = {"no-pidfd", "odd-pidfd"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct harness *harness = harness_new(WORDS(words[i]));
        harness->config.concurrency = CHILDREN;
        harness_start(harness);
        harness_until_spawned(harness, CHILDREN);
        usleep(200000);
        harness_until_ready(harness, CHILDREN);
        struct run *runs[CHILDREN];
        for (int j = 0; j < CHILDREN; j++)
            runs[j] = harness_start_job(harness, "hang");
        pool_pause(harness->pool);
        for (unsigned j = 0; j < CHILDREN; j++) {
            assert_true(pool_kill_job(harness->pool, &runs[j]->job, SIGKILL));
            harness_until_ended(harness, runs[j]);
            assert_int_equal(runs[j]->ending.verdict, POOL_TERMINATED);
            assert_int_equal(harness->ended, j + 1);
            for (unsigned k = 0; k < CHILDREN; k++)
                assert_int_equal(harness_exists(runs[k]->started_pid), k > j);
        }
        harness_free(harness);
    }
}

/* The socket is held by what the task left behind, and the forkserver does not reap. */
static void a_death_that_only_the_pidfd_tells_is_noticed(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start_ready(harness);
    pid_t server = harness_forkserver();
    kill(server, SIGSTOP);
    struct run *run = harness_submit(harness, "holder 2");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_true(run->ending.runtime < 1.9);
    kill(server, SIGKILL);
    pool_terminate(harness->pool);
    harness_until_stopped(harness);
    reap_unannounced_children();
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_cannot_be_executed_is_an_error_of_the_start),
        cmocka_unit_test(the_first_one_that_fails_says_why_and_is_not_replaced),
        cmocka_unit_test(a_program_that_is_no_runtime_is_named_with_its_status),
        cmocka_unit_test(what_it_says_of_its_failure_comes_whole_up_to_a_bound),
        cmocka_unit_test(of_what_is_too_long_the_end_comes),
        cmocka_unit_test(of_a_later_failure_the_end_is_noticed),
        cmocka_unit_test(it_lives_in_a_session_of_its_own),
        cmocka_unit_test(one_that_dies_is_replaced_and_its_children_stay),
        cmocka_unit_test(the_death_of_an_orphan_is_noticed_with_its_status),
        cmocka_unit_test(an_orphan_obeys_limits_and_leaves),
        cmocka_unit_test(what_an_orphan_leaves_in_its_group_is_ended),
        cmocka_unit_test(children_that_die_with_it_are_replaced),
        cmocka_unit_test(a_death_that_a_stopped_one_does_not_report_is_noticed_all_the_same),
        cmocka_unit_test(one_that_keeps_failing_is_tried_at_growing_intervals),
        cmocka_unit_test(one_that_makes_no_children_is_replaced),
        cmocka_unit_test(one_that_breaks_the_protocol_is_replaced),
        cmocka_unit_test(forks_that_fail_are_tried_again_later),
        cmocka_unit_test(children_that_die_before_they_are_ready_are_tried_one_by_one),
        cmocka_unit_test(a_child_that_is_not_ready_in_time_is_replaced),
        cmocka_unit_test(a_late_look_at_the_clock_kills_no_child_that_was_ready_in_time),
        cmocka_unit_test(children_are_told_apart_without_their_pidfds),
        cmocka_unit_test(a_death_that_only_the_pidfd_tells_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
