/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/pool/harness.h"

#include "codec/frame.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned descriptors_before;

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* --- what the pool tells --- */

static void on_hello(void *context, const msgpack_object *description)
{
    struct harness *harness = context;
    struct text runtime = {NULL, 0};
    assert_true(value_as_text(value_get(description, "runtime"), &runtime));
    assert_true(text_equal(runtime, "scripted"));
    harness->hellos++;
    if (harness->on_hello != NULL)
        harness->on_hello(harness);
}

static bool on_dispatch(void *context, struct pool_job *job)
{
    (void)job;
    return !((struct harness *)context)->refuse_dispatch;
}

static void on_started(void *context, struct pool_job *job, pid_t pid)
{
    (void)context;
    struct run *run = CONTAINER_OF(job, struct run, job);
    run->started++;
    run->started_pid = pid;
    run->started_at = harness_now();
}

static void on_soft_limit(void *context, struct pool_job *job)
{
    (void)context;
    CONTAINER_OF(job, struct run, job)->soft_limits++;
}

static bool on_follow_up(void *context, struct pool_job *job, const struct frame *frame)
{
    struct harness *harness = context;
    struct run *run = CONTAINER_OF(job, struct run, job);
    size_t used = strlen(run->told);
    struct text text = frame->type == FRAME_PUBLISH ? frame_text(frame, 3) : frame_text(frame, 2);
    run->follow_ups[frame->type - FRAME_PUBLISH]++;
    snprintf(run->told + used, sizeof(run->told) - used, "%.*s;", (int)text.size, text.data);
    assert_int_equal(run->ended, 0);
    return !harness->deaf;
}

static void on_ended(void *context, struct pool_job *job, const struct pool_ending *ending)
{
    struct harness *harness = context;
    struct run *run = CONTAINER_OF(job, struct run, job);
    struct text state;
    run->ended++;
    run->ending = *ending;
    run->ended_at = harness_now();
    run->order = harness->ended++;
    if (ending->verdict == POOL_DONE) {
        assert_true(value_as_text(value_get(ending->report, "state"), &state));
        snprintf(run->state, sizeof(run->state), "%.*s", (int)state.size, state.data);
        snprintf(run->document, sizeof(run->document), "%.*s", (int)ending->document.size,
                 ending->document.data);
        run->document_size = ending->document.size;
        run->as_expected = run->expect != NULL &&
                           memcmp(run->expect, ending->document.data, run->document_size) == 0;
    }
    if (harness->on_ended != NULL)
        harness->on_ended(harness, run);
}

static void on_notice(void *context, enum pool_severity severity, const char *text)
{
    struct harness *harness = context;
    size_t used = strlen(harness->notices);
    if (getenv("VERBOSE") != NULL)
        fprintf(stderr, "[%d] %s\n", (int)severity, text);
    if (severity < POOL_WARNING)
        return;
    harness->errors += severity == POOL_ERROR;
    snprintf(harness->notices + used, sizeof(harness->notices) - used, "%s\n", text);
}

static void on_failed(void *context, const char *text)
{
    struct harness *harness = context;
    snprintf(harness->failed, sizeof(harness->failed), "%s", text);
}

static void on_stopped(void *context)
{
    struct harness *harness = context;
    harness->stopped++;
}

/* --- life --- */

struct harness *harness_new(const char *const *words)
{
    struct harness *harness = calloc(1, sizeof(*harness));
    assert_non_null(harness);
    /* The first loop of a process leaves descriptors behind that libuv keeps for all loops. */
    assert_int_equal(uv_loop_init(&harness->loop), 0);
    uv_loop_close(&harness->loop);
    descriptors_before = count_descriptors();
    harness->argv[0] = SCRIPTED;
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        harness->argv[i + 1] = words[i];
    harness->config = (struct pool_config){.argv = harness->argv,
                                           .concurrency = 2,
                                           .load_timeout = 10,
                                           .start_timeout = 10,
                                           .kill_timeout = 2,
                                           .leave_timeout = 2};
    return harness;
}

/* Ticks, since a turn of the loop that runs another timer first would wait for one more event. */
static void on_deadline(uv_timer_t *timer)
{
    struct harness *harness = timer->data;
    harness->timed_out = harness_now() >= harness->due;
}

static void set_deadline(struct harness *harness, double seconds)
{
    enum { TICK = 5 };
    harness->timed_out = false;
    harness->due = harness_now() + seconds;
    uv_timer_start(&harness->deadline, on_deadline, TICK, TICK);
}

void harness_create(struct harness *harness)
{
    static const struct pool_handler handler = {
        on_hello, on_dispatch, on_started, on_soft_limit, on_follow_up,
        on_ended, on_notice,   on_failed,  on_stopped,
    };
    assert_int_equal(uv_loop_init(&harness->loop), 0);
    uv_timer_init(&harness->loop, &harness->deadline);
    harness->deadline.data = harness;
    harness->pool = pool_new(&harness->loop, &harness->config, &handler, harness);
    assert_non_null(harness->pool);
}

void harness_start(struct harness *harness)
{
    harness_create(harness);
    assert_int_equal(pool_start(harness->pool), 0);
}

void harness_start_ready(struct harness *harness)
{
    harness_start(harness);
    harness_until_ready(harness, harness->config.concurrency);
}

static void assert_no_processes(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

void harness_free(struct harness *harness)
{
    if (harness->pool != NULL) {
        if (harness->stopped == 0)
            pool_terminate(harness->pool);
        harness_until_stopped(harness);
        pool_free(harness->pool);
        uv_close((uv_handle_t *)&harness->deadline, NULL);
        uv_run(&harness->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&harness->loop), 0);
        assert_no_processes();
        for (unsigned i = 0; i < harness->run_count; i++)
            assert_true(harness->runs[i].ended <= 1);
    }
    free(harness);
    assert_int_equal(count_descriptors(), descriptors_before);
}

