/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_ROUTE_H
#define CELERIAC_CLIENT_ROUTE_H

/* Where a call goes, and how the queue there is declared: the rules of Celery's clients
 * (celery-wire.md 1.2, 1.3). Pure. */

#include "broker/broker.h"
#include "celeriac/client.h"

struct route {
    const char *queue; /* to be declared before */
    const char *exchange, *routing_key;
};

/* The strings are those of the configuration or of the call. */
void route_find(const struct celeriac_client_config *config, const struct celeriac_call *call,
                struct route *ret);

/* How the queue of that name is declared. Borrows the configuration; the rest is in the zone.
 * False: out of memory. */
MUST_CHECK bool route_queue(const struct celeriac_client_config *config, const char *name,
                            msgpack_zone *zone, struct broker_queue *ret);

#endif
