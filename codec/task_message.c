/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the headers of task messages: one pass, one table, no memory. Knows no AMQP and no task;
 * never looks into a protocol 2 body. */

#include "codec/task_message.h"

#include <string.h>

#include "codec/iso8601.h"
#include "codec/result_message.h"
#include "codec/task_message_v1.h"

/* The headers that are read, in this order. */
enum field {
    FIELD_NONE,
    FIELD_TASK,
    FIELD_ID,
    FIELD_SHADOW,
    FIELD_GROUP,
    FIELD_ROOT_ID,
    FIELD_PARENT_ID,
    FIELD_ORIGIN,
    FIELD_ARGSREPR,
    FIELD_KWARGSREPR,
    FIELD_COMPRESSION,
    FIELD_RETRIES,
    FIELD_ETA,
    FIELD_EXPIRES,
    FIELD_TIMELIMIT,
    FIELD_IGNORE_RESULT,
    FIELD_COUNT,
};

/* Reads a value that is not null into *ret. Returns NULL, or the words for what it should have
 * been. */
typedef const char *field_reader(const msgpack_object *value, struct task_message *ret,
                                 size_t offset);

static const char *read_text(const msgpack_object *value, struct task_message *ret, size_t offset)
{
    return value_as_text(value, (struct text *)((char *)ret + offset)) ? NULL : "str";
}

static const char *read_retries(const msgpack_object *value, struct task_message *ret,
                                size_t offset)
{
    (void)offset;
    int64_t retries;
    if (!value_as_int(value, &retries) || retries < 0)
        return "int from 0 on";
    ret->retries = retries;
    return NULL;
}

static const char *read_time(const msgpack_object *value, bool *ret_has, int64_t *ret)
{
    struct text text;
    if (!value_as_text(value, &text))
        return "str";
    if (text.size == 0) /* no time, as for Celery */
        return NULL;
    if (iso8601_parse(text, ret, NULL) != 0)
        return "ISO 8601 time";
    *ret_has = true;
    return NULL;
}

static const char *read_eta(const msgpack_object *value, struct task_message *ret, size_t offset)
{
    (void)offset;
    return read_time(value, &ret->has_eta, &ret->eta);
}

static const char *read_expires(const msgpack_object *value, struct task_message *ret,
                                size_t offset)
{
    (void)offset;
    return read_time(value, &ret->has_expires, &ret->expires);
}

/* Longer limits than a human life are no limits, and must not overflow anybody's milliseconds. */
static bool read_limit(const msgpack_object *value, double *ret)
{
    double seconds = 0;
    if (!value_is_nil(value) && !value_as_double(value, &seconds))
        return false;
    if (!(seconds >= 0)) /* or not a number */
        return false;
    *ret = seconds > TASK_MESSAGE_LIMIT_MAX ? TASK_MESSAGE_LIMIT_MAX : seconds;
    return true;
}

static const char *read_timelimit(const msgpack_object *value, struct task_message *ret,
                                  size_t offset)
{
    (void)offset;
    double hard;
    double soft;
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size != 2 ||
        !read_limit(value_at(value, 0), &hard) || !read_limit(value_at(value, 1), &soft))
        return "list of two limits [hard, soft] from 0 on";
    ret->hard_limit = hard;
    ret->soft_limit = soft;
    return NULL;
}

static const char *read_ignore_result(const msgpack_object *value, struct task_message *ret,
                                      size_t offset)
{
    (void)offset;
    if (!value_as_bool(value, &ret->ignore_result))
        return "bool";
    ret->has_ignore_result = true;
    return NULL;
}

static const struct {
    const char *name;
    field_reader *read;
    size_t offset; /* of the struct text that read_text fills */
} fields[FIELD_COUNT] = {
    [FIELD_TASK] = {"task", read_text, offsetof(struct task_message, task)},
    [FIELD_ID] = {"id", read_text, offsetof(struct task_message, id)},
    [FIELD_SHADOW] = {"shadow", read_text, offsetof(struct task_message, shadow)},
    [FIELD_GROUP] = {"group", read_text, offsetof(struct task_message, group)},
    [FIELD_ROOT_ID] = {"root_id", read_text, offsetof(struct task_message, root_id)},
    [FIELD_PARENT_ID] = {"parent_id", read_text, offsetof(struct task_message, parent_id)},
    [FIELD_ORIGIN] = {"origin", read_text, offsetof(struct task_message, origin)},
    [FIELD_ARGSREPR] = {"argsrepr", read_text, offsetof(struct task_message, argsrepr)},
    [FIELD_KWARGSREPR] = {"kwargsrepr", read_text, offsetof(struct task_message, kwargsrepr)},
    [FIELD_COMPRESSION] = {"compression", read_text, offsetof(struct task_message, compression)},
    [FIELD_RETRIES] = {"retries", read_retries, 0},
    [FIELD_ETA] = {"eta", read_eta, 0},
    [FIELD_EXPIRES] = {"expires", read_expires, 0},
    [FIELD_TIMELIMIT] = {"timelimit", read_timelimit, 0},
    [FIELD_IGNORE_RESULT] = {"ignore_result", read_ignore_result, 0},
};

