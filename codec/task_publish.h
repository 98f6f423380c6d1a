/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_TASK_PUBLISH_H
#define CELERIAC_CODEC_TASK_PUBLISH_H

/* Task messages to be sent (celery-wire.md 2): headers, properties and body as Celery writes them
 * from a call's arguments and options. */

#include <stdint.h>

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/serializer.h"
#include "codec/value.h"

struct task_publish {
    struct text task, id;
    const msgpack_object *args, *kwargs; /* an array; a map with string keys */
    /* A map under Celery's names (celery-wire.md 5.1), or NULL: countdown, eta, expires, retries,
     * time_limit, soft_time_limit, queue, exchange, routing_key, priority, delivery_mode, reply_to,
     * root_id, parent_id, group_id, group_index, chord, chain, link, link_error, shadow,
     * ignore_result, replaced_task_nesting, headers, serializer, compression, stamped_headers and
     * the stamps it names. */
    const msgpack_object *options;
    const struct serializer *serializer; /* where the options name none */
    struct text origin;                  /* "gen123@host" */
    int64_t now;                         /* microseconds since 1970, UTC */
};

/* *ret becomes the message map of a PUBLISH frame (PROTOCOL.md), which borrows from `publish` and
 * from the zone; the encoded body is appended. CODEC_ETYPE: an option or an argument that cannot be
 * sent, with a sentence in `reason`; CODEC_EUNSUPPORTED: a serializer or compression unknown to
 * this build; else what the serializer says. */
MUST_CHECK int task_publish_write(const struct task_publish *publish, msgpack_zone *zone,
                                  msgpack_object *ret, struct buffer *body,
                                  struct codec_reason *reason);

/* The AMQP expiration of a message that is to be dropped at `expires`: "60000"; in the zone, NULL
 * when out of memory. Both in microseconds. */
const char *task_publish_expiration(int64_t expires, int64_t now, msgpack_zone *zone);

#endif
