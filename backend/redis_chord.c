/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the keys of chords in Redis (celery-wire.md 4.6): GROUP.s is the size, GROUP.j the sorted
 * set of parts, GROUP.t what was added later, GROUP itself the saved group of a chord whose header
 * has groups in it. Must not know what a chord's body is. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/redis_op.h"

enum {
    NUMBER_SIZE = 32,
    DEPTH_MAX = 32, /* of groups in groups */
    /* Clients count some headers too low: then results are still to come. Celery's join timeout. */
    JOIN_MS = 3000,
    LOOK_MS = 100,
};

enum chord_key { KEY_GROUP, KEY_PARTS, KEY_ADDED, KEY_SIZE, KEYS };
static const char *const suffixes[KEYS] = {"", ".j", ".t", ".s"};

struct chord {
    struct redis_op op;
    backend_done *done;                /* of begin and end */
    backend_added *added;              /* of a part */
    const struct backend_parts *parts; /* while `added` is being called */
    struct text keys[KEYS];
    struct text payload;      /* the member, or the group's document */
    char number[NUMBER_SIZE]; /* the member's score, or the size */
    uint64_t complete_since;  /* milliseconds of the loop; 0: its last part is not there */
    char data[];
};

static struct chord *chord_of(struct redis_op *op)
{
    return CONTAINER_OF(op, struct chord, op);
}

static void tell(struct redis_op *op, const char *error)
{
    const struct chord *chord = chord_of(op);
    if (chord->added != NULL)
        chord->added(op->context, error, chord->parts);
    else
        chord->done(op->context, error);
}

/* With its keys and its payload behind it. *ret_answer says why there is none. */
static struct chord *chord_new(struct redis *redis, struct text group_id, struct text payload,
                               enum backend_answer *ret_answer)
{
    size_t size = sizeof(struct chord) + payload.size;
    for (size_t i = 0; i < KEYS; i++)
        size += redis_key_size(redis->group_prefix, group_id, suffixes[i]);
    *ret_answer = BACKEND_FULL;
    if (!redis_op_fits(redis, size))
        return NULL;
    *ret_answer = BACKEND_FAILED;
    struct chord *chord = calloc(1, size);
    if (chord == NULL)
        return NULL;
    char *place = chord->data;
    for (size_t i = 0; i < KEYS; i++) {
        chord->keys[i] = redis_key_write(redis->group_prefix, group_id, suffixes[i], place);
        place += chord->keys[i].size;
    }
    if (payload.size > 0)
        memcpy(place, payload.data, payload.size);
    chord->payload = (struct text){place, payload.size};
    chord->op.size = size;
    chord->op.tell = tell;
    *ret_answer = BACKEND_PENDING;
    return chord;
}

static void send_words(struct redis_op *op, const char *word, const struct text *rest, int count,
                       redis_link_reply *reply)
{
    struct text words[6] = {redis_word(word)};
    for (int i = 0; i < count; i++)
        words[i + 1] = rest[i];
    redis_op_send(op, count + 1, words, reply);
}

static void send_set(struct redis_op *op, struct text key, struct text value)
{
    const char *ttl = op->redis->ttl;
    if (ttl[0] != '\0')
        send_words(op, "SETEX", (const struct text[]){key, redis_word(ttl), value}, 3, NULL);
    else
        send_words(op, "SET", (const struct text[]){key, value}, 2, NULL);
}

static void on_last(void *context, const redisReply *reply)
{
    if (redis_op_goes_on(context, reply))
        redis_op_end(context, NULL);
}

/* ---- the beginning ---- */

static void begin_begin(struct redis_op *op)
{
    const struct chord *chord = chord_of(op);
    send_words(op, "MULTI", NULL, 0, NULL);
    if (chord->payload.size > 0) {
        send_set(op, chord->keys[KEY_GROUP], chord->payload);
        send_words(op, "PUBLISH", (const struct text[]){chord->keys[KEY_GROUP], chord->payload}, 2,
                   NULL);
    }
    send_set(op, chord->keys[KEY_SIZE], redis_word(chord->number));
    send_words(op, "EXEC", NULL, 0, on_last);
}

