/* SPDX-License-Identifier: BSD-3-Clause */
/* Random jobs, while children and forkservers are killed at random: every job ends exactly once,
 * and nothing is left over (the harness counts descriptors and processes, the sanitizers memory).
 * CHAOS_SEED and CHAOS_JOBS change the run. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pool/harness.h"

enum { CHILDREN = 4, JOBS = 2500, WINDOW = 40, TICK = 3 };

static const struct {
    const char *body;
    unsigned weight;
    bool may_be_done;
} jobs[] = {
    {"ok", 60, true},
    {"sleep 0.001", 20, true},
    {"sleep 0.01", 8, true},
    {"soft", 2, true},
    {"hang", 2, false},
    {"exit 1", 2, false},
    {"raise 11", 1, false},
    {"raise 9", 1, false},
    {"partial", 1, false},
    {"garbage", 1, false},
    {"huge", 1, false},
    {"close", 1, false},
    {"retire", 2, true},
    {"result-then-die", 2, true},
    {"rss 99999", 2, true},
    {"two-results", 1, true},
    {"result-then-hang", 1, true},
    {"no-start die", 1, false},
    {"wrong-job", 1, false},
    {"error of its own", 1, false},
    {"descriptors", 2, true},
};

struct chaos {
    struct harness *harness;
    uv_timer_t timer;
    uint64_t seed;
    bool ahead;
    unsigned total, ticks;
    bool killed[HARNESS_JOBS], can_be_done[HARNESS_JOBS];
};

static unsigned below(struct chaos *chaos, unsigned limit)
{
    chaos->seed = chaos->seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(chaos->seed >> 33) % limit;
}

static size_t choose(struct chaos *chaos)
{
    unsigned total = 0;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        total += jobs[i].weight;
    unsigned number = below(chaos, total);
    size_t i = 0;
    while (number >= jobs[i].weight)
        number -= jobs[i++].weight;
    return i;
}

static void submit(struct chaos *chaos)
{
    size_t choice = choose(chaos);
    struct run *run = harness_run(chaos->harness, jobs[choice].body);
    chaos->can_be_done[run - chaos->harness->runs] = jobs[choice].may_be_done;
    run->job.want_started = below(chaos, 3) == 0;
    run->job.suspect = below(chaos, 20) == 0;
    if (below(chaos, 4) == 0 || strcmp(run->body, "hang") == 0 || strcmp(run->body, "soft") == 0) {
        run->job.soft_limit = 0.002 * (1 + below(chaos, 10));
        run->job.hard_limit = 0.005 * (1 + below(chaos, 10));
    }
    if (strcmp(run->body, "no-start die") == 0)
        run->job.want_started = true;
    pool_submit(chaos->harness->pool, &run->job);
}

static void refill(struct chaos *chaos)
{
    struct harness *harness = chaos->harness;
    while (harness->run_count < chaos->total && harness->run_count - harness->ended < WINDOW)
        submit(chaos);
}

static void kill_a_child(struct chaos *chaos)
{
    pid_t pids[64];
    size_t count = pool_get_pids(chaos->harness->pool, pids, ARRAY_LEN(pids));
    if (count > 0 && count <= ARRAY_LEN(pids))
        kill(pids[below(chaos, (unsigned)count)], below(chaos, 4) == 0 ? SIGQUIT : SIGKILL);
}

static void kill_a_job(struct chaos *chaos)
{
    struct harness *harness = chaos->harness;
    int signal = below(chaos, 2) == 0 ? SIGTERM : SIGUSR2;
    unsigned skip = below(chaos, CHILDREN);
    for (unsigned i = 0; i < harness->run_count; i++)
        if (harness->runs[i].ended == 0 && harness->runs[i].job.child != NULL && skip-- == 0) {
            bool killed = pool_kill_job(harness->pool, &harness->runs[i].job, signal);
            chaos->killed[i] = chaos->killed[i] || killed;
            assert_true(killed || chaos->ahead); /* a staged job has not begun */
            return;
        }
}

