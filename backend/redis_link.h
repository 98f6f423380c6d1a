/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_REDIS_LINK_H
#define CELERIAC_BACKEND_REDIS_LINK_H

/* One connection to a Redis server that comes back by itself: the only place that sees hiredis's
 * asynchronous context. Commands are pipelined: what is asked for in one loop turn leaves in one
 * write. It never blocks the loop: names are resolved on libuv's thread pool. */

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>
#include <uv.h>

#include "backend/redis_url.h"

struct redis_link;

struct redis_link_handler {
    /* Connected, logged in, the database is selected. */
    void (*on_up)(void *context);
    /* It was up and is not any more; whoever waited for a reply has been called with NULL. It is on
     * its way back. */
    void (*on_down)(void *context);
    /* Words for the log: what went wrong, what is done about it. */
    void (*on_trouble)(void *context, const char *text);
    /* redis_link_stop is complete. */
    void (*on_stopped)(void *context);
};

/* `reply` is borrowed for the call; NULL: the connection was lost before it came. */
typedef void redis_link_reply(void *context, const redisReply *reply);

/* `silence`: seconds without a reply, while one is due, after which the connection is given up; 0:
 * never.
 * Copies `url` and `handler`. NULL: out of memory. */
struct redis_link *redis_link_new(uv_loop_t *loop, const struct redis_url *url, double silence,
                                  const struct redis_link_handler *handler, void *context);
/* Only after on_stopped. Accepts NULL. */
void redis_link_free(struct redis_link *link);
void redis_link_start(struct redis_link *link);
/* Closes the connection for good; on_stopped comes from the loop. */
void redis_link_stop(struct redis_link *link);

bool redis_link_is_up(const struct redis_link *link);
/* Sends a command of `count` words; they are copied. `reply` may be NULL. False: the link is not up
 * (or memory is out, and it will go down), and `reply` is not called. */
bool redis_link_command(struct redis_link *link, int count, const char **words, const size_t *sizes,
                        redis_link_reply *reply, void *context);
/* Listens at a channel: `heard` is called with what Redis says of it, the confirmation first, until
 * the connection is lost; to be asked for again at on_up. No other command may be sent on such a
 * link. False as above. */
bool redis_link_subscribe(struct redis_link *link, const char *channel, redis_link_reply *heard,
                          void *context);

#endif
