/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs that are sent ahead: when they are, who runs them in the end, and that taking them back is
 * exact. Whether a job is short is a matter of time, so what a test needs staged is tried until it
 * is. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pool/harness.h"

enum { STAGED = 8, SHORT_JOBS = 12, ATTEMPTS = 60, NEVER_STAGED_ATTEMPTS = 20 };

/* --- files that jobs wait for --- */

static char folder[32], gate[48], gate_begun[64], until_gate[64], journal[48];

static void make_folder(void)
{
    strcpy(folder, "/tmp/aheadXXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(gate, sizeof(gate), "%s/gate", folder);
    snprintf(gate_begun, sizeof(gate_begun), "%s.begun", gate);
    snprintf(until_gate, sizeof(until_gate), "until %s", gate);
    snprintf(journal, sizeof(journal), "%s/journal", folder);
}

static void remove_folder(void)
{
    unlink(gate);
    unlink(gate_begun);
    unlink(journal);
    assert_int_equal(rmdir(folder), 0);
}

static void open_gate(void)
{
    close(open(gate, O_WRONLY | O_CREAT, 0600));
}

/* Returns once the job that waits for the gate has begun, without the loop. */
static void await_begun(void)
{
    for (int i = 0; i < 10000 && access(gate_begun, F_OK) != 0; i++)
        usleep(1000);
    assert_int_equal(access(gate_begun, F_OK), 0);
}

/* --- staging --- */

static struct harness *start_with(unsigned children, const char *word)
{
    make_folder();
    struct harness *harness =
        harness_new((const char *const[]){"ahead", "journal", journal, word, NULL});
    harness->config.concurrency = children;
    harness_start_ready(harness);
    return harness;
}

static struct harness *start(unsigned children)
{
    return start_with(children, NULL);
}

static void finish(struct harness *harness)
{
    harness_free(harness);
    remove_folder();
}

static bool is_staged_behind(const struct run *run, const struct run *first)
{
    return run->job.child != NULL && run->job.child == first->job.child;
}

static void warm_up(struct harness *harness)
{
    for (int i = 0; i < 32; i++)
        harness_submit(harness, "ok");
    harness_until_all_ended(harness);
}

/* `first`, then SHORT_JOBS short ones, all at once; only `first` has been taken up, maybe. */
static struct run *submit_all(struct harness *harness, const char *first)
{
    pool_pause(harness->pool);
    struct run *run = harness_submit(harness, first);
    for (int i = 0; i < SHORT_JOBS; i++)
        harness_submit(harness, "ok");
    pool_resume(harness->pool);
    return run;
}

/* With one child: `first` is in it, and the STAGED jobs after it are staged. */
static struct run *stage_behind(struct harness *harness, const char *first)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        warm_up(harness);
        struct run *run = submit_all(harness, first);
        if (is_staged_behind(run + STAGED, run))
            return run;
        pool_kill_job(harness->pool, &run->job, SIGKILL);
        harness_until_all_ended(harness);
        unlink(gate_begun);
    }
    fail_msg("nothing was staged");
    return NULL;
}

static void assert_done(const struct run *run, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(run[i].ending.verdict, POOL_DONE);
}

static void assert_in_order(const struct run *run, int count)
{
    for (int i = 1; i < count; i++)
        assert_true(run[i].order > run[i - 1].order);
}

/* --- when --- */

static void stages_a_few_jobs_behind_a_short_one(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, "ok");
    for (int i = 1; i <= SHORT_JOBS; i++)
        assert_int_equal(is_staged_behind(first + i, first), i <= STAGED);
    assert_int_equal(harness_stats(harness).busy, 1);
    assert_int_equal(harness_stats(harness).queued, SHORT_JOBS);
    harness_until_all_ended(harness);
    assert_done(first, SHORT_JOBS + 1);
    assert_in_order(first, SHORT_JOBS + 1);
    assert_int_equal(harness_stats(harness).queued, 0);
    finish(harness);
}