/* The same by the length of the name, so that a header is compared with two names at most. */
static const uint8_t fields_of_size[][3] = {
    [2] = {FIELD_ID},
    [3] = {FIELD_ETA},
    [4] = {FIELD_TASK},
    [5] = {FIELD_GROUP},
    [6] = {FIELD_SHADOW, FIELD_ORIGIN},
    [7] = {FIELD_EXPIRES, FIELD_RETRIES, FIELD_ROOT_ID},
    [8] = {FIELD_ARGSREPR},
    [9] = {FIELD_TIMELIMIT, FIELD_PARENT_ID},
    [10] = {FIELD_KWARGSREPR},
    [11] = {FIELD_COMPRESSION},
    [13] = {FIELD_IGNORE_RESULT},
};

static enum field field_of(const msgpack_object *key)
{
    if (key->type != MSGPACK_OBJECT_STR || key->via.str.size >= ARRAY_LEN(fields_of_size))
        return FIELD_NONE;
    const uint8_t *candidates = fields_of_size[key->via.str.size];
    for (size_t i = 0; i < ARRAY_LEN(fields_of_size[0]) && candidates[i] != FIELD_NONE; i++) {
        if (memcmp(fields[candidates[i]].name, key->via.str.ptr, key->via.str.size) == 0)
            return candidates[i];
    }
    return FIELD_NONE;
}

/* So that a message with any other fault can still be named. */
static void read_identity(const msgpack_object *const found[FIELD_COUNT], struct task_message *ret)
{
    (void)value_as_text(found[FIELD_TASK], &ret->task);
    (void)value_as_text(found[FIELD_ID], &ret->id);
}

static enum task_message_kind read_headers(const msgpack_object *const found[FIELD_COUNT],
                                           struct task_message *ret, struct codec_reason *reason)
{
    for (int i = FIELD_NONE + 1; i < FIELD_COUNT; i++) {
        if (value_is_nil(found[i]))
            continue;
        const char *wanted = fields[i].read(found[i], ret, fields[i].offset);
        if (wanted != NULL) {
            char shown[CODEC_REASON_SIZE / 2];
            result_repr(found[i], shown, sizeof(shown));
            codec_fail(reason, CODEC_ETYPE, "header '%s' is no %s: %s", fields[i].name, wanted,
                       shown);
            return TASK_MESSAGE_INVALID;
        }
    }
    if (ret->task.size > 0 && ret->id.size > 0)
        return TASK_MESSAGE_OK;
    codec_fail(reason, CODEC_ETYPE, "header '%s' is missing or empty",
               ret->task.size == 0 ? "task" : "id");
    return TASK_MESSAGE_INVALID;
}

static void find_headers(const msgpack_object *headers, const msgpack_object *found[FIELD_COUNT])
{
    for (int i = 0; i < FIELD_COUNT; i++)
        found[i] = NULL;
    if (headers == NULL || headers->type != MSGPACK_OBJECT_MAP)
        return;
    for (uint32_t i = 0; i < headers->via.map.size; i++)
        found[field_of(&headers->via.map.ptr[i].key)] = &headers->via.map.ptr[i].val;
}

enum task_message_kind task_message_read(const struct task_message_source *source,
                                         msgpack_zone *zone, struct task_message *ret,
                                         struct codec_reason *reason)
{
    const msgpack_object *found[FIELD_COUNT];
    *ret = (struct task_message){.protocol = 2,
                                 .body = source->body,
                                 .content_type = source->content_type,
                                 .content_encoding = source->content_encoding};
    find_headers(source->headers, found);
    if (found[FIELD_TASK] != NULL) {
        ret->headers = *source->headers;
        read_identity(found, ret);
        return read_headers(found, ret, reason);
    }
    ret->protocol = 1;
    struct task_message_v1 upgraded = {.headers = {.type = MSGPACK_OBJECT_NIL}};
    enum task_message_kind kind = task_message_v1_upgrade(source, zone, &upgraded, reason);
    find_headers(&upgraded.headers, found);
    read_identity(found, ret);
    if (kind != TASK_MESSAGE_OK)
        return kind;
    ret->headers = upgraded.headers;
    ret->body = upgraded.body;
    return read_headers(found, ret, reason);
}
