/* SPDX-License-Identifier: BSD-3-Clause */
/* Results in Redis, as Celery's clients look for them (celery-wire.md 4.6): GET, so that a SUCCESS
 * is never overwritten, then SETEX and PUBLISH in one transaction. Results that wait for a server
 * that is away are kept, within a bound, and sent when it is back. Must not know what is in a
 * document, but for its status. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/redis_op.h"

struct store {
    struct redis_op op;
    backend_stored *stored;
    struct text key, document; /* both in `data` */
    char data[];
};

static struct store *store_of(struct redis_op *op)
{
    return CONTAINER_OF(op, struct store, op);
}

static void tell(struct redis_op *op, const char *error)
{
    store_of(op)->stored(op->context, error);
}

/* ---- the steps of a store ---- */

static void on_exec(void *context, const redisReply *reply)
{
    if (redis_op_goes_on(context, reply))
        redis_op_end(context, NULL);
}

static void send_transaction(struct redis_op *op)
{
    const struct store *store = store_of(op);
    const char *ttl = op->redis->ttl;
    const struct text with_ttl[] = {redis_word("SETEX"), store->key, redis_word(ttl),
                                    store->document};
    const struct text plain[] = {redis_word("SET"), store->key, store->document};
    const struct text publish[] = {redis_word("PUBLISH"), store->key, store->document};
    const struct text multi = redis_word("MULTI");
    const struct text exec = redis_word("EXEC");
    redis_op_send(op, 1, &multi, NULL);
    if (ttl[0] != '\0')
        redis_op_send(op, ARRAY_LEN(with_ttl), with_ttl, NULL);
    else
        redis_op_send(op, ARRAY_LEN(plain), plain, NULL);
    redis_op_send(op, ARRAY_LEN(publish), publish, NULL);
    redis_op_send(op, 1, &exec, on_exec);
}

static void on_get(void *context, const redisReply *reply)
{
    struct redis_op *op = context;
    char status[REDIS_STATUS_SIZE];
    if (!redis_op_goes_on(op, reply))
        return;
    redis_op_status(op, reply, status);
    if (strcmp(status, "SUCCESS") == 0)
        redis_op_end(op, NULL);
    else
        send_transaction(op);
}

static void begin_store(struct redis_op *op)
{
    const struct text get[] = {redis_word("GET"), store_of(op)->key};
    redis_op_send(op, ARRAY_LEN(get), get, on_get);
}

static enum backend_answer redis_store(void *self, const struct backend_result *result,
                                       backend_stored *stored, void *context)
{
    struct redis *redis = self;
    size_t key_size = redis_key_size(redis->task_prefix, result->task_id, "");
    size_t size = sizeof(struct store) + key_size + result->document.size;
    if (!redis_op_fits(redis, size))
        return BACKEND_FULL;
    struct store *store = malloc(size);
    if (store == NULL)
        return BACKEND_FAILED;
    memcpy(store->data + key_size, result->document.data, result->document.size);
    *store = (struct store){
        .op = {.begin = begin_store, .tell = tell, .context = context, .size = size},
        .stored = stored,
        .key = redis_key_write(redis->task_prefix, result->task_id, "", store->data),
        .document = {store->data + key_size, result->document.size},
    };
    redis_op_start(redis, &store->op);
    return BACKEND_PENDING;
}

/* ---- the link ---- */

static void on_up(void *context)
{
    redis_op_begin_waiting(context);
}

static void on_down(void *context)
{
    (void)context; /* every operation that was on the way has been told by a missing reply */
}

static void on_trouble(void *context, const char *text)
{
    struct redis *redis = context;
    redis->handler->on_trouble(redis->context, text);
}

static void one_is_closed(struct redis *redis)
{
    if (--redis->open == 0)
        redis->stopped(redis->stopped_context);
}

static void on_link_stopped(void *context)
{
    one_is_closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    one_is_closed(handle->data);
}

static const struct redis_link_handler link_handler = {
    .on_up = on_up,
    .on_down = on_down,
    .on_trouble = on_trouble,
    .on_stopped = on_link_stopped,
};

/* ---- life ---- */

static bool redis_check(const char *url, char error[BACKEND_ERROR_SIZE])
{
    struct redis_url parsed;
    static_assert((int)BACKEND_ERROR_SIZE >= (int)REDIS_URL_ERROR_SIZE, "room for the sentence");
    return redis_url_parse(url, &parsed, error) == 0;
}

/* Celery joins a prefix and a key with "_", unless the prefix ends in a separator. */
static bool set_prefix(const char *prefix, const char *own, char ret[REDIS_KEY_PREFIX_MAX])
{
    size_t size = prefix != NULL ? strlen(prefix) : 0;
    bool joined = size > 0 && strchr(":_-.", prefix[size - 1]) == NULL;
    int written = snprintf(ret, REDIS_KEY_PREFIX_MAX, "%s%s%s", size > 0 ? prefix : "",
                           joined ? "_" : "", own);
    return written > 0 && written < REDIS_KEY_PREFIX_MAX;
}

static void *redis_open(const struct backend_config *config)
{
    struct redis_url url;
    char error[REDIS_URL_ERROR_SIZE];
    struct redis *redis = calloc(1, sizeof(*redis));
    if (redis == NULL || redis_url_parse(config->url, &url, error) != 0 ||
        !set_prefix(config->key_prefix, "celery-task-meta-", redis->task_prefix) ||
        !set_prefix(config->key_prefix, "celery-taskset-meta-", redis->group_prefix))
        goto fail;
    redis->serializer = config->serializer;
    redis->handler = config->handler;
    redis->context = config->context;
    redis->waiting_max = config->waiting_max;
    TAILQ_INIT(&redis->ops);
    if (config->expires > 0)
        snprintf(redis->ttl, sizeof(redis->ttl), "%lld", (long long)(config->expires + 0.999));
    redis->link = redis_link_new(config->loop, &url, config->socket_timeout, &link_handler, redis);
    if (redis->link == NULL)
        goto fail;
    uv_timer_init(config->loop, &redis->retry);
    redis->retry.data = redis;
    uv_timer_init(config->loop, &redis->later);
    redis->later.data = redis;
    redis_link_start(redis->link);
    return redis;

fail:
    free(redis);
    return NULL;
}

static void redis_stop(void *self, void (*stopped)(void *context), void *context)
{
    struct redis *redis = self;
    struct redis_op *op;
    redis->stopped = stopped;
    redis->stopped_context = context;
    redis->open = 3;
    redis_link_stop(redis->link);
    uv_close((uv_handle_t *)&redis->retry, on_timer_closed);
    uv_close((uv_handle_t *)&redis->later, on_timer_closed);
    redis->full = false;
    while ((op = TAILQ_FIRST(&redis->ops)) != NULL)
        redis_op_end(op, "Redis was not there until the worker stopped");
}

static void redis_close(void *self)
{
    struct redis *redis = self;
    redis_link_free(redis->link);
    free(redis);
}

const struct backend_type backend_redis = {
    .schemes = {"redis", "socket", "unix", "rediss"},
    .open = redis_open,
    .close = redis_close,
    .stop = redis_stop,
    .check = redis_check,
    .store = redis_store,
    .begin_chord = redis_begin_chord,
    .add_part = redis_add_part,
    .get_results = redis_get_results,
    .end_chord = redis_end_chord,
};
