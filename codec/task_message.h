/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_TASK_MESSAGE_H
#define CELERIAC_CODEC_TASK_MESSAGE_H

/* The metadata of a task message (celery-wire.md 2): what the main process reads. Protocol 2 keeps
 * it in the AMQP headers, so the body stays closed; protocol 1 keeps it in the body, which is then
 * opened here, within a bound, and rewritten as a protocol 2 body. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

/* A protocol 1 body larger than this is not opened in the main process. */
enum { TASK_MESSAGE_V1_MAX = 8 * 1024 * 1024 };
/* Time limits beyond this many seconds (30 years) are cut to it. */
enum { TASK_MESSAGE_LIMIT_MAX = 1000 * 1000 * 1000 };

/* What classification found; the rows are those of celery-wire.md 3.2. */
enum task_message_kind {
    TASK_MESSAGE_OK,
    TASK_MESSAGE_UNDECODABLE, /* row A, C: no `task` header and a body that cannot be opened: ack */
    TASK_MESSAGE_NOT_A_TASK,  /* row B: opened, but no task object: reject */
    TASK_MESSAGE_INVALID,     /* row G, I: bad eta, expires, id or header types: reject */
};

struct task_message_source {
    const msgpack_object *headers; /* the AMQP headers as a map, or NULL */
    struct text content_type, content_encoding;
    struct bytes body;
};

struct task_message {
    int protocol; /* 1 or 2 */
    struct text task, id;
    struct text shadow, group, root_id, parent_id, origin;
    struct text argsrepr, kwargsrepr; /* for logs; never rendered again */
    struct text compression;
    int64_t retries;
    bool has_eta, has_expires;
    int64_t eta, expires;          /* microseconds since 1970, UTC */
    double soft_limit, hard_limit; /* seconds; 0 where the message names none */
    bool has_ignore_result, ignore_result;
    /* As of protocol 2: the message's own, or made from a protocol 1 body (then in `zone`). */
    msgpack_object headers;
    struct bytes body;
    struct text content_type, content_encoding; /* of `body` after decompression */
};

/* Reads `source` into *ret, which borrows from it and from `zone`. On any kind but OK, `reason`
 * holds a sentence for the log, and *ret holds what could be read (task and id, if they are there).
 * Never fails for lack of memory other than by reporting TASK_MESSAGE_UNDECODABLE. */
enum task_message_kind task_message_read(const struct task_message_source *source,
                                         msgpack_zone *zone, struct task_message *ret,
                                         struct codec_reason *reason);

#endif
