/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGNAL frames: what reaches a forkserver, in which order, and what is dropped. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/pool/harness.h"

/* A log of the forkserver, read line by line. */
struct log {
    char path[64];
    FILE *file;
    char line[128];
};

static void log_make(struct log *log)
{
    *log = (struct log){.path = "/tmp/celeriac-signals-XXXXXX"};
    int fd = mkstemp(log->path);
    assert_true(fd >= 0);
    close(fd);
}

static const char *log_next(struct log *log)
{
    if (log->file == NULL)
        log->file = fopen(log->path, "r");
    assert_non_null(log->file);
    if (fgets(log->line, sizeof(log->line), log->file) == NULL)
        return NULL;
    log->line[strcspn(log->line, "\n")] = '\0';
    return log->line;
}

static void log_close(struct log *log)
{
    if (log->file != NULL)
        fclose(log->file);
}

/* {"data": a str of `size` bytes}. */
static struct bytes make_arguments(struct buffer *buffer, size_t size)
{
    static const char head[] = "\x81\xa4"
                               "data\xdb";
    buffer_init(buffer, size + 64);
    assert_int_equal(buffer_append(buffer, head, sizeof(head) - 1), 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        assert_int_equal(buffer_append(buffer, &(uint8_t){(uint8_t)(size >> shift)}, 1), 0);
    assert_int_equal(buffer_reserve(buffer, size), 0);
    memset(buffer->data + buffer->size, 'x', size);
    buffer->size += size;
    return buffer_bytes(buffer);
}

static bool send_signal(struct harness *harness, const char *name, size_t size)
{
    struct buffer buffer;
    bool sent = pool_signal(harness->pool, name, make_arguments(&buffer, size));
    buffer_done(&buffer); /* borrowed for the call only */
    return sent;
}

static void they_arrive_in_their_order_before_the_forkserver_leaves(void **state)
{
    (void)state;
    struct log log;
    log_make(&log);
    struct harness *harness = harness_new((const char *const[]){"log", log.path, NULL});
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    assert_true(send_signal(harness, "worker_ready", 0));
    assert_true(send_signal(harness, "task_received", 200000));
    assert_true(send_signal(harness, "worker_shutting_down", 3));
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    assert_int_equal(harness->errors, 0);
    assert_string_equal(log_next(&log), "spawn");
    assert_string_equal(log_next(&log), "worker_ready 0");
    assert_string_equal(log_next(&log), "task_received 200000");
    assert_string_equal(log_next(&log), "worker_shutting_down 3");
    assert_null(log_next(&log));
    log_close(&log);
    harness_free(harness);
    unlink(log.path);
}

static void none_is_taken_where_no_forkserver_is_up(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_create(harness);
    assert_false(send_signal(harness, "x", 1));
    assert_int_equal(pool_start(harness->pool), 0);
    assert_false(send_signal(harness, "x", 1)); /* HELLO has not come */
    harness_until_hello(harness, 1);
    assert_true(send_signal(harness, "x", 1));
    harness_until_ready(harness, 2);
    kill(harness_forkserver(), SIGKILL);
    harness_until_servers(harness, 2);
    assert_false(send_signal(harness, "x", 1));
    harness_until_hello(harness, 2);
    assert_true(send_signal(harness, "x", 1));
    pool_terminate(harness->pool);
    assert_true(!send_signal(harness, "x", 1) || harness->stopped == 0);
    harness_until_stopped(harness);
    assert_false(send_signal(harness, "x", 1));
    harness_free(harness);
}

enum { SIZE = 4000, LARGE = 5000000 };

/* Stops the forkserver and signals until no more is taken; returns how many were. */
static unsigned flood(struct harness *harness, pid_t server)
{
    unsigned count = 0;
    kill(server, SIGSTOP);
    while (send_signal(harness, "task_received", SIZE) && count < 10000)
        count++;
    return count;
}

struct expected {
    struct log *log;
    off_t size;
};

static bool is_written(struct harness *harness, void *context)
{
    const struct expected *expected = context;
    struct stat status;
    (void)harness;
    return stat(expected->log->path, &status) == 0 && status.st_size >= expected->size;
}

static void a_busy_forkserver_gets_as_many_as_may_wait_and_no_more(void **state)
{
    (void)state;
    struct log log;
    log_make(&log);
    struct harness *harness = harness_new((const char *const[]){"log", log.path, NULL});
    harness_start_ready(harness);
    pid_t server = harness_forkserver();
    double begin = harness_now();
    unsigned count = flood(harness, server);
    assert_true(harness_now() - begin < 5);
    assert_in_range(count * SIZE, POOL_SIGNALS_MAX - POOL_SIGNALS_MAX / 10,
                    POOL_SIGNALS_MAX + POOL_SIGNALS_MAX / 10);
    assert_false(send_signal(harness, "task_received", SIZE));
    kill(server, SIGCONT);
    struct expected expected = {&log, 2 * (off_t)strlen("spawn\n") +
                                          count * (off_t)strlen("task_received 4000\n")};
    harness_until(harness, is_written, &expected, 30);
    assert_true(send_signal(harness, "last", 0));
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    log_next(&log), log_next(&log);
    for (unsigned i = 0; i < count; i++)
        assert_string_equal(log_next(&log), "task_received 4000");
    assert_string_equal(log_next(&log), "last 0");
    log_close(&log);
    harness_free(harness);
    unlink(log.path);
}

static void a_spawn_overtakes_those_that_wait(void **state)
{
    (void)state;
    struct log log;
    log_make(&log);
    struct harness *harness = harness_new((const char *const[]){"ahead", "log", log.path, NULL});
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t server = harness_forkserver();
    unsigned count = flood(harness, server), before = 0;
    struct run *run = harness_submit(harness, "exit 3");
    harness_until_ended(harness, run);
    kill(server, SIGCONT);
    harness_until_spawned(harness, 2);
    struct run *next = harness_submit(harness, "ok");
    harness_until_ended(harness, next);
    assert_int_equal(next->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).forkservers, 1);
    assert_string_equal(log_next(&log), "spawn");
    while (strcmp(log_next(&log), "spawn") != 0)
        before++;
    print_message("%u of %u came before the SPAWN\n", before, count);
    assert_true(before < count / 20);
    log_close(&log);
    harness_free(harness);
    unlink(log.path);
}

