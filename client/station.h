/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_STATION_H
#define CELERIAC_CLIENT_STATION_H

/* A broker object that is driven by calls: what it has told is remembered until somebody looks. */

#include "broker/broker.h"
#include "client/report.h"
#include "client/waiting.h"

/* Where the brokers are, and how to get there. */
struct station_config {
    struct broker_url urls[BROKER_URLS_MAX];
    size_t url_count;
    double connection_timeout; /* seconds */
    size_t body_max;           /* bytes of a message that may come */
};

struct station {
    struct waiting *waiting;
    struct broker *broker; /* NULL: closed */
    /* Take the delivery; NULL where nothing is consumed. */
    void (*on_delivery)(void *context, struct broker_delivery *delivery);
    void (*on_oversized)(void *context, struct broker_delivery *delivery, uint64_t size);
    void *context;
    size_t url_count;
    size_t failures; /* attempts to connect, since the last success */
    bool up;         /* what is consumed is consumed */
    bool given_up, stopped;
    char trouble[CELERIAC_CLIENT_ERROR_SIZE]; /* the last one; "": none yet */
};

/* Starts connecting; `queues` and `config` are borrowed until the station is closed. False: out of
 * memory. */
MUST_CHECK bool station_open(struct station *station, const struct station_config *config,
                             const struct broker_queue *queues, size_t queue_count);
/* Nothing that is still to be sent is waited for. May be closed already. */
void station_close(struct station *station);

static inline bool station_is_open(const struct station *station)
{
    return station->broker != NULL;
}

/* Every URL has been tried in vain, or it is hopeless. */
bool station_is_out_of_reach(const struct station *station);
/* What went wrong last, else `otherwise`. */
const char *station_trouble(const struct station *station, const char *otherwise);

#endif
