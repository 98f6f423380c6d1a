/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the keys of remote control messages. Knows no command. */

#include "codec/control.h"

static msgpack_object at(const msgpack_object *message, const char *key)
{
    const msgpack_object *value = value_get(message, key);
    return value != NULL ? *value : value_nil();
}

static struct text text_at(const msgpack_object *map, const char *key)
{
    struct text text = {NULL, 0};
    value_as_text(value_get(map, key), &text);
    return text;
}

/* As in Python, where an empty list of destinations is none. */
static bool is_false(const msgpack_object *value)
{
    struct text text;
    return value_is_nil(value) ||
           (value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size == 0) ||
           (value->type == MSGPACK_OBJECT_MAP && value->via.map.size == 0) ||
           (value_as_text(value, &text) && text.size == 0);
}

static int read_destination(const msgpack_object *message, struct control_message *ret,
                            struct codec_reason *reason)
{
    ret->destination = at(message, "destination");
    if (is_false(&ret->destination))
        ret->destination = value_nil();
    if (!value_is_nil(&ret->destination) && ret->destination.type != MSGPACK_OBJECT_ARRAY &&
        ret->destination.type != MSGPACK_OBJECT_STR)
        return codec_fail(reason, CODEC_ETYPE, "its destination is no list of nodes");
    ret->pattern = text_at(message, "pattern");
    ret->matcher = text_at(message, "matcher");
    return 0;
}

static int read_arguments(const msgpack_object *message, struct control_message *ret,
                          struct codec_reason *reason)
{
    ret->arguments = at(message, "arguments");
    if (is_false(&ret->arguments))
        ret->arguments = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
    if (ret->arguments.type != MSGPACK_OBJECT_MAP)
        return codec_fail(reason, CODEC_ETYPE, "its arguments are no mapping");
    return 0;
}

static int read_reply_to(const msgpack_object *message, struct control_message *ret,
                         struct codec_reason *reason)
{
    const msgpack_object reply_to = at(message, "reply_to");
    ret->ticket = at(message, "ticket");
    ret->reply_exchange = ret->reply_key = (struct text){NULL, 0};
    if (is_false(&reply_to))
        return 0;
    ret->reply_exchange = text_at(&reply_to, "exchange");
    ret->reply_key = text_at(&reply_to, "routing_key");
    if (ret->reply_exchange.data == NULL || ret->reply_key.data == NULL)
        return codec_fail(reason, CODEC_ETYPE, "its reply_to names no exchange and routing key");
    return 0;
}

int control_read(struct text content_type, struct bytes body, msgpack_zone *zone,
                 struct control_message *ret, struct codec_reason *reason)
{
    const struct serializer *serializer = serializer_by_content_type(content_type);
    struct control_message message;
    msgpack_object value;
    if (serializer == NULL)
        return codec_fail(reason, CODEC_EUNSUPPORTED, "its content type is '%.*s'",
                          text_quoted_size(content_type),
                          content_type.data != NULL ? content_type.data : "");
    if (body.size > CONTROL_BODY_MAX)
        return codec_fail(reason, CODEC_ETOOBIG, "it is %zu bytes long", body.size);
    int rc = serializer->decode(body, zone, &value, reason);
    if (rc != 0)
        return rc;
    message.method = text_at(&value, "method");
    if (message.method.data == NULL)
        return codec_fail(reason, CODEC_ETYPE, "it names no method");
    rc = read_arguments(&value, &message, reason);
    if (rc == 0)
        rc = read_destination(&value, &message, reason);
    if (rc == 0)
        rc = read_reply_to(&value, &message, reason);
    if (rc == 0)
        *ret = message;
    return rc;
}

int control_write_reply(const char *nodename, const msgpack_object *value,
                        const struct serializer *serializer, struct buffer *buffer)
{
    msgpack_object_kv pair = {.key = value_string(nodename), .val = *value};
    const msgpack_object reply = {.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pair}};
    return serializer->encode(&reply, buffer);
}
