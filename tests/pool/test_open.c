/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools that are made without a size and get it, and their limits, when the app is loaded. */

#include <signal.h>

#include "tests/pool/harness.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A pool that nobody has opened; config is what it will be opened with. */
static struct harness *make(const char *const *words)
{
    struct harness *harness = harness_new(words);
    struct pool_config opened = harness->config;
    harness->config =
        (struct pool_config){.argv = opened.argv, .load_timeout = 10, .kill_timeout = 2};
    harness_start(harness);
    harness->config = opened;
    harness->config.argv = NULL;
    harness->config.load_timeout = 0;
    return harness;
}

static void open_it(struct harness *harness)
{
    assert_int_equal(pool_open(harness->pool, &harness->config), 0);
}

/* As the consumer does: the first HELLO says what the pool is to be like. */
static void open_at_first(struct harness *harness)
{
    if (harness->hellos == 1)
        open_it(harness);
}

static void has_no_children_until_it_is_opened(void **state)
{
    (void)state;
    struct harness *harness = make(NULL);
    struct run *run = harness_submit(harness, "ok");
    harness_until_hello(harness, 1);
    harness_for(harness, 0.05);
    assert_int_equal(harness_stats(harness).spawned, 0);
    assert_int_equal(harness_stats(harness).slots, 0);
    assert_int_equal(harness_stats(harness).queued, 1);
    assert_false(pool_shrink(harness->pool, 1));
    harness->config.concurrency = 3;
    open_it(harness);
    harness_until_ready(harness, 3);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(harness_stats(harness).slots, 3);
    assert_true(pool_shrink(harness->pool, 2));
    pool_grow(harness->pool, 1);
    harness_until_ready(harness, 2);
    harness_free(harness);
}

static void may_be_opened_from_within_the_first_hello(void **state)
{
    (void)state;
    struct harness *harness = make(NULL);
    harness->on_hello = open_at_first;
    harness_until_ready(harness, 2);
    assert_int_equal(harness_stats(harness).spawned, 2);
    harness_free(harness);
}

static void recycles_as_it_was_opened(void **state)
{
    (void)state;
    struct harness *harness = make(NULL);
    harness->config.concurrency = 1;
    harness->config.max_tasks_per_child = 2;
    harness->on_hello = open_at_first;
    for (int i = 0; i < 6; i++)
        harness_submit(harness, "ok");
    harness_until_all_ended(harness);
    for (int i = 0; i < 6; i++)
        assert_int_equal(harness->runs[i].ending.verdict, POOL_DONE);
    assert_int_equal(harness->runs[0].ending.pid, harness->runs[1].ending.pid);
    assert_int_not_equal(harness->runs[1].ending.pid, harness->runs[2].ending.pid);
    assert_int_not_equal(harness->runs[3].ending.pid, harness->runs[4].ending.pid);
    harness_free(harness);
}

static void limits_memory_as_it_was_opened(void **state)
{
    (void)state;
    struct harness *harness = make(NULL);
    harness->config.concurrency = 1;
    harness->config.max_memory_per_child = 2000;
    harness->on_hello = open_at_first;
    struct run *run = harness_submit(harness, "rss 2001");
    harness_until_ended(harness, run);
    harness_until_notice(harness, "more than the limit of 2000 KiB");
    harness_until_spawned(harness, 2);
    harness_free(harness);
}

static void limits_times_as_it_was_opened(void **state)
{
    (void)state;
    struct harness *harness = make(WORDS("mute", "1", "stay"));
    harness->config.concurrency = 1;
    harness->config.start_timeout = 0.3;
    harness->config.kill_timeout = 0.2;
    harness->on_hello = open_at_first;
    harness_until_notice(harness, "was not ready within 0.3 s");
    harness_until_ready(harness, 1);
    pool_leave(harness->pool);
    harness_until_notice(harness, "did not leave within 0.2 s");
    harness_until_stopped(harness);
    harness_free(harness);
}

static void one_whose_forkserver_is_lost_first_is_opened_for_the_next(void **state)
{
    (void)state;
    for (int early = 0; early <= 1; early++) {
        struct harness *harness = make(NULL);
        harness_until_hello(harness, 1);
        kill(harness_forkserver(), SIGKILL);
        harness_until_servers(harness, 2);
        if (early) /* before the next one has loaded the app */
            open_it(harness);
        harness_until_hello(harness, 2);
        assert_int_equal(harness_stats(harness).spawned, early ? 2 : 0);
        if (!early)
            open_it(harness);
        harness_until_ready(harness, 2);
        kill(harness_forkserver(), SIGKILL);
        harness_until_hello(harness, 3);
        harness_free(harness);
    }
}

static void stops_before_it_is_opened(void **state)
{
    (void)state;
    static const struct {
        const char *words[2];
        bool started, greeted, cold;
    } cases[] = {
        {{NULL}, false, false, false},      {{NULL}, false, false, true},
        {{"no-hello"}, true, false, false}, {{"no-hello"}, true, false, true},
        {{NULL}, true, true, false},        {{NULL}, true, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct harness *harness = harness_new(cases[i].words);
        harness->config.concurrency = 0;
        harness->config.kill_timeout = 0.2;
        harness_create(harness);
        if (cases[i].started)
            assert_int_equal(pool_start(harness->pool), 0);
        if (cases[i].greeted)
            harness_until_hello(harness, 1);
        struct run *run = harness_submit(harness, "ok");
        (cases[i].cold ? pool_terminate : pool_leave)(harness->pool);
        assert_int_equal(run->ending.verdict, POOL_RETURNED);
        harness_until_stopped(harness);
        assert_int_equal(harness->errors, 0);
        harness_free(harness);
    }
}

static void opening_a_pool_that_stops_makes_no_children(void **state)
{
    (void)state;
    struct harness *harness = make(NULL);
    harness_until_hello(harness, 1);
    pool_leave(harness->pool);
    open_it(harness);
    harness_until_stopped(harness);
    assert_int_equal(harness_stats(harness).spawned, 0);
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_no_children_until_it_is_opened),
        cmocka_unit_test(may_be_opened_from_within_the_first_hello),
        cmocka_unit_test(recycles_as_it_was_opened),
        cmocka_unit_test(limits_memory_as_it_was_opened),
        cmocka_unit_test(limits_times_as_it_was_opened),
        cmocka_unit_test(one_whose_forkserver_is_lost_first_is_opened_for_the_next),
        cmocka_unit_test(stops_before_it_is_opened),
        cmocka_unit_test(opening_a_pool_that_stops_makes_no_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
