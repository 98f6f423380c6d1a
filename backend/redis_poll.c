/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the handles of one hiredis context; they outlive the context until libuv lets go. What is
 * written in a turn of the loop leaves in one write at the beginning of the next, without asking
 * the kernel whether there is room: a socket that takes replies nearly always has. */

#include "backend/redis_poll.h"

#include <stdbool.h>
#include <stdlib.h>

struct redis_poll {
    uv_poll_t handle;
    uv_idle_t flush; /* active while there is something to write and the socket may have room */
    redisAsyncContext *redis; /* NULL: freed */
    int events;
    bool writing; /* what is left over waits for the socket */
    unsigned open;
};

static void write_now(struct redis_poll *poll)
{
    poll->writing = true;
    redisAsyncHandleWrite(poll->redis);
    poll->writing = false;
}

/* A callback of hiredis may free the context between the two. */
static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct redis_poll *poll = handle->data;
    if (status < 0)
        poll->events =
            0; /* libuv watches no more, but there may be replies in front of the error */
    if (poll->redis != NULL && (status < 0 || (events & UV_READABLE) != 0))
        redisAsyncHandleRead(poll->redis);
    if (poll->redis != NULL && status == 0 && (events & UV_WRITABLE) != 0)
        write_now(poll);
}

static void on_flush(uv_idle_t *idle)
{
    struct redis_poll *poll = idle->data;
    uv_idle_stop(idle);
    if (poll->redis != NULL)
        write_now(poll);
}

static void watch(struct redis_poll *poll, int events)
{
    if (poll->events == events)
        return;
    poll->events = events;
    if (events != 0)
        uv_poll_start(&poll->handle, events, on_poll);
    else
        uv_poll_stop(&poll->handle);
}

static void add_read(void *data)
{
    struct redis_poll *poll = data;
    watch(poll, poll->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct redis_poll *poll = data;
    watch(poll, poll->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct redis_poll *poll = data;
    bool connected = (poll->redis->c.flags & REDIS_CONNECTED) != 0;
    if (connected && !poll->writing && (poll->events & UV_WRITABLE) == 0)
        uv_idle_start(&poll->flush, on_flush);
    else /* hiredis learns from it that it is connected */
        watch(poll, poll->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct redis_poll *poll = data;
    watch(poll, poll->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_poll *poll = handle->data;
    if (--poll->open == 0)
        free(poll);
}

static void cleanup(void *data)
{
    struct redis_poll *poll = data;
    poll->redis = NULL;
    poll->open = 2;
    uv_close((uv_handle_t *)&poll->handle, on_closed);
    uv_close((uv_handle_t *)&poll->flush, on_closed);
}

int redis_poll_attach(redisAsyncContext *redis, uv_loop_t *loop)
{
    struct redis_poll *poll = calloc(1, sizeof(*poll));
    if (poll == NULL || uv_poll_init(loop, &poll->handle, redis->c.fd) != 0) {
        free(poll);
        return -1;
    }
    uv_idle_init(loop, &poll->flush);
    poll->redis = redis;
    poll->handle.data = poll->flush.data = poll;
    redis->ev.data = poll;
    redis->ev.addRead = add_read;
    redis->ev.delRead = del_read;
    redis->ev.addWrite = add_write;
    redis->ev.delWrite = del_write;
    redis->ev.cleanup = cleanup;
    return 0;
}
