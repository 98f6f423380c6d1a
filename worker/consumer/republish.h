/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_REPUBLISH_H
#define CELERIAC_CONSUMER_REPUBLISH_H

/* Copies of a request's message, with other headers. */

#include "worker/consumer/request.h"

/* A map of the headers that a copy takes over, in the delivery's zone, with room for so many more:
 * without RabbitMQ's notes about dead letters and without ours. False: out of memory. */
MUST_CHECK bool republish_headers(const struct request *request, uint32_t more,
                                  msgpack_object *ret);
/* The copy, to the queue that the message came from. Borrows all of it. */
struct broker_message republish_message(const struct request *request,
                                        const msgpack_object *headers);
/* The counted return of a lost task's message to its queue; closes the request when it is done. */
void republish_counted(struct request *request);

#endif
