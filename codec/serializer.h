/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_SERIALIZER_H
#define CELERIAC_CODEC_SERIALIZER_H

/* The serializers that celeriac speaks, by their names and content types in kombu's registry: json
 * and msgpack. pickle and yaml run code of the sender's choice when they are read and are not here,
 * on purpose. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

struct serializer {
    const char *name;             /* "json" */
    const char *content_type;     /* "application/json" */
    const char *content_encoding; /* "utf-8" */
    /* Strings of *ret may point into `text`. */
    int (*decode)(struct bytes text, msgpack_zone *zone, msgpack_object *ret,
                  struct codec_reason *reason);
    int (*encode)(const msgpack_object *value, struct buffer *buffer);
};

/* NULL if there is none of that name ("json", "msgpack"; also by content type, as Celery's
 * accept_content allows). */
const struct serializer *serializer_by_name(const char *name);
/* NULL if the content type is not one of ours. */
const struct serializer *serializer_by_content_type(struct text content_type);

#endif