static void stages_nothing_while_somebody_is_idle(void **state)
{
    (void)state;
    struct harness *harness = start(2);
    for (int i = 0; i < NEVER_STAGED_ATTEMPTS; i++) {
        warm_up(harness);
        struct run *first = harness_submit(harness, "ok"), *second = harness_submit(harness, "ok");
        assert_ptr_not_equal(first->job.child, second->job.child);
        assert_non_null(second->job.child);
        harness_until_all_ended(harness);
    }
    finish(harness);
}

static void make_limited(struct run *run)
{
    run->job.hard_limit = 100;
}

static void make_announced(struct run *run)
{
    run->job.want_started = true;
}

static void make_suspect(struct run *run)
{
    run->job.suspect = true;
}

static void make_large(struct run *run)
{
    static char body[16 * 1024 + 1];
    run->job.body = (struct bytes){body, sizeof(body)};
}

/* Neither such a job behind a short one, nor a short one behind such a job. */
static void stages_plain_jobs_behind_plain_jobs_only(void **state)
{
    (void)state;
    static void (*const makers[])(struct run *) = {make_limited, make_announced, make_suspect,
                                                   make_large};
    struct harness *harness = start(1);
    for (size_t i = 0; i < ARRAY_LEN(makers) * NEVER_STAGED_ATTEMPTS; i++) {
        warm_up(harness);
        pool_pause(harness->pool);
        struct run *runs[4];
        for (size_t j = 0; j < ARRAY_LEN(runs); j++) {
            runs[j] = harness_run(harness, "ok");
            if ((j + i / ARRAY_LEN(makers)) % 2 == 0)
                makers[i % ARRAY_LEN(makers)](runs[j]);
            pool_submit(harness->pool, &runs[j]->job);
        }
        pool_resume(harness->pool);
        assert_non_null(runs[0]->job.child);
        assert_null(runs[1]->job.child);
        harness_until_all_ended(harness);
    }
    finish(harness);
}

static void stages_nothing_where_children_are_recycled(void **state)
{
    (void)state;
    make_folder();
    for (int by_memory = 0; by_memory <= 1; by_memory++) {
        struct harness *harness = harness_new((const char *const[]){"ahead", NULL});
        harness->config.concurrency = 1;
        harness->config.max_tasks_per_child = by_memory ? 0 : 100000;
        harness->config.max_memory_per_child = by_memory ? 1 << 30 : 0;
        harness_start_ready(harness);
        for (int i = 0; i < NEVER_STAGED_ATTEMPTS; i++) {
            warm_up(harness);
            struct run *first = submit_all(harness, "ok");
            assert_false(is_staged_behind(first + 1, first));
            harness_until_all_ended(harness);
        }
        harness_free(harness);
    }
    remove_folder();
}

static void stages_nothing_for_a_runtime_that_does_not_say_so(void **state)
{
    (void)state;
    struct harness *harness = harness_new(NULL);
    harness->config.concurrency = 1;
    harness_start_ready(harness);
    for (int i = 0; i < NEVER_STAGED_ATTEMPTS; i++) {
        warm_up(harness);
        struct run *first = submit_all(harness, "ok");
        assert_false(is_staged_behind(first + 1, first));
        harness_until_all_ended(harness);
    }
    harness_free(harness);
}

/* --- never behind a long one --- */

static unsigned count_ended(const struct run *run, unsigned count)
{
    unsigned ended = 0;
    for (unsigned i = 0; i < count; i++)
        ended += run[i].ended;
    return ended;
}

static bool have_short_ones_ended(struct harness *harness, void *first)
{
    (void)harness;
    return count_ended((struct run *)first + 1, SHORT_JOBS) == SHORT_JOBS;
}

/* With two children: one waits at the gate, and has some of the short jobs behind it. */
static struct run *stage_behind_gate(struct harness *harness)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        warm_up(harness);
        struct run *first = submit_all(harness, until_gate);
        for (int j = 1; j <= SHORT_JOBS; j++)
            if (is_staged_behind(first + j, first))
                return first;
        open_gate();
        harness_until_all_ended(harness);
        unlink(gate);
    }
    fail_msg("nothing was staged");
    return NULL;
}

