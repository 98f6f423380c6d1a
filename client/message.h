/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_MESSAGE_H
#define CELERIAC_CLIENT_MESSAGE_H

/* A call as the message that Celery's own client would send for it (celery-wire.md 2). */

#include "broker/broker.h"
#include "celeriac/client.h"
#include "client/report.h"
#include "codec/serializer.h"

struct message {
    msgpack_zone *zone;
    struct buffer body;
    struct broker_message wire; /* borrows from both, and from the call; no address yet */
};

struct message_source {
    const struct celeriac_call *call;
    const char *id, *reply_to, *origin;
    const struct serializer *serializer; /* where the call names none */
    int64_t now;                         /* microseconds since 1970, UTC */
};

/* On failure there is nothing to end. */
MUST_CHECK int message_init(struct message *message, const struct message_source *source,
                            struct report *report);
void message_done(struct message *message);

#endif
