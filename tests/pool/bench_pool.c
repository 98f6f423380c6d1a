/* SPDX-License-Identifier: BSD-3-Clause */
/* How many jobs a second the pool moves, and what one costs: bench_pool [JOBS [CHILDREN
 * [WAITING [BODY [LIMIT [AHEAD [SPIN]]]]]]]. WAITING jobs are in the pool at any time; BODY is in
 * bytes; LIMIT is a hard time limit in seconds; AHEAD 1: the children know the claim page; SPIN: a
 * job takes so many microseconds of CPU. Not run as a test. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "codec/frame.h"
#include "worker/pool/pool.h"

struct bench {
    struct pool *pool;
    struct pool_job *jobs;
    unsigned long total, submitted, ended;
    unsigned children;
    uint64_t begin, end;
    struct rusage before, after;
};

static double cpu(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static double switches(const struct rusage *before, const struct rusage *after)
{
    return (double)(after->ru_nvcsw + after->ru_nivcsw - before->ru_nvcsw - before->ru_nivcsw);
}

static void on_hello(void *context, const msgpack_object *description)
{
    (void)context, (void)description;
}

static bool on_dispatch(void *context, struct pool_job *job)
{
    (void)context, (void)job;
    return true;
}

static void on_started(void *context, struct pool_job *job, pid_t pid)
{
    (void)context, (void)job, (void)pid;
}

static void on_soft_limit(void *context, struct pool_job *job)
{
    (void)context, (void)job;
}

static void submit(struct bench *bench, struct pool_job *job)
{
    if (bench->submitted == bench->total)
        return;
    bench->submitted++;
    pool_submit(bench->pool, job);
}

static bool on_follow_up(void *context, struct pool_job *job, const struct frame *frame)
{
    (void)context, (void)job, (void)frame;
    return true;
}

static void on_ended(void *context, struct pool_job *job, const struct pool_ending *ending)
{
    struct bench *bench = context;
    if (ending->verdict != POOL_DONE)
        fprintf(stderr, "a job was not done but %d\n", (int)ending->verdict);
    if (++bench->ended < bench->total) {
        submit(bench, job);
        return;
    }
    bench->end = uv_hrtime();
    getrusage(RUSAGE_SELF, &bench->after);
    pool_leave(bench->pool);
}

static void on_notice(void *context, enum pool_severity severity, const char *text)
{
    (void)context;
    if (severity >= POOL_WARNING)
        fprintf(stderr, "%s\n", text);
}

static void on_failed(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void on_stopped(void *context)
{
    (void)context;
}

static void on_timer(uv_timer_t *timer)
{
    struct bench *bench = timer->data;
    struct pool_stats stats;
    pool_get_stats(bench->pool, &stats);
    if (stats.ready < bench->children)
        return;
    uv_close((uv_handle_t *)timer, NULL);
    getrusage(RUSAGE_SELF, &bench->before);
    bench->begin = uv_hrtime();
    for (struct pool_job *job = bench->jobs; job->request.data != NULL; job++)
        submit(bench, job);
}

static unsigned long argument(int argc, char **argv, int index, unsigned long otherwise)
{
    return argc > index ? strtoul(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static const struct pool_handler handler = {
        on_hello, on_dispatch, on_started, on_soft_limit, on_follow_up,
        on_ended, on_notice,   on_failed,  on_stopped,
    };
    static const char *words[] = {SCRIPTED, NULL, NULL};
    /* As long as the request of a small task is. */
    static uint8_t request[600] = {0x81, 0xa4, 't', 'a', 's', 'k', 0xda, 600 / 256, 600 % 256 - 9};
    struct bench bench = {.total = argument(argc, argv, 1, 200000),
                          .children = (unsigned)argument(argc, argv, 2, 2)};
    unsigned long waiting = argument(argc, argv, 3, 100), size = argument(argc, argv, 4, 80);
    double limit = (double)argument(argc, argv, 5, 0);
    struct pool_config config = {.argv = words,
                                 .concurrency = bench.children,
                                 .load_timeout = 10,
                                 .start_timeout = 10,
                                 .kill_timeout = 10,
                                 .leave_timeout = 10};
    if (argument(argc, argv, 6, 0) != 0)
        words[1] = "ahead";
    unsigned long spin = argument(argc, argv, 7, 0);
    uv_timer_t timer;
    char *body = calloc(1, size + 1);
    bench.jobs = calloc(waiting + 1, sizeof(*bench.jobs));
    if (bench.jobs == NULL || body == NULL)
        exit(1);
    if (spin > 0)
        snprintf(body, size + 1, "spin %lu", spin);
    for (unsigned long i = 0; i < waiting; i++)
        bench.jobs[i] = (struct pool_job){
            .request = {request, sizeof(request)}, .body = {body, size}, .hard_limit = limit};
    bench.pool = pool_new(uv_default_loop(), &config, &handler, &bench);
    if (bench.pool == NULL || pool_start(bench.pool) != 0)
        exit(1);
    uv_timer_init(uv_default_loop(), &timer);
    timer.data = &bench;
    uv_timer_start(&timer, on_timer, 1, 1);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    pool_free(bench.pool);
    uv_loop_close(uv_default_loop());

    struct rusage others;
    getrusage(RUSAGE_CHILDREN, &others);
    double wall = (double)(bench.end - bench.begin) / 1e9, total = (double)bench.total;
    double mine = (cpu(&bench.after) - cpu(&bench.before)) / total * 1e6;
    printf("%lu jobs, %u children: %.0f jobs/s; CPU per job: main %.2f us, children %.2f us; "
           "context switches per job: main %.3f, children %.3f\n",
           bench.total, bench.children, total / wall, mine, cpu(&others) / total * 1e6,
           switches(&bench.before, &bench.after) / total,
           (double)(others.ru_nvcsw + others.ru_nivcsw) / total);
    free(bench.jobs);
    free(body);
    return 0;
}