static void a_job_behind_a_long_one_is_run_by_whoever_is_free(void **state)
{
    (void)state;
    struct harness *harness = start(2);
    struct run *first = stage_behind_gate(harness);
    double begin = harness_now();
    harness_until(harness, have_short_ones_ended, first, 10);
    double seconds = harness_now() - begin;
    print_message("all short ones done after %.1f ms\n", seconds * 1000);
    assert_true(seconds < 2); /* a busy machine included */
    assert_int_equal(first->ended, 0);
    open_gate();
    harness_until_all_ended(harness);
    assert_done(first, SHORT_JOBS + 1);
    finish(harness);
}

/* Until the first ones are done there are always enough others that nobody is idle. */
static void keep_busy(struct harness *harness, struct run *run)
{
    enum { QUEUED = 100 };
    const struct run *first = harness->user;
    (void)run;
    while (count_ended(first + 1, SHORT_JOBS) < SHORT_JOBS && harness->run_count < HARNESS_JOBS &&
           harness->run_count - harness->ended < QUEUED)
        harness_submit(harness, "ok");
}

static void a_job_behind_a_long_one_is_not_overtaken_for_long(void **state)
{
    (void)state;
    struct harness *harness = start(2);
    struct run *first = stage_behind_gate(harness);
    harness->user = first;
    harness->on_ended = keep_busy;
    keep_busy(harness, first);
    harness_until(harness, have_short_ones_ended, first, 10);
    print_message("overtaken by %u jobs\n",
                  harness->ended - (unsigned)(first - harness->runs) - SHORT_JOBS);
    assert_int_equal(first->ended, 0);
    assert_true(harness->run_count < HARNESS_JOBS);
    open_gate();
    harness_until_all_ended(harness);
    finish(harness);
}

static bool are_back(struct harness *harness, void *first)
{
    const struct run *run = first;
    (void)harness;
    for (int i = 1; i <= SHORT_JOBS; i++)
        if (run[i].job.child != NULL)
            return false;
    return true;
}

/* Nobody else could run it, but whether it may run at all is asked when its turn comes. */
static void a_job_behind_a_long_one_is_asked_about_again(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    harness_until(harness, are_back, first, 2);
    harness->refuse_dispatch = true;
    open_gate();
    harness_until_ended(harness, first);
    assert_int_equal(count_ended(first + 1, SHORT_JOBS), 0);
    assert_int_equal(harness_stats(harness).queued, 0);
    finish(harness);
}

/* --- taking back --- */

static void withdraws_staged_jobs(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    assert_false(pool_withdraw(harness->pool, &first->job));
    assert_true(pool_withdraw(harness->pool, &first[1].job));
    assert_true(pool_withdraw(harness->pool, &first[STAGED].job));
    assert_false(pool_withdraw(harness->pool, &first[1].job));
    open_gate();
    harness_until_ended(harness, first + SHORT_JOBS);
    assert_int_equal(first[1].ended, 0);
    assert_int_equal(first[STAGED].ended, 0);
    assert_done(first + 2, STAGED - 2);
    finish(harness);
}

/* Three jobs in one child; the second waits at the gate, and has begun without our being told. */
static struct run *begin_staged_job(struct harness *harness)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        warm_up(harness);
        pool_pause(harness->pool);
        struct run *first = harness_submit(harness, "ok");
        harness_submit(harness, until_gate);
        harness_submit(harness, "ok");
        pool_resume(harness->pool);
        if (is_staged_behind(first + 2, first)) {
            await_begun();
            return first;
        }
        open_gate();
        harness_until_all_ended(harness);
        unlink(gate);
        unlink(gate_begun);
    }
    fail_msg("nothing was staged");
    return NULL;
}

