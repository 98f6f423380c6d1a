/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TEST_POOL_HARNESS_H
#define CELERIAC_TEST_POOL_HARNESS_H

/* A pool on a loop of its own, with the scripted runtime, that remembers everything it is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/pool/pool.h"

enum { HARNESS_JOBS = 4096, HARNESS_WORDS = 12 };

struct run {
    struct pool_job job;
    char body[64];
    unsigned started, soft_limits, ended;
    unsigned follow_ups[3]; /* PUBLISH, STORE, CHORD */
    char told[512];         /* what they said, one after the other */
    pid_t started_pid;
    struct pool_ending ending; /* report and document are gone, these are copies: */
    char state[16], document[512];
    size_t document_size;
    const char *expect; /* the document is to be these document_size bytes; may be NULL */
    bool as_expected;
    double started_at, ended_at; /* pool's clock */
    uint64_t order;              /* of the endings */
};

struct harness {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct pool *pool;
    struct pool_config config;
    const char *argv[HARNESS_WORDS];
    struct run runs[HARNESS_JOBS];
    unsigned run_count, ended, hellos, stopped;
    double due;
    bool timed_out;
    char failed[32768];  /* on_failed's text */
    char notices[65536]; /* of warning and error, a line each */
    unsigned errors;
    bool refuse_dispatch;
    bool deaf;                                                  /* on_follow_up takes no more */
    void (*on_ended)(struct harness *harness, struct run *run); /* NULL: nothing more */
    void (*on_hello)(struct harness *harness);                  /* likewise */
    void *user;
};

/* The scripted runtime with `words` (NULL at the end) as its arguments; 2 children. Tests change
 * config before harness_start. */
struct harness *harness_new(const char *const *words);
void harness_create(struct harness *harness); /* the pool, without starting it */
void harness_start(struct harness *harness);
/* Start, and wait until all children are ready. */
void harness_start_ready(struct harness *harness);
/* pool_terminate unless it is stopped, wait, free; checks that nothing is left: processes, zombies,
 * descriptors, timers. */
void harness_free(struct harness *harness);

/* The next unused run, with this body; not submitted. */
struct run *harness_run(struct harness *harness, const char *body);
struct run *harness_submit(struct harness *harness, const char *body);

/* With want_started; returns when it has started. */
struct run *harness_start_job(struct harness *harness, const char *body);
/* The pid of some child that is idle. */
pid_t harness_child(struct harness *harness);

/* Runs the loop until done(context); the test fails after `seconds`. */
void harness_until(struct harness *harness, bool (*done)(struct harness *, void *), void *context,
                   double seconds);
void harness_until_ended(struct harness *harness, struct run *run);
void harness_until_started(struct harness *harness, struct run *run);
void harness_until_all_ended(struct harness *harness);
void harness_until_ready(struct harness *harness, unsigned children);
void harness_until_spawned(struct harness *harness, uint64_t children);
void harness_until_servers(struct harness *harness, unsigned forkservers);
void harness_until_hello(struct harness *harness, unsigned hellos);
void harness_until_failures(struct harness *harness, unsigned failures);
void harness_until_notice(struct harness *harness, const char *part);
void harness_until_stopped(struct harness *harness);
void harness_for(struct harness *harness, double seconds);

double harness_now(void);
struct pool_stats harness_stats(const struct harness *harness);
bool harness_noticed(const struct harness *harness, const char *part);
/* True until the process has been reaped. */
bool harness_exists(pid_t pid);
/* The forkserver: the only child process of this one that was started last. */
pid_t harness_forkserver(void);

#endif
