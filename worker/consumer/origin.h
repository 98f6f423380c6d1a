/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_ORIGIN_H
#define CELERIAC_CONSUMER_ORIGIN_H

/* A copy of a message comes to its queue by another way than the message did, and with properties
 * that it did not have. What the sender's own message was travels in a header, and comes back
 * before anybody looks: a task sees the message that its sender sent. */

#include <stdbool.h>
#include <stdint.h>

#include "worker/consumer/request.h"

/* The header of our copies: a map. No task sees it. */
#define ORIGIN_HEADER "x-worker-origin"

/* The map for a copy of the request's message that will have been parked so many times, in the
 * delivery's zone. False: out of memory. */
MUST_CHECK bool origin_describe(const struct request *request, int64_t parks, msgpack_object *ret);
/* Gives the delivery of such a copy the looks that the message had. False: out of memory, and it is
 * as it was. */
MUST_CHECK bool origin_restore(struct request *request);

#endif
