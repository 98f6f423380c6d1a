/* SPDX-License-Identifier: BSD-3-Clause */
/* Results in Redis, as Celery's clients look for them (celery-wire.md 4.6): GET, so that a SUCCESS
 * is never overwritten, then SETEX and PUBLISH in one transaction. Results that wait for a server
 * that is away are kept, within a bound, and sent when it is back. Must not know what is in a
 * document, but for its status. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "backend/internal.h"
#include "backend/redis_link.h"

enum {
    KEY_PREFIX_MAX = 256,
    REFUSALS_MAX = 20, /* by the server, of one result, a second apart */
    REFUSED_WAIT_MS = 1000,
};

enum store_state {
    STORE_WAITING, /* for the server to be there, or for the next try */
    STORE_ASKED,   /* GET is on the way */
    STORE_SENT,    /* the transaction is on the way */
};

struct store {
    TAILQ_ENTRY(store) all;
    struct redis *redis;
    enum store_state state;
    unsigned refusals;
    size_t size; /* what it counts for in redis->waiting */
    backend_stored *stored;
    void *context;
    struct bytes document; /* behind the key */
    size_t key_size;
    char key[];
};

TAILQ_HEAD(store_list, store);

struct redis {
    struct redis_link *link;
    const struct serializer *serializer;
    const struct backend_handler *handler;
    void *context;
    struct store_list stores; /* not stored yet, the oldest first */
    size_t waiting;           /* bytes of them */
    size_t waiting_max;
    bool full;    /* somebody was told so */
    char ttl[24]; /* seconds; "": no expiry */
    char prefix[KEY_PREFIX_MAX];
    uv_timer_t retry;
    unsigned open; /* link and timer, while stopping */
    void (*stopped)(void *context);
    void *stopped_context;
};

static void send_get(struct store *store);
static void on_retry(uv_timer_t *timer);

/* ---- the end of a store ---- */

static void finish(struct store *store, const char *error)
{
    struct redis *redis = store->redis;
    TAILQ_REMOVE(&redis->stores, store, all);
    redis->waiting -= store->size;
    store->stored(store->context, error);
    free(store);
    if (redis->full && redis->waiting <= redis->waiting_max / 2) {
        redis->full = false;
        redis->handler->on_drained(redis->context);
    }
}

/* The server answers, but will not have it now (it is loading, read-only, out of memory ...). */
static void refused(struct store *store, const redisReply *reply)
{
    struct redis *redis = store->redis;
    char text[320];
    store->state = STORE_WAITING;
    snprintf(text, sizeof(text), "Redis does not take a result: %.200s", reply->str);
    redis->handler->on_trouble(redis->context, text);
    if (++store->refusals > REFUSALS_MAX) {
        finish(store, text);
        return;
    }
    if (!uv_is_active((uv_handle_t *)&redis->retry))
        uv_timer_start(&redis->retry, on_retry, REFUSED_WAIT_MS, 0);
}

/* ---- the steps of a store ---- */

static void on_exec(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (reply == NULL)
        store->state = STORE_WAITING; /* once more when the server is back: it may have been done */
    else if (reply->type == REDIS_REPLY_ERROR)
        refused(store, reply);
    else
        finish(store, NULL);
}

/* Why a transaction will be aborted: EXEC does not say. */
static void on_queued(void *context, const redisReply *reply)
{
    struct redis *redis = context;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        redis->handler->on_trouble(redis->context, reply->str);
}

static bool send_write(struct redis *redis, const struct store *store)
{
    const char *document = store->document.data;
    const char *with_ttl[] = {"SETEX", store->key, redis->ttl, document};
    const size_t with_ttl_sizes[] = {5, store->key_size, strlen(redis->ttl), store->document.size};
    const char *plain[] = {"SET", store->key, document};
    const size_t plain_sizes[] = {3, store->key_size, store->document.size};
    if (redis->ttl[0] != '\0')
        return redis_link_command(redis->link, 4, with_ttl, with_ttl_sizes, on_queued, redis);
    return redis_link_command(redis->link, 3, plain, plain_sizes, on_queued, redis);
}

static void send_transaction(struct store *store)
{
    struct redis *redis = store->redis;
    static const size_t word_sizes[] = {5};
    const char *multi[] = {"MULTI"};
    const char *exec[] = {"EXEC"};
    const size_t exec_sizes[] = {4};
    const char *publish[] = {"PUBLISH", store->key, store->document.data};
    const size_t publish_sizes[] = {7, store->key_size, store->document.size};
    store->state = STORE_SENT;
    if (!redis_link_command(redis->link, 1, multi, word_sizes, NULL, NULL) ||
        !send_write(redis, store) ||
        !redis_link_command(redis->link, 3, publish, publish_sizes, on_queued, redis) ||
        !redis_link_command(redis->link, 1, exec, exec_sizes, on_exec, store))
        store->state = STORE_WAITING;
}

static bool is_success(const struct redis *redis, const redisReply *reply)
{
    bool answer = false;
    msgpack_zone zone;
    msgpack_object document;
    struct codec_reason reason;
    struct text status;
    if (reply->type != REDIS_REPLY_STRING || !msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE))
        return false;
    if (redis->serializer->decode((struct bytes){reply->str, (size_t)reply->len}, &zone, &document,
                                  &reason) == 0 &&
        value_as_text(value_get(&document, "status"), &status))
        answer = text_equal(status, "SUCCESS");
    msgpack_zone_destroy(&zone);
    return answer;
}

