/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what becomes of a body that cannot be used. Knows no task. */

#include "worker/runtime/native/body.h"

#include "codec/frame.h"
#include "codec/serializer.h"

static struct task_body_source source_of(const struct request *request, struct text body)
{
    return (struct task_body_source){
        .content_type = request_property(request, "content_type"),
        .content_encoding = request_property(request, "content_encoding"),
        .compression = request_header(request, "compression"),
        .body = {body.data, body.size},
        .limit = FRAME_MAX,
    };
}

/* Tells a body whose only fault is its keyword arguments from one that is no task body. */
static bool has_bad_kwargs(const struct task_body_source *source, const struct buffer *plain,
                           msgpack_zone *zone)
{
    struct bytes text = source->compression.size > 0 ? buffer_bytes(plain) : source->body;
    const struct serializer *serializer = serializer_by_content_type(source->content_type);
    msgpack_object body;
    if (serializer == NULL || serializer->decode(text, zone, &body, NULL) != 0)
        return false;
    const msgpack_object *args = value_at(&body, 0);
    const msgpack_object *kwargs = value_at(&body, 1);
    const msgpack_object *embed = value_at(&body, 2);
    return args != NULL && args->type == MSGPACK_OBJECT_ARRAY && kwargs != NULL &&
           kwargs->type != MSGPACK_OBJECT_MAP && embed != NULL &&
           (value_is_nil(embed) || embed->type == MSGPACK_OBJECT_MAP);
}

enum body_status body_open(const struct request *request, struct text body, struct buffer *plain,
                           msgpack_zone *zone, struct task_body *ret, struct codec_reason *reason)
{
    struct task_body_source source = source_of(request, body);
    if (!request_accepts(request, source.content_type)) {
        codec_fail(reason, CODEC_EUNSUPPORTED, "content type '%.*s' is not accepted",
                   (int)(source.content_type.size & 0x7f),
                   source.content_type.data == NULL ? "" : source.content_type.data);
        return BODY_INVALID;
    }
    int error = task_body_read(&source, plain, zone, ret, reason);
    if (error == 0)
        return BODY_OPEN;
    if (error != CODEC_ETYPE)
        return BODY_UNDECODABLE;
    return has_bad_kwargs(&source, plain, zone) ? BODY_BAD_KWARGS : BODY_INVALID;
}