static void does_not_withdraw_what_has_begun(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = begin_staged_job(harness);
    assert_false(pool_withdraw(harness->pool, &first[1].job));
    assert_true(pool_withdraw(harness->pool, &first[2].job));
    pool_submit(harness->pool, &first[2].job);
    open_gate();
    harness_until_all_ended(harness);
    assert_done(first, 3);
    finish(harness);
}

static void a_kill_of_a_job_that_has_ended_does_not_hit_the_next(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = begin_staged_job(harness);
    assert_true(pool_kill_job(harness->pool, &first->job, SIGKILL));
    open_gate();
    harness_until_all_ended(harness);
    assert_done(first, 3);
    assert_int_equal(harness_stats(harness).spawned, 1);
    finish(harness);
}

static void a_kill_finds_a_job_that_has_just_begun(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = begin_staged_job(harness);
    assert_true(pool_kill_job(harness->pool, &first[1].job, SIGTERM));
    harness_until_all_ended(harness);
    assert_int_equal(first[0].ending.verdict, POOL_DONE);
    assert_int_equal(first[1].ending.verdict, POOL_TERMINATED);
    assert_int_equal(first[1].ending.signal, SIGTERM);
    assert_int_equal(first[2].ending.verdict, POOL_DONE);
    finish(harness);
}

static void a_signal_does_not_hit_the_next_job(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = begin_staged_job(harness);
    assert_true(pool_signal_job(harness->pool, &first->job, SIGUSR2));
    open_gate();
    harness_until_all_ended(harness);
    assert_done(first, 3);
    assert_int_equal(harness_stats(harness).spawned, 1);
    finish(harness);
}

static void a_signal_finds_a_job_that_has_just_begun(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = begin_staged_job(harness);
    assert_true(pool_signal_job(harness->pool, &first[1].job, SIGUSR2));
    harness_until_all_ended(harness);
    assert_int_equal(first[0].ending.verdict, POOL_DONE);
    assert_int_equal(first[1].ending.verdict, POOL_TERMINATED);
    assert_int_equal(first[1].ending.signal, SIGUSR2);
    assert_int_equal(first[2].ending.verdict, POOL_DONE);
    finish(harness);
}

static void a_signal_does_not_reach_a_staged_job(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    assert_false(pool_signal_job(harness->pool, &first[1].job, SIGUSR2));
    assert_true(pool_signal_job(harness->pool, &first->job, SIGUSR2));
    harness_until_all_ended(harness);
    assert_int_equal(first->ending.verdict, POOL_TERMINATED);
    assert_done(first + 1, SHORT_JOBS);
    finish(harness);
}

static void a_kill_does_not_reach_a_staged_job(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    assert_false(pool_kill_job(harness->pool, &first[1].job, SIGKILL));
    assert_true(pool_kill_job(harness->pool, &first->job, SIGKILL));
    harness_until_all_ended(harness);
    assert_int_equal(first->ending.verdict, POOL_TERMINATED);
    assert_done(first + 1, SHORT_JOBS);
    assert_in_order(first + 1, SHORT_JOBS);
    finish(harness);
}

static void a_pause_takes_staged_jobs_back(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    pool_pause(harness->pool);
    for (int i = 1; i <= SHORT_JOBS; i++)
        assert_null(first[i].job.child);
    open_gate();
    harness_until_ended(harness, first);
    assert_int_equal(harness_stats(harness).queued, SHORT_JOBS);
    assert_int_equal(harness_stats(harness).busy, 0);
    pool_resume(harness->pool);
    harness_until_all_ended(harness);
    assert_done(first, SHORT_JOBS + 1);
    assert_in_order(first, SHORT_JOBS + 1);
    finish(harness);
}

static void a_shrinking_pool_takes_staged_jobs_back(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    pool_grow(harness->pool, 1);
    harness_until_ready(harness, 2);
    harness_until(harness, have_short_ones_ended, first, 10);
    assert_true(pool_shrink(harness->pool, 1));
    open_gate();
    harness_until_all_ended(harness);
    assert_done(first, SHORT_JOBS + 1);
    finish(harness);
}

