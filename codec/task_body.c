/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens task bodies: decompress, decode, check the shape. Knows no message around the body and no
 * task. */

#include "codec/task_body.h"

#include <string.h>
#include <strings.h>

#include "codec/compression.h"
#include "codec/serializer.h"

/* kombu never looks at the encoding of what it has a decoder for; we refuse what says that it is
 * not UTF-8. */
static bool encoding_is_known(struct text encoding)
{
    static const char *const known[] = {"utf-8", "utf8", "us-ascii", "ascii", "binary"};
    if (encoding.size == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (encoding.size == strlen(known[i]) &&
            strncasecmp(encoding.data, known[i], encoding.size) == 0)
            return true;
    }
    return false;
}

static int unsupported(const char *what, struct text name, struct codec_reason *reason)
{
    if (name.size == 0)
        return codec_fail(reason, CODEC_EUNSUPPORTED, "the message names no %s", what);
    return codec_fail(reason, CODEC_EUNSUPPORTED, "%s '%.*s' is not supported", what,
                      text_quoted_size(name), name.data);
}

static int decompress(const struct task_body_source *source, struct buffer *plain,
                      struct bytes *ret, struct codec_reason *reason)
{
    const struct compression *compression = compression_find(source->compression);
    if (compression == NULL)
        return unsupported("compression", source->compression, reason);
    plain->size = 0;
    plain->limit = source->limit;
    int rc = compression->decompress(source->body, plain);
    if (rc != 0)
        return codec_fail(reason, rc, "the body cannot be decompressed with %s: %s",
                          compression->aliases[0], codec_strerror(rc));
    *ret = buffer_bytes(plain);
    return 0;
}

int task_body_decode(const struct task_body_source *source, struct buffer *plain,
                     msgpack_zone *zone, msgpack_object *ret, struct codec_reason *reason)
{
    const struct serializer *serializer = serializer_by_content_type(source->content_type);
    if (serializer == NULL)
        return unsupported("content type", source->content_type, reason);
    if (!encoding_is_known(source->content_encoding))
        return unsupported("content encoding", source->content_encoding, reason);
    struct bytes body = source->body;
    if (source->compression.size > 0) {
        int rc = decompress(source, plain, &body, reason);
        if (rc != 0)
            return rc;
    }
    if (body.size > source->limit)
        return codec_fail(reason, CODEC_ETOOBIG, "the body has more than %zu bytes", source->limit);
    return serializer->decode(body, zone, ret, reason);
}

static bool has_string_keys(const msgpack_object *map)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (map->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR)
            return false;
    }
    return true;
}

static msgpack_object member(const msgpack_object *embed, const char *key)
{
    const msgpack_object *value = value_get(embed, key);
    return value != NULL ? *value : value_nil();
}

static int check_shape(const msgpack_object *body, struct task_body *ret,
                       struct codec_reason *reason)
{
    if (body->type != MSGPACK_OBJECT_ARRAY || body->via.array.size != 3)
        return codec_fail(reason, CODEC_ETYPE,
                          "the body is no list of three (args, kwargs, embed)");
    const msgpack_object *args = &body->via.array.ptr[0];
    const msgpack_object *kwargs = &body->via.array.ptr[1];
    const msgpack_object *embed = &body->via.array.ptr[2];
    if (args->type != MSGPACK_OBJECT_ARRAY)
        return codec_fail(reason, CODEC_ETYPE, "args is no list but %s", value_type_name(args));
    if (kwargs->type != MSGPACK_OBJECT_MAP)
        return codec_fail(reason, CODEC_ETYPE, "kwargs is no dict but %s", value_type_name(kwargs));
    if (!has_string_keys(kwargs))
        return codec_fail(reason, CODEC_ETYPE, "kwargs has a key that is no string");
    if (embed->type != MSGPACK_OBJECT_MAP && embed->type != MSGPACK_OBJECT_NIL)
        return codec_fail(reason, CODEC_ETYPE, "embed is no dict but %s", value_type_name(embed));
    *ret = (struct task_body){.args = *args,
                              .kwargs = *kwargs,
                              .callbacks = member(embed, "callbacks"),
                              .errbacks = member(embed, "errbacks"),
                              .chain = member(embed, "chain"),
                              .chord = member(embed, "chord")};
    return 0;
}

int task_body_read(const struct task_body_source *source, struct buffer *plain, msgpack_zone *zone,
                   struct task_body *ret, struct codec_reason *reason)
{
    msgpack_object body = value_nil();
    int rc = task_body_decode(source, plain, zone, &body, reason);
    return rc != 0 ? rc : check_shape(&body, ret, reason);
}
