/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_TASK_BODY_H
#define CELERIAC_CODEC_TASK_BODY_H

/* The body of a protocol 2 message, [args, kwargs, embed] (celery-wire.md 2.4): opened in the
 * child, never in the main process. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

struct task_body {
    msgpack_object args;   /* always an array */
    msgpack_object kwargs; /* always a map with string keys */
    /* nil, or what the sender put there: */
    msgpack_object callbacks, errbacks, chain, chord;
};

struct task_body_source {
    struct text content_type, content_encoding; /* an empty encoding means utf-8, as in kombu */
    struct text compression;                    /* empty: none */
    struct bytes body;
    size_t limit; /* bytes that the decompressed body may have */
};

/* Decompresses into `plain` if the message is compressed (its content is replaced and its limit set
 * to source->limit), and decodes. *ret points into source->body, or into `plain`, and into `zone`.
 * CODEC_EUNSUPPORTED: content type, encoding or compression unknown;
 * CODEC_EINVALID/EDEPTH/ETOOBIG/ENOMEM: cannot be decoded. */
MUST_CHECK int task_body_decode(const struct task_body_source *source, struct buffer *plain,
                                msgpack_zone *zone, msgpack_object *ret,
                                struct codec_reason *reason);

/* task_body_decode, then a check of the shape. CODEC_ETYPE: decoded, but not a triple of list,
 * object with string keys, object-or-null. */
MUST_CHECK int task_body_read(const struct task_body_source *source, struct buffer *plain,
                              msgpack_zone *zone, struct task_body *ret,
                              struct codec_reason *reason);

#endif
