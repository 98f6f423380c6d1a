/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_REDIS_POLL_H
#define CELERIAC_BACKEND_REDIS_POLL_H

/* hiredis on libuv's loop. hiredis 0.14 brings an adapter of its own, which drops the news that a
 * socket is broken (libuv reports it once, and watches no more), so that a reset connection would
 * be noticed by nobody. */

#include <hiredis/async.h>
#include <uv.h>

#include "codec/base.h"

/* Watches the context's socket until hiredis frees the context. -1: out of memory. hiredis writes
 * to sockets that may be closed: SIGPIPE has to be ignored. */
MUST_CHECK int redis_poll_attach(redisAsyncContext *redis, uv_loop_t *loop);

#endif