static void a_warm_stop_returns_staged_jobs(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    pool_leave(harness->pool);
    for (int i = 1; i <= SHORT_JOBS; i++) {
        assert_int_equal(first[i].ended, 1);
        assert_int_equal(first[i].ending.verdict, POOL_RETURNED);
        assert_false(first[i].ending.started);
    }
    open_gate();
    harness_until_stopped(harness);
    assert_int_equal(first->ending.verdict, POOL_DONE);
    finish(harness);
}

static void a_cold_stop_returns_staged_jobs(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *first = stage_behind(harness, until_gate);
    await_begun();
    pool_terminate(harness->pool);
    for (int i = 1; i <= SHORT_JOBS; i++)
        assert_int_equal(first[i].ending.verdict, POOL_RETURNED);
    harness_until_stopped(harness);
    assert_int_equal(first->ending.verdict, POOL_TERMINATED);
    assert_true(first->ending.started);
    finish(harness);
}

/* --- deaths --- */

static void a_death_does_not_charge_staged_jobs(void **state)
{
    (void)state;
    static const char *const ends[] = {"exit 3", "raise 11", "garbage", "retire"};
    struct harness *harness = start(1);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct run *first = stage_behind(harness, ends[i]);
        harness_until_all_ended(harness);
        print_message("%s\n", ends[i]);
        assert_int_equal(first->ending.verdict, i < 3 ? POOL_LOST : POOL_DONE);
        assert_done(first + 1, SHORT_JOBS);
        assert_in_order(first + 1, SHORT_JOBS);
        for (int j = 1; j <= SHORT_JOBS; j++) {
            assert_int_equal(first[j].job.returned, 0);
            assert_int_not_equal(first[j].ending.pid, first->ending.pid);
        }
    }
    finish(harness);
}

static void a_job_that_was_read_but_not_begun_runs_again(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *run = harness_submit(harness, "no-claim");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_false(run->ending.started);
    assert_int_equal(harness_stats(harness).spawned, 5);
    struct run *begun = harness_submit(harness, "exit 3");
    harness_until_ended(harness, begun);
    assert_int_equal(begun->ending.verdict, POOL_LOST);
    assert_true(begun->ending.started);
    assert_int_equal(begun->job.returned, 0);
    finish(harness);
}

static void a_job_that_was_claimed_too_late_has_not_begun(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *run = harness_submit(harness, "late-claim");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_false(run->ending.started);
    assert_int_equal(harness_stats(harness).spawned, 5);
    finish(harness);
}

static void a_job_that_was_not_claimed_has_no_result(void **state)
{
    (void)state;
    struct harness *harness = start(1);
    struct run *run = harness_submit(harness, "unclaimed");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_LOST);
    assert_true(harness_noticed(harness, "broke the protocol"));
    finish(harness);
}

/* --- all of it --- */

enum { RANDOM_JOBS = 3000, WINDOW = 60 };

static unsigned begun_count[HARNESS_JOBS + 1];

static void read_journal(void)
{
    uint64_t number;
    FILE *file = fopen(journal, "re");
    assert_non_null(file);
    memset(begun_count, 0, sizeof(begun_count));
    while (fread(&number, sizeof(number), 1, file) == 1) {
        assert_in_range(number, 1, HARNESS_JOBS);
        begun_count[number]++;
    }
    fclose(file);
}

static void meddle(struct harness *harness)
{
    pid_t pids[16];
    long choice = random() % 200;
    struct run *run = &harness->runs[(unsigned)random() % harness->run_count];
    if (choice == 0) {
        pool_pause(harness->pool);
        pool_resume(harness->pool);
    } else if (choice < 3) {
        size_t count = pool_get_pids(harness->pool, pids, ARRAY_LEN(pids));
        if (count > 0)
            kill(pids[(size_t)random() % count], SIGKILL);
    } else if (choice < 20 && run->ended == 0 && pool_withdraw(harness->pool, &run->job)) {
        pool_submit(harness->pool, &run->job); /* it gets another number */
    }
}

