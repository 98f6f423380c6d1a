/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_CONTROL_H
#define CELERIAC_CODEC_CONTROL_H

/* Remote control messages as kombu's pidbox writes them (celery-wire.md 6.1, 6.2): a command for
 * some workers or all of them, and what one worker answers. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/serializer.h"
#include "codec/value.h"

/* A larger command is not opened: it has room for 100,000 task ids. */
enum { CONTROL_BODY_MAX = 8 * 1024 * 1024 };

struct control_message {
    struct text method;
    msgpack_object arguments;              /* a map, maybe empty */
    msgpack_object destination;            /* nil: everybody; a str or an array of node names */
    struct text pattern, matcher;          /* data NULL: not given */
    msgpack_object ticket;                 /* nil: none; goes back with the reply as it is */
    struct text reply_exchange, reply_key; /* data NULL: no reply is wanted */
};

/* Reads `body`; *ret borrows from it and from `zone`. CODEC_EUNSUPPORTED: no serializer of ours;
 * CODEC_ETOOBIG; CODEC_ETYPE: no command; and what the serializer returns. */
MUST_CHECK int control_read(struct text content_type, struct bytes body, msgpack_zone *zone,
                            struct control_message *ret, struct codec_reason *reason);

/* Appends {nodename: value}. What the serializer returns. */
MUST_CHECK int control_write_reply(const char *nodename, const msgpack_object *value,
                                   const struct serializer *serializer, struct buffer *buffer);

#endif