enum backend_answer redis_begin_chord(void *self, struct text group_id, uint64_t size,
                                      struct bytes group, backend_done *done, void *context)
{
    enum backend_answer answer;
    struct chord *chord = chord_new(self, group_id, (struct text){group.data, group.size}, &answer);
    if (chord == NULL)
        return answer;
    snprintf(chord->number, sizeof(chord->number), "%" PRIu64, size);
    chord->op.begin = begin_begin;
    chord->op.context = context;
    chord->done = done;
    redis_op_start(self, &chord->op);
    return answer;
}

/* ---- a part ---- */

static uint64_t now_of(const struct chord *chord)
{
    return uv_now(chord->op.redis->retry.loop);
}

static void end_with(struct chord *chord, const struct bytes *items, size_t count,
                     struct bytes group)
{
    struct backend_parts parts = {.items = items, .count = count, .group = group};
    chord->parts = &parts;
    redis_op_end(&chord->op, NULL);
}

static void end_without_parts(struct chord *chord, const char *error)
{
    static const struct backend_parts none = {.count = 0};
    chord->parts = &none;
    redis_op_end(&chord->op, error);
}

static void end_with_reply(struct chord *chord, const redisReply *reply, struct bytes group)
{
    size_t count;
    struct bytes *items = redis_op_elements(reply, &count);
    if (items == NULL)
        redis_op_end(&chord->op, "out of memory");
    else
        end_with(chord, items, count, group);
    free(items);
}

static void on_members(void *context, const redisReply *reply)
{
    if (redis_op_goes_on(context, reply))
        end_with_reply(chord_of(context), reply, (struct bytes){NULL, 0});
}

/* Collects the ids of a saved group's tasks: [[id, parent], [children] or nil]. */
static bool add_ids(const msgpack_object *tuple, unsigned depth, struct text *ids, size_t room,
                    size_t *count)
{
    const msgpack_object *children = value_at(tuple, 1);
    if (depth > DEPTH_MAX)
        return false;
    if (value_is_nil(children)) {
        if (*count == room || !value_as_text(value_at(value_at(tuple, 0), 0), &ids[*count]))
            return false;
        ++*count;
        return true;
    }
    for (size_t i = 0; value_at(children, i) != NULL; i++)
        if (!add_ids(value_at(children, i), depth + 1, ids, room, count))
            return false;
    return true;
}

/* The saved group stays in the operation's memory until its tasks' results have come. */
struct collection {
    struct chord *chord;
    struct bytes group; /* behind it */
    char data[];
};

static bool are_ready(const struct redis_op *op, const redisReply *reply)
{
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        char status[REDIS_STATUS_SIZE];
        redis_op_status(op, reply->element[i], status);
        if (strcmp(status, "SUCCESS") != 0 && strcmp(status, "FAILURE") != 0 &&
            strcmp(status, "REVOKED") != 0)
            return false;
    }
    return true;
}

static void on_results(void *context, const redisReply *reply)
{
    struct collection *collection = context;
    struct chord *chord = collection->chord;
    bool goes_on = redis_op_goes_on(&chord->op, reply);
    if (goes_on && are_ready(&chord->op, reply))
        end_with_reply(chord, reply, collection->group);
    else if (goes_on && now_of(chord) - chord->complete_since < JOIN_MS)
        redis_op_begin_later(&chord->op, LOOK_MS);
    else if (goes_on)
        end_without_parts(chord, "Join error: TimeoutError('The operation timed out.')");
    free(collection);
}

static bool ask_for_results(struct chord *chord, const struct text *ids, size_t count,
                            struct bytes group)
{
    struct collection *collection = malloc(sizeof(*collection) + group.size);
    if (collection == NULL)
        return false;
    *collection = (struct collection){chord, {collection->data, group.size}};
    memcpy(collection->data, group.data, group.size);
    bool sent = redis_op_ask_results(chord->op.redis, ids, count, on_results, collection);
    if (!sent)
        free(collection);
    return sent;
}

/* A group in the header: the results of all its tasks, in the tree's order. */
static void collect_group(struct chord *chord, struct bytes group)
{
    struct text *ids = NULL;
    size_t count = 0;
    msgpack_zone zone;
    msgpack_object document;
    struct codec_reason reason;
    size_t room = group.size; /* no id takes less than a byte */
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        redis_op_end(&chord->op, "out of memory");
        return;
    }
    ids = calloc(room + 1, sizeof(*ids));
    bool read = ids != NULL &&
                chord->op.redis->serializer->decode(group, &zone, &document, &reason) == 0 &&
                add_ids(value_get(&document, "result"), 0, ids, room, &count) && count > 0;
    if (!read)
        end_without_parts(chord, "Join error: the chord's saved group cannot be read");
    else if (!ask_for_results(chord, ids, count, group))
        redis_op_unsent(&chord->op); /* the link is going down */
    free(ids);
    msgpack_zone_destroy(&zone);
}

