/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens protocol 1 bodies and writes them anew as protocol 2. The only place where the main process
 * reads what a task is called with, so all of it is bounded. */

#include "codec/task_message_v1.h"

#include <stdlib.h>

#include "codec/serializer.h"
#include "codec/task_body.h"

/* Text grows when it is written in ASCII, at most six bytes for one. */
enum { REWRITE_GROWTH = 6 };

/* The fields of the body that are headers in protocol 2. The body's others are the call itself, or
 * mean nothing any more. */
static const char *const header_fields[] = {
    "task",    "id",        "shadow",  "eta",       "expires", "group",         "group_index",
    "retries", "timelimit", "root_id", "parent_id", "origin",  "ignore_result",
};

/* Hands malloc'ed memory to the zone. */
static bool keep(msgpack_zone *zone, struct buffer *buffer)
{
    if (buffer->data == NULL)
        return true;
    if (!msgpack_zone_push_finalizer(zone, free, buffer->data)) {
        buffer_done(buffer);
        return false;
    }
    return true;
}

static enum task_message_kind no_memory(struct codec_reason *reason)
{
    codec_fail(reason, CODEC_ENOMEM, "out of memory");
    return TASK_MESSAGE_UNDECODABLE;
}

static enum task_message_kind open_body(const struct task_message_source *source,
                                        msgpack_zone *zone, msgpack_object *ret,
                                        struct codec_reason *reason)
{
    struct task_body_source body = {.content_type = source->content_type,
                                    .content_encoding = source->content_encoding,
                                    .body = source->body,
                                    .limit = TASK_MESSAGE_V1_MAX};
    const msgpack_object *compression = value_get(source->headers, "compression");
    if (!value_is_nil(compression) && !value_as_text(compression, &body.compression)) {
        codec_fail(reason, CODEC_ETYPE, "header 'compression' is no str but %s",
                   value_type_name(compression));
        return TASK_MESSAGE_UNDECODABLE;
    }
    struct buffer plain;
    buffer_init(&plain, TASK_MESSAGE_V1_MAX);
    int rc = task_body_decode(&body, &plain, zone, ret, reason);
    if (rc != 0) {
        buffer_done(&plain);
        return TASK_MESSAGE_UNDECODABLE;
    }
    return keep(zone, &plain) ? TASK_MESSAGE_OK : no_memory(reason);
}

static void put_if_any(msgpack_object *map, const char *key, const msgpack_object *value)
{
    if (value != NULL)
        value_map_put(map, key, *value);
}

/* The body's fields, then the message's own headers, which win: of equal keys the last one counts.
 */
static bool make_headers(const msgpack_object *fields, const msgpack_object *own,
                         msgpack_zone *zone, msgpack_object *ret)
{
    uint32_t own_size = own != NULL && own->type == MSGPACK_OBJECT_MAP ? own->via.map.size : 0;
    if (own_size > UINT32_MAX - 64 ||
        !value_map(zone, own_size + (uint32_t)ARRAY_LEN(header_fields) + 1, ret))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(header_fields); i++) {
        if (value_get(own, header_fields[i]) == NULL)
            put_if_any(ret, header_fields[i], value_get(fields, header_fields[i]));
    }
    if (value_get(own, "group") == NULL)
        put_if_any(ret, "group", value_get(fields, "taskset"));
    for (uint32_t i = 0; i < own_size; i++) {
        const msgpack_object_kv *pair = &own->via.map.ptr[i];
        struct text key;
        /* the body is open now, and stays so */
        if (!value_as_text(&pair->key, &key) || !text_equal(key, "compression"))
            ret->via.map.ptr[ret->via.map.size++] = *pair;
    }
    return true;
}

static msgpack_object field(const msgpack_object *fields, const char *key,
                            msgpack_object_type type_if_missing)
{
    const msgpack_object *value = value_get(fields, key);
    return value_is_nil(value) ? (msgpack_object){.type = type_if_missing} : *value;
}

static bool make_triple(const msgpack_object *fields, msgpack_zone *zone, msgpack_object *ret)
{
    msgpack_object embed;
    if (!value_array(zone, 3, ret) || !value_map(zone, 4, &embed))
        return false;
    value_map_put(&embed, "callbacks", field(fields, "callbacks", MSGPACK_OBJECT_NIL));
    value_map_put(&embed, "errbacks", field(fields, "errbacks", MSGPACK_OBJECT_NIL));
    value_map_put(&embed, "chain", value_nil());
    value_map_put(&embed, "chord", field(fields, "chord", MSGPACK_OBJECT_NIL));
    ret->via.array.ptr[0] = field(fields, "args", MSGPACK_OBJECT_ARRAY);
    ret->via.array.ptr[1] = field(fields, "kwargs", MSGPACK_OBJECT_MAP);
    ret->via.array.ptr[2] = embed;
    return true;
}

static enum task_message_kind check_triple(const msgpack_object *triple,
                                           struct codec_reason *reason)
{
    const msgpack_object *args = &triple->via.array.ptr[0];
    const msgpack_object *kwargs = &triple->via.array.ptr[1];
    if (args->type != MSGPACK_OBJECT_ARRAY)
        codec_fail(reason, CODEC_ETYPE, "args is no list but %s", value_type_name(args));
    else if (kwargs->type != MSGPACK_OBJECT_MAP)
        codec_fail(reason, CODEC_ETYPE, "kwargs is no dict but %s", value_type_name(kwargs));
    else
        return TASK_MESSAGE_OK;
    return TASK_MESSAGE_INVALID;
}

static enum task_message_kind make_body(const msgpack_object *triple,
                                        const struct serializer *serializer, msgpack_zone *zone,
                                        struct bytes *ret, struct codec_reason *reason)
{
    struct buffer body;
    buffer_init(&body, (size_t)TASK_MESSAGE_V1_MAX * REWRITE_GROWTH);
    int rc = serializer->encode(triple, &body);
    if (rc != 0) {
        buffer_done(&body);
        codec_fail(reason, rc, "the body cannot be written as protocol 2: %s", codec_strerror(rc));
        return TASK_MESSAGE_UNDECODABLE;
    }
    if (!keep(zone, &body))
        return no_memory(reason);
    *ret = buffer_bytes(&body);
    return TASK_MESSAGE_OK;
}

enum task_message_kind task_message_v1_upgrade(const struct task_message_source *source,
                                               msgpack_zone *zone, struct task_message_v1 *ret,
                                               struct codec_reason *reason)
{
    msgpack_object fields;
    msgpack_object triple;
    enum task_message_kind kind = open_body(source, zone, &fields, reason);
    if (kind != TASK_MESSAGE_OK)
        return kind;
    if (value_get(&fields, "task") == NULL) {
        codec_fail(reason, CODEC_ETYPE, "neither a header nor a body names a task (the body is %s)",
                   value_type_name(&fields));
        return TASK_MESSAGE_NOT_A_TASK;
    }
    if (!make_headers(&fields, source->headers, zone, &ret->headers) ||
        !make_triple(&fields, zone, &triple))
        return no_memory(reason);
    kind = check_triple(&triple, reason);
    if (kind != TASK_MESSAGE_OK)
        return kind;
    return make_body(&triple, serializer_by_content_type(source->content_type), zone, &ret->body,
                     reason);
}