struct run *harness_run(struct harness *harness, const char *body)
{
    static const uint8_t request[] = {0x81, 0xa4, 't', 'a', 's', 'k', 0xa1, 't'};
    assert_true(harness->run_count < HARNESS_JOBS);
    struct run *run = &harness->runs[harness->run_count++];
    snprintf(run->body, sizeof(run->body), "%s", body);
    run->job.request = (struct bytes){request, sizeof(request)};
    run->job.body = (struct bytes){run->body, strlen(run->body)};
    return run;
}

struct run *harness_submit(struct harness *harness, const char *body)
{
    struct run *run = harness_run(harness, body);
    pool_submit(harness->pool, &run->job);
    return run;
}

struct run *harness_start_job(struct harness *harness, const char *body)
{
    struct run *run = harness_run(harness, body);
    run->job.want_started = true;
    pool_submit(harness->pool, &run->job);
    harness_until_started(harness, run);
    return run;
}

pid_t harness_child(struct harness *harness)
{
    struct run *run = harness_submit(harness, "pid");
    harness_until_ended(harness, run);
    assert_int_equal(run->ending.verdict, POOL_DONE);
    return run->ending.pid;
}

/* --- waiting --- */

void harness_until(struct harness *harness, bool (*done)(struct harness *, void *), void *context,
                   double seconds)
{
    set_deadline(harness, seconds);
    while (!done(harness, context) && !harness->timed_out)
        uv_run(&harness->loop, UV_RUN_ONCE);
    uv_timer_stop(&harness->deadline);
    if (!done(harness, context))
        print_message("notices:\n%s", harness->notices);
    assert_true(done(harness, context));
}

enum { PATIENCE = 10 };

static bool has_ended(struct harness *harness, void *run)
{
    (void)harness;
    return ((struct run *)run)->ended > 0;
}

void harness_until_ended(struct harness *harness, struct run *run)
{
    harness_until(harness, has_ended, run, PATIENCE);
}

static bool has_started(struct harness *harness, void *run)
{
    (void)harness;
    return ((struct run *)run)->started > 0;
}

void harness_until_started(struct harness *harness, struct run *run)
{
    harness_until(harness, has_started, run, PATIENCE);
}

static bool have_all_ended(struct harness *harness, void *context)
{
    (void)context;
    return harness->ended == harness->run_count;
}

void harness_until_all_ended(struct harness *harness)
{
    harness_until(harness, have_all_ended, NULL, PATIENCE);
}

static bool are_ready(struct harness *harness, void *context)
{
    return harness_stats(harness).ready == *(unsigned *)context;
}

void harness_until_ready(struct harness *harness, unsigned children)
{
    harness_until(harness, are_ready, &children, PATIENCE);
}

static bool are_spawned(struct harness *harness, void *context)
{
    return harness_stats(harness).spawned >= *(uint64_t *)context;
}

void harness_until_spawned(struct harness *harness, uint64_t children)
{
    harness_until(harness, are_spawned, &children, PATIENCE);
}

static bool are_started(struct harness *harness, void *context)
{
    return harness_stats(harness).forkservers >= *(unsigned *)context;
}

void harness_until_servers(struct harness *harness, unsigned forkservers)
{
    harness_until(harness, are_started, &forkservers, PATIENCE);
}

static bool have_greeted(struct harness *harness, void *context)
{
    return harness->hellos >= *(unsigned *)context;
}

void harness_until_hello(struct harness *harness, unsigned hellos)
{
    harness_until(harness, have_greeted, &hellos, PATIENCE);
}

static bool have_failed(struct harness *harness, void *context)
{
    return harness_stats(harness).failures >= *(unsigned *)context;
}

void harness_until_failures(struct harness *harness, unsigned failures)
{
    harness_until(harness, have_failed, &failures, PATIENCE);
}

static bool is_noticed(struct harness *harness, void *part)
{
    return harness_noticed(harness, part);
}

void harness_until_notice(struct harness *harness, const char *part)
{
    harness_until(harness, is_noticed, (void *)part, PATIENCE);
}

static bool is_stopped(struct harness *harness, void *context)
{
    (void)context;
    return harness->stopped > 0;
}

void harness_until_stopped(struct harness *harness)
{
    harness_until(harness, is_stopped, NULL, PATIENCE);
    assert_int_equal(harness->stopped, 1);
}

void harness_for(struct harness *harness, double seconds)
{
    set_deadline(harness, seconds);
    while (!harness->timed_out)
        uv_run(&harness->loop, UV_RUN_ONCE);
    uv_timer_stop(&harness->deadline);
}

/* --- looking --- */

double harness_now(void)
{
    return (double)uv_hrtime() * 1e-9;
}

struct pool_stats harness_stats(const struct harness *harness)
{
    struct pool_stats stats;
    pool_get_stats(harness->pool, &stats);
    return stats;
}

bool harness_noticed(const struct harness *harness, const char *part)
{
    return strstr(harness->notices, part) != NULL || strstr(harness->failed, part) != NULL;
}

bool harness_exists(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    fclose(file);
    return (pid_t)parent;
}

pid_t harness_forkserver(void)
{
    pid_t found = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && parent_of(pid) == getpid() && getsid(pid) == pid)
            found = pid > found ? pid : found;
    }
    closedir(folder);
    return found;
}
