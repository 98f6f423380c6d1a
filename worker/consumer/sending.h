/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_SENDING_H
#define CELERIAC_CONSUMER_SENDING_H

/* The messages that tasks send (PROTOCOL.md, PUBLISH). */

#include "broker/broker.h"
#include "codec/value.h"

struct consumer;

/* Publishes the message that the frame's map describes; borrows both until it returns. As
 * broker_publish; *ret_error says in words why it could not. */
MUST_CHECK int sending_publish(struct consumer *consumer, const msgpack_object *map,
                               struct bytes body, broker_published *published, void *context,
                               const char **ret_error);

#endif
