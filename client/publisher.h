/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_PUBLISHER_H
#define CELERIAC_CLIENT_PUBLISHER_H

/* Sends messages, each until the broker has confirmed it, over one connection that stays. */

#include "client/route.h"
#include "client/station.h"

enum { PUBLISHER_QUEUES_MAX = 64 };

/* The message that is on its way. */
struct sending {
    const struct station *station;
    bool over;
    char refusal[CELERIAC_CLIENT_ERROR_SIZE]; /* "": confirmed */
};

struct publisher {
    struct station station;
    struct sending sending;
    const struct station_config *config;
    const struct celeriac_client_config *settings;
    /* Declared whenever a connection is made. */
    struct broker_queue queues[PUBLISHER_QUEUES_MAX];
    size_t queue_count;
    msgpack_zone *zone; /* of the queues */
};

/* Borrows all three for its life. False: out of memory. */
MUST_CHECK bool publisher_init(struct publisher *publisher, struct waiting *waiting,
                               const struct station_config *config,
                               const struct celeriac_client_config *settings);
void publisher_done(struct publisher *publisher);

/* Sends the message once the queue (of a name) is declared. 0: it is confirmed; else the connection
 * is given up, and the next message gets a new one. */
MUST_CHECK int publisher_send(struct publisher *publisher, const char *queue,
                              const struct broker_message *message, uint64_t deadline,
                              struct report *report);

#endif
