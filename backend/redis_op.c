/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the operations that are not done yet: their order, their bound, their second tries. Must not
 * know what they are for. */

#include "backend/redis_op.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REFUSALS_MAX = 20, /* by the server, of one operation, a second apart */
    REFUSED_WAIT_MS = 1000,
    WORDS_MAX = 8,
};

bool redis_op_fits(struct redis *redis, size_t size)
{
    if (redis->waiting == 0 || redis->waiting + size <= redis->waiting_max)
        return true;
    redis->full = true;
    return false;
}

static void begin(struct redis_op *op)
{
    if (!redis_link_is_up(op->redis->link))
        return;
    op->under_way = true;
    op->begin(op);
}

void redis_op_start(struct redis *redis, struct redis_op *op)
{
    op->redis = redis;
    op->under_way = false;
    op->refusals = 0;
    redis->waiting += op->size;
    TAILQ_INSERT_TAIL(&redis->ops, op, all);
    begin(op);
}

void redis_op_begin_waiting(struct redis *redis)
{
    struct redis_op *op;
    TAILQ_FOREACH(op, &redis->ops, all)
    if (!op->under_way)
        begin(op);
}

void redis_op_end(struct redis_op *op, const char *error)
{
    struct redis *redis = op->redis;
    TAILQ_REMOVE(&redis->ops, op, all);
    redis->waiting -= op->size;
    op->tell(op, error);
    free(op);
    if (redis->full && redis->waiting <= redis->waiting_max / 2) {
        redis->full = false;
        redis->handler->on_drained(redis->context);
    }
}

static void on_retry(uv_timer_t *timer)
{
    redis_op_begin_waiting(timer->data);
}

void redis_op_begin_later(struct redis_op *op, unsigned ms)
{
    uv_timer_t *retry = &op->redis->retry;
    op->under_way = false;
    if (!uv_is_active((uv_handle_t *)retry) || uv_timer_get_due_in(retry) > ms)
        uv_timer_start(retry, on_retry, ms, 0);
}

void redis_op_status(const struct redis_op *op, const redisReply *reply,
                     char ret[REDIS_STATUS_SIZE])
{
    msgpack_zone zone;
    msgpack_object document;
    struct codec_reason reason;
    struct text status;
    ret[0] = '\0';
    if (reply->type != REDIS_REPLY_STRING || !msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE))
        return;
    const struct bytes bytes = {reply->str, (size_t)reply->len};
    if (op->redis->serializer->decode(bytes, &zone, &document, &reason) == 0 &&
        value_as_text(value_get(&document, "status"), &status) && status.size < REDIS_STATUS_SIZE)
        snprintf(ret, REDIS_STATUS_SIZE, "%.*s", (int)status.size, status.data);
    msgpack_zone_destroy(&zone);
}

/* The server answers, but will not have it now (it is loading, read-only, out of memory ...). */
static void refused(struct redis_op *op, const char *why)
{
    struct redis *redis = op->redis;
    char text[320];
    bool told = uv_is_active((uv_handle_t *)&redis->retry);
    op->under_way = false;
    snprintf(text, sizeof(text), "Redis does not take a result: %.200s", why);
    if (!told)
        redis->handler->on_trouble(redis->context, text);
    if (++op->refusals > REFUSALS_MAX) {
        redis_op_end(op, text);
        return;
    }
    if (!uv_is_active((uv_handle_t *)&redis->retry))
        uv_timer_start(&redis->retry, on_retry, REFUSED_WAIT_MS, 0);
}

bool redis_op_goes_on(struct redis_op *op, const redisReply *reply)
{
    if (reply == NULL)
        op->under_way = false;
    else if (reply->type == REDIS_REPLY_ERROR)
        refused(op, reply->str);
    else
        return true;
    return false;
}

/* Why a transaction will be aborted: EXEC does not say. */
static void on_queued(void *context, const redisReply *reply)
{
    struct redis *redis = context;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        redis->handler->on_trouble(redis->context, reply->str);
}

void redis_op_send(struct redis_op *op, int count, const struct text *words,
                   redis_link_reply *reply)
{
    const char *data[WORDS_MAX];
    size_t sizes[WORDS_MAX];
    assert(count <= WORDS_MAX);
    for (int i = 0; i < count; i++) {
        data[i] = words[i].data != NULL ? words[i].data : "";
        sizes[i] = words[i].size;
    }
    void *context = reply != NULL ? (void *)op : (void *)op->redis;
    if (!redis_link_command(op->redis->link, count, data, sizes, reply != NULL ? reply : on_queued,
                            context))
        op->under_way = false;
}

bool redis_op_ask_results(struct redis *redis, const struct text *ids, size_t count,
                          redis_link_reply *reply, void *context)
{
    size_t room = 1;
    for (size_t i = 0; i < count; i++)
        room += redis_key_size(redis->task_prefix, ids[i], "");
    const char **words = calloc(count + 1, sizeof(*words));
    size_t *sizes = calloc(count + 1, sizeof(*sizes));
    char *keys = malloc(room), *place = keys;
    bool sent = words != NULL && sizes != NULL && keys != NULL && count < INT_MAX;
    if (sent) {
        words[0] = "MGET";
        sizes[0] = strlen("MGET");
        for (size_t i = 0; i < count; i++) {
            struct text key = redis_key_write(redis->task_prefix, ids[i], "", place);
            words[i + 1] = key.data;
            sizes[i + 1] = key.size;
            place += key.size;
        }
        sent = redis_link_command(redis->link, (int)count + 1, words, sizes, reply, context);
    }
    free(words);
    free(sizes);
    free(keys);
    return sent;
}

struct bytes *redis_op_elements(const redisReply *reply, size_t *ret_count)
{
    size_t count = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    struct bytes *items = calloc(count + 1, sizeof(*items));
    for (size_t i = 0; items != NULL && i < count; i++) {
        const redisReply *one = reply->element[i];
        items[i] = one->type == REDIS_REPLY_STRING ? (struct bytes){one->str, (size_t)one->len}
                                                   : (struct bytes){"", 0};
    }
    *ret_count = count;
    return items;
}

size_t redis_key_size(const char *prefix, struct text id, const char *suffix)
{
    return strlen(prefix) + id.size + strlen(suffix);
}

struct text redis_key_write(const char *prefix, struct text id, const char *suffix, char *ret)
{
    const struct text parts[] = {redis_word(prefix), id, redis_word(suffix)};
    struct text key = {ret, 0};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].size > 0)
            memcpy(ret + key.size, parts[i].data, parts[i].size);
        key.size += parts[i].size;
    }
    return key;
}

struct text redis_word(const char *word)
{
    return (struct text){word, strlen(word)};
}