static void on_group(void *context, const redisReply *reply)
{
    struct redis_op *op = context;
    struct chord *chord = chord_of(op);
    if (!redis_op_goes_on(op, reply))
        return;
    if (reply->type == REDIS_REPLY_STRING)
        collect_group(chord, (struct bytes){reply->str, (size_t)reply->len});
    else
        send_words(op, "ZRANGE",
                   (const struct text[]){chord->keys[KEY_PARTS], redis_word("0"), redis_word("-1")},
                   3, on_members);
}

static void begin_collecting(struct redis_op *op)
{
    send_words(op, "GET", &chord_of(op)->keys[KEY_GROUP], 1, on_group);
}

static long long number_of(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
}

/* [ZADD, ZCOUNT, GET .t, GET .s, EXPIRE ...] */
static void on_counted(void *context, const redisReply *reply)
{
    struct redis_op *op = context;
    struct chord *chord = chord_of(op);
    if (!redis_op_goes_on(op, reply))
        return;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 4) {
        redis_op_end(op, "Redis has not carried out a transaction");
        return;
    }
    bool sized = reply->element[3]->type == REDIS_REPLY_STRING;
    long long wanted = number_of(reply->element[3]) + number_of(reply->element[2]);
    if (!sized || number_of(reply->element[1]) != wanted) {
        redis_op_end(op, NULL);
        return;
    }
    /* From here on whoever comes later does not change it. */
    chord->complete_since = now_of(chord);
    op->begin = begin_collecting;
    begin_collecting(op);
}

static void begin_part(struct redis_op *op)
{
    const struct chord *chord = chord_of(op);
    const char *ttl = op->redis->ttl;
    send_words(op, "MULTI", NULL, 0, NULL);
    send_words(
        op, "ZADD",
        (const struct text[]){chord->keys[KEY_PARTS], redis_word(chord->number), chord->payload}, 3,
        NULL);
    send_words(
        op, "ZCOUNT",
        (const struct text[]){chord->keys[KEY_PARTS], redis_word("-inf"), redis_word("+inf")}, 3,
        NULL);
    send_words(op, "GET", &chord->keys[KEY_ADDED], 1, NULL);
    send_words(op, "GET", &chord->keys[KEY_SIZE], 1, NULL);
    for (enum chord_key key = KEY_PARTS; ttl[0] != '\0' && key < KEYS; key++)
        send_words(op, "EXPIRE", (const struct text[]){chord->keys[key], redis_word(ttl)}, 2, NULL);
    send_words(op, "EXEC", NULL, 0, on_counted);
}

enum backend_answer redis_add_part(void *self, const struct backend_part *part,
                                   backend_added *added, void *context)
{
    enum backend_answer answer;
    struct text member = {part->member.data, part->member.size};
    struct chord *chord = chord_new(self, part->group_id, member, &answer);
    if (chord == NULL)
        return answer;
    if (part->has_index)
        snprintf(chord->number, sizeof(chord->number), "%" PRId64, part->index);
    else
        snprintf(chord->number, sizeof(chord->number), "+inf");
    chord->op.begin = begin_part;
    chord->op.context = context;
    chord->added = added;
    redis_op_start(self, &chord->op);
    return answer;
}

/* ---- the end ---- */

static void begin_end(struct redis_op *op)
{
    send_words(op, "DEL", &chord_of(op)->keys[KEY_PARTS], 3, on_last);
}

enum backend_answer redis_end_chord(void *self, struct text group_id, backend_done *done,
                                    void *context)
{
    enum backend_answer answer;
    struct chord *chord = chord_new(self, group_id, (struct text){NULL, 0}, &answer);
    if (chord == NULL)
        return answer;
    chord->op.begin = begin_end;
    chord->op.context = context;
    chord->done = done;
    redis_op_start(self, &chord->op);
    return answer;
}
