/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the poll handle of one hiredis context; it outlives the context until libuv lets go. */

#include "backend/redis_poll.h"

#include <stdlib.h>

struct redis_poll {
    uv_poll_t handle;
    redisAsyncContext *redis; /* NULL: freed */
    int events;
};

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
        redisAsyncHandleWrite(poll->redis);
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
    watch(poll, poll->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct redis_poll *poll = data;
    watch(poll, poll->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void cleanup(void *data)
{
    struct redis_poll *poll = data;
    poll->redis = NULL;
    uv_close((uv_handle_t *)&poll->handle, on_closed);
}

int redis_poll_attach(redisAsyncContext *redis, uv_loop_t *loop)
{
    struct redis_poll *poll = calloc(1, sizeof(*poll));
    if (poll == NULL || uv_poll_init(loop, &poll->handle, redis->c.fd) != 0) {
        free(poll);
        return -1;
    }
    poll->redis = redis;
    poll->handle.data = poll;
    redis->ev.data = poll;
    redis->ev.addRead = add_read;
    redis->ev.delRead = del_read;
    redis->ev.addWrite = add_write;
    redis->ev.delWrite = del_write;
    redis->ev.cleanup = cleanup;
    return 0;
}
