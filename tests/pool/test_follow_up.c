/* SPDX-License-Identifier: BSD-3-Clause */
/* What a task sends while it runs: in its order, before its end, held up when it is too much. */

#include "tests/pool/harness.h"

#include <signal.h>
#include <string.h>

static unsigned messages_of(const struct run *run)
{
    return run->follow_ups[0];
}

static void all_kinds_arrive_in_order_before_the_end(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start(harness);
    struct run *run = harness_submit(harness, "follow");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_string_equal(run->told, "one;two;three;");
    assert_int_equal(run->follow_ups[1], 1);
    assert_int_equal(run->follow_ups[2], 1);
    harness_free(harness);
}

static void what_a_child_has_sent_before_its_death_arrives(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start(harness);
    struct run *run = harness_submit(harness, "message-then-die");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_string_equal(run->told, "one;");
    harness_free(harness);
}

static void frames_of_a_job_that_is_not_the_childs_break_the_protocol(void **state)
{
    static const struct {
        const char *body;
        enum pool_verdict verdict;
    } rows[] = {{"message-of-another", POOL_LOST}, {"message-too-late", POOL_DONE}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct harness *harness = harness_new(NULL);
        harness_start(harness);
        struct run *run = harness_submit(harness, rows[i].body);
        harness_until_ended(harness, run);
        harness_until_notice(harness, "broke the protocol");
        assert_int_equal(run->ending.verdict, rows[i].verdict);
        assert_int_equal(messages_of(run), 0);
        harness_free(harness);
    }
}

static void a_message_before_started_breaks_the_protocol(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness_start(harness);
    struct run *run = harness_run(harness, "no-start m");
    run->job.want_started = true;
    pool_submit(harness->pool, &run->job);
    harness_until_notice(harness, "PUBLISH came before STARTED");
    assert_int_equal(messages_of(run), 0);
    harness_free(harness);
}

static bool some_have_come(struct harness *harness, void *run)
{
    (void)harness;
    return messages_of(run) > 0;
}

/* A socket holds a few of the 100 messages of 64 KiB; the child waits with the others. */
static struct run *hold_up(struct harness *harness)
{
    harness->deaf = true;
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "messages 100");
    harness_until(harness, some_have_come, run, 10);
    harness_for(harness, 0.3);
    assert_in_range(messages_of(run), 1, 20);
    assert_int_equal(run->ended, 0);
    return run;
}

static void nobody_reads_from_a_child_that_sends_too_much(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    struct run *run = hold_up(harness);
    struct run *other = harness_submit(harness, "ok");
    harness_until_ended(harness, other);
    harness->deaf = false;
    pool_listen(harness->pool, &run->job);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    assert_int_equal(messages_of(run), 100);
    harness_free(harness);
}

static void a_child_that_is_not_read_from_is_killed_like_any_other(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    struct run *run = hold_up(harness);
    assert_true(pool_kill_job(harness->pool, &run->job, SIGKILL));
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TERMINATED);
    struct run *other = harness_submit(harness, "ok");
    harness_until_ended(harness, other);
    harness_free(harness);
}

static void a_hard_limit_counts_while_nobody_reads(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->deaf = true;
    harness_start_ready(harness);
    struct run *run = harness_run(harness, "messages 1000");
    run->job.hard_limit = 0.5;
    pool_submit(harness->pool, &run->job);
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_TIME_LIMIT);
    harness_free(harness);
}

static void a_child_is_read_from_again_with_its_next_job(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness->deaf = true;
    harness_start_ready(harness);
    struct run *run = harness_submit(harness, "follow");
    harness_for(harness, 0.2);
    pool_listen(harness->pool, &run->job);
    harness_until_ended(harness, run);
    for (int i = 0; i < 3; i++) {
        struct run *next = harness_submit(harness, "ok");
        harness_until_ended(harness, next);
    }
    harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_arrive_in_order_before_the_end),
        cmocka_unit_test(what_a_child_has_sent_before_its_death_arrives),
        cmocka_unit_test(frames_of_a_job_that_is_not_the_childs_break_the_protocol),
        cmocka_unit_test(a_message_before_started_breaks_the_protocol),
        cmocka_unit_test(nobody_reads_from_a_child_that_sends_too_much),
        cmocka_unit_test(a_child_that_is_not_read_from_is_killed_like_any_other),
        cmocka_unit_test(a_hard_limit_counts_while_nobody_reads),
        cmocka_unit_test(a_child_is_read_from_again_with_its_next_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