static void resize(struct chaos *chaos)
{
    if (below(chaos, 2) == 0)
        pool_grow(chaos->harness->pool, 1);
    else if (!pool_shrink(chaos->harness->pool, 1))
        pool_grow(chaos->harness->pool, CHILDREN - 1);
}

static void on_tick(uv_timer_t *timer)
{
    struct chaos *chaos = timer->data;
    chaos->ticks++;
    refill(chaos);
    if (below(chaos, 3) == 0)
        kill_a_child(chaos);
    if (below(chaos, 4) == 0)
        kill_a_job(chaos);
    if (below(chaos, 30) == 0)
        resize(chaos);
    /* A forkserver that dies twice within 10 s makes its successor wait: mostly, let it live. */
    if (chaos->ticks % 400 == 100)
        kill(harness_forkserver(), SIGKILL);
}

static void on_ended(struct harness *harness, struct run *run)
{
    (void)run;
    refill(harness->user);
}

static bool is_over(struct harness *harness, void *chaos)
{
    return harness->ended == ((struct chaos *)chaos)->total;
}

static void check_endings(const struct chaos *chaos)
{
    unsigned verdicts[POOL_RETURNED + 1] = {0};
    for (unsigned i = 0; i < chaos->total; i++) {
        const struct run *run = &chaos->harness->runs[i];
        assert_int_equal(run->ended, 1);
        verdicts[run->ending.verdict]++;
        if (run->ending.verdict == POOL_DONE)
            assert_true(chaos->can_be_done[i]);
        if (run->ending.verdict == POOL_TIME_LIMIT)
            assert_true(run->job.hard_limit > 0);
        if (run->ending.verdict == POOL_TERMINATED)
            assert_true(chaos->killed[i]);
        assert_int_not_equal(run->ending.verdict, POOL_RETURNED);
    }
    print_message("done %u, lost %u, time limit %u, terminated %u\n", verdicts[POOL_DONE],
                  verdicts[POOL_LOST], verdicts[POOL_TIME_LIMIT], verdicts[POOL_TERMINATED]);
}

/* Children that no forkserver lived to announce leave by themselves. */
static void reap_unannounced_children(void)
{
    for (int i = 0; i < 1000 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
        usleep(5000);
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

/* Jobs are sent ahead only where children are not recycled. */
static void run_chaos(bool ahead)
{
    struct chaos *chaos = calloc(1, sizeof(*chaos));
    chaos->seed = setting("CHAOS_SEED", 1);
    chaos->total = (unsigned)setting("CHAOS_JOBS", JOBS);
    chaos->ahead = ahead;
    struct harness *harness = chaos->harness =
        harness_new((const char *const[]){ahead ? "ahead" : NULL, NULL});
    harness->user = chaos;
    harness->on_ended = on_ended;
    harness->config.concurrency = CHILDREN;
    harness->config.max_tasks_per_child = ahead ? 0 : 25;
    harness->config.max_memory_per_child = ahead ? 0 : 50000;
    harness->config.load_timeout = harness->config.start_timeout = 2;
    harness->config.kill_timeout = 0.5;
    harness_start_ready(harness);
    uv_timer_init(&harness->loop, &chaos->timer);
    chaos->timer.data = chaos;
    uv_timer_start(&chaos->timer, on_tick, TICK, TICK);
    print_message("seed %llu\n", (unsigned long long)chaos->seed);
    harness_until(harness, is_over, chaos, 100);
    uv_close((uv_handle_t *)&chaos->timer, NULL);
    struct pool_stats stats = harness_stats(harness);
    print_message("%llu children, %u forkservers\n", (unsigned long long)stats.spawned,
                  stats.forkservers);
    pool_leave(harness->pool);
    harness_until_stopped(harness);
    reap_unannounced_children();
    check_endings(chaos);
    harness_free(harness);
    free(chaos);
}

static void every_job_ends_once_whoever_is_killed(void **state)
{
    (void)state;
    run_chaos(false);
}

static void every_job_ends_once_with_jobs_sent_ahead(void **state)
{
    (void)state;
    run_chaos(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_ends_once_whoever_is_killed),
        cmocka_unit_test(every_job_ends_once_with_jobs_sent_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
