/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the loop and how long it turns. Must not know what is waited for. */

#include "client/waiting.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static const double seconds_max = 366.0 * 24 * 3600;

bool waiting_init(struct waiting *waiting)
{
    if (uv_loop_init(&waiting->loop) != 0)
        return false;
    uv_timer_init(&waiting->loop, &waiting->timer);
    return true;
}

void waiting_done(struct waiting *waiting)
{
    uv_close((uv_handle_t *)&waiting->timer, NULL);
    uv_run(&waiting->loop, UV_RUN_DEFAULT);
    uv_loop_close(&waiting->loop);
}

uint64_t waiting_deadline(struct waiting *waiting, double seconds)
{
    if (!(seconds > 0))
        seconds = 0;
    if (seconds > seconds_max)
        seconds = seconds_max;
    uv_update_time(&waiting->loop);
    return uv_now(&waiting->loop) + (uint64_t)(seconds * 1000);
}

/* ---- SIGPIPE ---- */

/* A server that has gone away must not end the program: OpenSSL and hiredis write() to sockets. The
 * signal is the thread's that wrote, so blocking it here, and taking ours away afterwards, touches
 * nobody else's. */
struct quiet {
    sigset_t pipe, before;
    bool pending;
};

static void quiet_begin(struct quiet *quiet)
{
    sigset_t pending;
    sigemptyset(&quiet->pipe);
    sigaddset(&quiet->pipe, SIGPIPE);
    sigpending(&pending);
    quiet->pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &quiet->pipe, &quiet->before);
}

static void quiet_end(const struct quiet *quiet)
{
    static const struct timespec at_once;
    while (!quiet->pending && sigtimedwait(&quiet->pipe, NULL, &at_once) < 0 && errno == EINTR)
        continue;
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

/* ---- turning ---- */

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* its only purpose is to end a turn */
}

static bool turn_until(struct waiting *waiting, uint64_t deadline,
                       bool (*over)(const void *context), const void *context)
{
    uv_loop_t *loop = &waiting->loop;
    bool is_over, last = false;
    uv_update_time(loop);
    while (!(is_over = over(context)) && !last) {
        uint64_t now = uv_now(loop);
        last = now >= deadline;
        /* The last turn does not wait: it looks at what has come. */
        uv_timer_start(&waiting->timer, on_timer, last ? 0 : deadline - now, 0);
        uv_run(loop, last ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    uv_timer_stop(&waiting->timer);
    return is_over;
}

bool waiting_until(struct waiting *waiting, uint64_t deadline, bool (*over)(const void *context),
                   const void *context)
{
    struct quiet quiet;
    quiet_begin(&quiet);
    bool is_over = turn_until(waiting, deadline, over, context);
    quiet_end(&quiet);
    return is_over;
}