static void go_on(struct harness *harness, struct run *run)
{
    static const char *const bodies[] = {"ok", "ok",     "ok",          "ok", "ok",
                                         "ok", "exit 1", "sleep 0.004", "ok", "result-then-die"};
    (void)run;
    while (harness->run_count < RANDOM_JOBS && harness->run_count - harness->ended < WINDOW)
        harness_submit(harness,
                       random() % 8 == 0 ? bodies[(unsigned)random() % ARRAY_LEN(bodies)] : "ok");
    meddle(harness);
}

static bool is_over(struct harness *harness, void *context)
{
    (void)context;
    return harness->ended == RANDOM_JOBS;
}

static void run_at_random(const char *word)
{
    struct harness *harness = start_with(3, word);
    srandom(1);
    harness->on_ended = go_on;
    harness_submit(harness, "ok");
    harness_until(harness, is_over, NULL, 60);
    read_journal();
    unsigned lost = 0;
    for (unsigned i = 0; i < RANDOM_JOBS; i++) {
        const struct run *run = &harness->runs[i];
        assert_true(run->ending.verdict == POOL_DONE || run->ending.verdict == POOL_LOST);
        lost += run->ending.verdict == POOL_LOST;
        assert_int_equal(run->ended, 1);
        assert_true(run->ending.started);
        if (run->ending.verdict == POOL_DONE)
            assert_int_equal(begun_count[run->job.number], 1);
        assert_true(begun_count[run->job.number] <= 1);
    }
    print_message("%u lost, %llu children\n", lost,
                  (unsigned long long)harness_stats(harness).spawned);
    finish(harness);
}

static void no_job_begins_twice_or_is_called_unbegun_when_it_did_begin(void **state)
{
    (void)state;
    run_at_random(NULL);
}

static void nor_where_children_claim_by_setting_a_bit(void **state)
{
    (void)state;
    run_at_random("sets-bit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_a_few_jobs_behind_a_short_one),
        cmocka_unit_test(stages_nothing_while_somebody_is_idle),
        cmocka_unit_test(stages_plain_jobs_behind_plain_jobs_only),
        cmocka_unit_test(stages_nothing_where_children_are_recycled),
        cmocka_unit_test(stages_nothing_for_a_runtime_that_does_not_say_so),
        cmocka_unit_test(a_job_behind_a_long_one_is_run_by_whoever_is_free),
        cmocka_unit_test(a_job_behind_a_long_one_is_not_overtaken_for_long),
        cmocka_unit_test(a_job_behind_a_long_one_is_asked_about_again),
        cmocka_unit_test(withdraws_staged_jobs),
        cmocka_unit_test(does_not_withdraw_what_has_begun),
        cmocka_unit_test(a_kill_of_a_job_that_has_ended_does_not_hit_the_next),
        cmocka_unit_test(a_kill_finds_a_job_that_has_just_begun),
        cmocka_unit_test(a_kill_does_not_reach_a_staged_job),
        cmocka_unit_test(a_signal_does_not_hit_the_next_job),
        cmocka_unit_test(a_signal_finds_a_job_that_has_just_begun),
        cmocka_unit_test(a_signal_does_not_reach_a_staged_job),
        cmocka_unit_test(a_pause_takes_staged_jobs_back),
        cmocka_unit_test(a_shrinking_pool_takes_staged_jobs_back),
        cmocka_unit_test(a_warm_stop_returns_staged_jobs),
        cmocka_unit_test(a_cold_stop_returns_staged_jobs),
        cmocka_unit_test(a_death_does_not_charge_staged_jobs),
        cmocka_unit_test(a_job_that_was_read_but_not_begun_runs_again),
        cmocka_unit_test(a_job_that_was_claimed_too_late_has_not_begun),
        cmocka_unit_test(a_job_that_was_not_claimed_has_no_result),
        cmocka_unit_test(no_job_begins_twice_or_is_called_unbegun_when_it_did_begin),
        cmocka_unit_test(nor_where_children_claim_by_setting_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