static void one_that_is_larger_than_the_bound_goes_alone(void **state)
{
    (void)state;
    struct log log;
    log_make(&log);
    struct harness *harness = harness_new((const char *const[]){"log", log.path, NULL});
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t server = harness_forkserver();
    kill(server, SIGSTOP);
    assert_true(send_signal(harness, "large", LARGE));
    assert_false(send_signal(harness, "small", 1));
    assert_false(send_signal(harness, "large", LARGE));
    kill(server, SIGCONT);
    struct expected expected = {&log, (off_t)strlen("spawn\nlarge 5000000\n")};
    harness_until(harness, is_written, &expected, 10);
    assert_true(send_signal(harness, "small", 1));
    expected.size += (off_t)strlen("small 1\n");
    harness_until(harness, is_written, &expected, 10);
    log_next(&log);
    assert_string_equal(log_next(&log), "large 5000000");
    assert_string_equal(log_next(&log), "small 1");
    log_close(&log);
    harness_free(harness);
    unlink(log.path);
}

static void they_die_with_the_forkserver_that_they_wait_for(void **state)
{
    (void)state;
    struct log log;
    log_make(&log);
    struct harness *harness = harness_new((const char *const[]){"log", log.path, NULL});
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    pid_t server = harness_forkserver();
    flood(harness, server);
    kill(server, SIGKILL);
    harness_until_hello(harness, 2);
    assert_true(send_signal(harness, "after", 0));
    struct expected expected = {&log, (off_t)strlen("spawn\nafter 0\n")};
    harness_until(harness, is_written, &expected, 10);
    assert_string_equal(log_next(&log), "spawn");
    assert_string_equal(log_next(&log), "after 0");
    log_close(&log);
    harness_free(harness);
    unlink(log.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_arrive_in_their_order_before_the_forkserver_leaves),
        cmocka_unit_test(none_is_taken_where_no_forkserver_is_up),
        cmocka_unit_test(a_busy_forkserver_gets_as_many_as_may_wait_and_no_more),
        cmocka_unit_test(a_spawn_overtakes_those_that_wait),
        cmocka_unit_test(one_that_is_larger_than_the_bound_goes_alone),
        cmocka_unit_test(they_die_with_the_forkserver_that_they_wait_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
