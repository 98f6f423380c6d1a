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
    UNDER_WAY_MAX = 1024 * 1024, /* bytes: what is behind them is not copied for the socket yet */
    REFUSED_FIRST_MS = 250,      /* doubled with every refusal in a row */
    REFUSED_MAX_MS = 5000,
    WORDS_MAX = 8,
};

/* What a server answers that will take it later, or when its operator has seen to it. */
static const char *const passing[] = {
    "LOADING", "BUSY",       "READONLY",    "OOM",      "MASTERDOWN", "MISCONF",
    "NOAUTH",  "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "NOPERM",
};

bool redis_op_fits(struct redis *redis, size_t size)
{
    if (redis->waiting == 0 || redis->waiting + size <= redis->waiting_max)
        return true;
    redis->full = true;
    return false;
}

/* ---- which of them are under way ---- */

static void set_under_way(struct redis_op *op, bool under_way)
{
    if (op->under_way == under_way)
        return;
    op->under_way = under_way;
    if (under_way)
        op->redis->under_way += op->size;
    else
        op->redis->under_way -= op->size;
}

static bool may_begin(const struct redis *redis, const struct redis_op *op)
{
    return redis_link_is_up(redis->link) && !uv_is_active((const uv_handle_t *)&redis->retry) &&
           (redis->under_way == 0 || redis->under_way + op->size <= UNDER_WAY_MAX);
}

/* Begins what waits, as far as there is room on the way. */
static void begin_more(struct redis *redis)
{
    struct redis_op *op = redis->next;
    while (op != NULL && may_begin(redis, op)) {
        redis->next = TAILQ_NEXT(op, all);
        if (!op->under_way) {
            op->refused = false;
            set_under_way(op, true);
            op->begin(op);
        }
        op = redis->next;
    }
}

void redis_op_begin_waiting(struct redis *redis)
{
    redis->next = TAILQ_FIRST(&redis->ops);
    begin_more(redis);
}

void redis_op_start(struct redis *redis, struct redis_op *op)
{
    op->redis = redis;
    redis->waiting += op->size;
    TAILQ_INSERT_TAIL(&redis->ops, op, all);
    if (redis->next == NULL)
        redis->next = op;
    begin_more(redis);
}

void redis_op_end(struct redis_op *op, const char *error)
{
    struct redis *redis = op->redis;
    if (redis->next == op)
        redis->next = TAILQ_NEXT(op, all);
    TAILQ_REMOVE(&redis->ops, op, all);
    set_under_way(op, false);
    redis->waiting -= op->size;
    if (error == NULL)
        redis->refusals = 0;
    op->tell(op, error);
    free(op);
    if (redis->full && redis->waiting <= redis->waiting_max / 2) {
        redis->full = false;
        redis->handler->on_drained(redis->context);
    }
    begin_more(redis);
}

void redis_op_unsent(struct redis_op *op)
{
    set_under_way(op, false);
}

static void on_later(uv_timer_t *timer)
{
    redis_op_begin_waiting(timer->data);
}

void redis_op_begin_later(struct redis_op *op, unsigned ms)
{
    uv_timer_t *later = &op->redis->later;
    set_under_way(op, false);
    if (!uv_is_active((uv_handle_t *)later))
        uv_timer_start(later, on_later, ms, 0);
}

/* ---- refusals ---- */

static void on_retry(uv_timer_t *timer)
{
    redis_op_begin_waiting(timer->data);
}

static uint64_t retry_delay(const struct redis *redis)
{
    uint64_t delay = REFUSED_FIRST_MS;
    for (unsigned i = 1; i < redis->refusals && delay < REFUSED_MAX_MS; i++)
        delay *= 2;
    return delay < REFUSED_MAX_MS ? delay : REFUSED_MAX_MS;
}

/* Nothing is begun for a while. Whatever is on its way meets the same answer: once is enough. */
static void pause_for(struct redis *redis, const char *why)
{
    char text[320];
    if (uv_is_active((uv_handle_t *)&redis->retry))
        return;
    redis->refusals++;
    uint64_t delay = retry_delay(redis);
    uv_timer_start(&redis->retry, on_retry, delay, 0);
    snprintf(text, sizeof(text), "Redis does not take results now: %.200s. Trying again in %.2f s",
             why, (double)delay / 1000);
    redis->handler->on_trouble(redis->context, text);
}

static bool is_passing(const char *error)
{
    size_t size = strcspn(error, " ");
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (strlen(passing[i]) == size && memcmp(passing[i], error, size) == 0)
            return true;
    return false;
}

static void keep_refusal(struct redis_op *op, const char *error)
{
    op->refused = true;
    snprintf(op->redis->refusal, sizeof(op->redis->refusal), "Redis refuses it: %.200s", error);
}

static void refuse(struct redis_op *op, const char *error)
{
    if (is_passing(error))
        pause_for(op->redis, error);
    else if (!op->refused) /* else the first refusal says more: this is EXEC's */
        keep_refusal(op, error);
}

/* A command of a transaction. */
static void on_queued(void *context, const redisReply *reply)
{
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        refuse(context, reply->str);
}

/* The error in a reply, be it that of one command of a transaction; NULL: none. */
static const char *error_in(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return reply->str;
    if (reply->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->elements; i++)
            if (reply->element[i]->type == REDIS_REPLY_ERROR)
                return reply->element[i]->str;
    return NULL;
}

/* EXECABORT: some command was refused, and on_queued knows why. */
static bool is_abort(const char *error)
{
    return strncmp(error, "EXECABORT", 9) == 0;
}

bool redis_op_goes_on(struct redis_op *op, const redisReply *reply)
{
    const char *error = reply != NULL ? error_in(reply) : NULL;
    if (error != NULL && !is_abort(error))
        refuse(op, error);
    else if (error != NULL && !op->refused)
        pause_for(op->redis, error);
    if (op->refused) { /* also if the server has hung up on it, as it does on what is too large */
        redis_op_end(op, op->redis->refusal);
        return false;
    }
    if (reply != NULL && error == NULL)
        return true;
    set_under_way(op, false);
    return false;
}

/* ---- commands ---- */

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
    if (!redis_link_command(op->redis->link, count, data, sizes, reply != NULL ? reply : on_queued,
                            op))
        redis_op_unsent(op);
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