static void on_get(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (reply == NULL)
        store->state = STORE_WAITING;
    else if (reply->type == REDIS_REPLY_ERROR)
        refused(store, reply);
    else if (is_success(store->redis, reply))
        finish(store, NULL);
    else
        send_transaction(store);
}

static void send_get(struct store *store)
{
    const char *words[] = {"GET", store->key};
    const size_t sizes[] = {3, store->key_size};
    store->state = STORE_ASKED;
    if (!redis_link_command(store->redis->link, 2, words, sizes, on_get, store))
        store->state = STORE_WAITING;
}

static void send_waiting(struct redis *redis)
{
    struct store *store;
    TAILQ_FOREACH(store, &redis->stores, all)
    if (store->state == STORE_WAITING)
        send_get(store);
}

/* ---- the link ---- */

static void on_up(void *context)
{
    send_waiting(context);
}

static void on_down(void *context)
{
    (void)context; /* every store that was on the way has been told by a missing reply */
}

static void on_trouble(void *context, const char *text)
{
    struct redis *redis = context;
    redis->handler->on_trouble(redis->context, text);
}

static void on_retry(uv_timer_t *timer)
{
    send_waiting(timer->data);
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

/* ---- the backend ---- */

static bool redis_check(const char *url, char error[BACKEND_ERROR_SIZE])
{
    struct redis_url parsed;
    static_assert((int)BACKEND_ERROR_SIZE >= (int)REDIS_URL_ERROR_SIZE, "room for the sentence");
    return redis_url_parse(url, &parsed, error) == 0;
}

/* Celery joins a prefix and a key with "_", unless the prefix ends in a separator. */
static bool set_prefix(struct redis *redis, const char *prefix)
{
    size_t size = prefix != NULL ? strlen(prefix) : 0;
    bool joined = size > 0 && strchr(":_-.", prefix[size - 1]) == NULL;
    int written = snprintf(redis->prefix, sizeof(redis->prefix), "%s%scelery-task-meta-",
                           size > 0 ? prefix : "", joined ? "_" : "");
    return written > 0 && (size_t)written < sizeof(redis->prefix);
}

static void *redis_open(const struct backend_config *config)
{
    struct redis_url url;
    char error[REDIS_URL_ERROR_SIZE];
    struct redis *redis = calloc(1, sizeof(*redis));
    if (redis == NULL || redis_url_parse(config->url, &url, error) != 0 ||
        !set_prefix(redis, config->key_prefix))
        goto fail;
    redis->serializer = config->serializer;
    redis->handler = config->handler;
    redis->context = config->context;
    redis->waiting_max = config->waiting_max;
    TAILQ_INIT(&redis->stores);
    if (config->expires > 0)
        snprintf(redis->ttl, sizeof(redis->ttl), "%lld", (long long)(config->expires + 0.999));
    redis->link = redis_link_new(config->loop, &url, config->socket_timeout, &link_handler, redis);
    if (redis->link == NULL)
        goto fail;
    uv_timer_init(config->loop, &redis->retry);
    redis->retry.data = redis;
    redis_link_start(redis->link);
    return redis;

fail:
    free(redis);
    return NULL;
}

static void redis_stop(void *self, void (*stopped)(void *context), void *context)
{
    struct redis *redis = self;
    struct store *store;
    redis->stopped = stopped;
    redis->stopped_context = context;
    redis->open = 2;
    redis_link_stop(redis->link);
    uv_close((uv_handle_t *)&redis->retry, on_timer_closed);
    redis->full = false;
    while ((store = TAILQ_FIRST(&redis->stores)) != NULL)
        finish(store, "Redis was not there until the worker stopped");
}

static void redis_close(void *self)
{
    struct redis *redis = self;
    redis_link_free(redis->link);
    free(redis);
}

static struct store *store_new(struct redis *redis, const struct backend_result *result)
{
    size_t prefix_size = strlen(redis->prefix);
    size_t key_size = prefix_size + result->task_id.size;
    size_t size = sizeof(struct store) + key_size + result->document.size;
    struct store *store = malloc(size);
    if (store == NULL)
        return NULL;
    *store = (struct store){.redis = redis, .size = size, .key_size = key_size};
    memcpy(store->key, redis->prefix, prefix_size);
    memcpy(store->key + prefix_size, result->task_id.data, result->task_id.size);
    memcpy(store->key + key_size, result->document.data, result->document.size);
    store->document = (struct bytes){store->key + key_size, result->document.size};
    return store;
}

static enum backend_answer redis_store(void *self, const struct backend_result *result,
                                       backend_stored *stored, void *context)
{
    struct redis *redis = self;
    if (redis->waiting > 0 && redis->waiting + result->document.size > redis->waiting_max) {
        redis->full = true;
        return BACKEND_FULL;
    }
    struct store *store = store_new(redis, result);
    if (store == NULL)
        return BACKEND_FAILED;
    store->stored = stored;
    store->context = context;
    redis->waiting += store->size;
    TAILQ_INSERT_TAIL(&redis->stores, store, all);
    send_get(store);
    return BACKEND_PENDING;
}

const struct backend_type backend_redis = {
    .schemes = {"redis", "socket", "unix", "rediss"},
    .open = redis_open,
    .close = redis_close,
    .stop = redis_stop,
    .check = redis_check,
    .store = redis_store,
};
