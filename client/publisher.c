/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the publishing connection and the queues that are declared over it. Must not know what the
 * messages mean. */

#include "client/publisher.h"

#include <stdio.h>
#include <string.h>

bool publisher_init(struct publisher *publisher, struct waiting *waiting,
                    const struct station_config *config,
                    const struct celeriac_client_config *settings)
{
    publisher->station = (struct station){.waiting = waiting};
    publisher->config = config;
    publisher->settings = settings;
    publisher->queue_count = 0;
    publisher->zone = msgpack_zone_new(1024);
    return publisher->zone != NULL;
}

void publisher_done(struct publisher *publisher)
{
    station_close(&publisher->station);
    msgpack_zone_free(publisher->zone);
}

static bool knows(const struct publisher *publisher, const char *queue)
{
    for (size_t i = 0; i < publisher->queue_count; i++)
        if (strcmp(publisher->queues[i].name, queue) == 0)
            return true;
    return false;
}

static void forget_queues(struct publisher *publisher)
{
    publisher->queue_count = 0;
    msgpack_zone_clear(publisher->zone);
}

/* A broker object declares what it was made with, so a new queue means a new one. Nothing is lost
 * by that: between two calls nothing is on its way. */
static bool add_queue(struct publisher *publisher, const char *queue)
{
    if (knows(publisher, queue))
        return true;
    station_close(&publisher->station);
    if (publisher->queue_count == PUBLISHER_QUEUES_MAX)
        forget_queues(publisher);
    if (!route_queue(publisher->settings, queue, publisher->zone,
                     &publisher->queues[publisher->queue_count]))
        return false;
    publisher->queue_count++;
    return true;
}

static void on_published(void *context, const char *error)
{
    struct sending *sending = context;
    sending->over = true;
    snprintf(sending->refusal, sizeof(sending->refusal), "%s", error != NULL ? error : "");
}

static bool is_over(const void *context)
{
    const struct sending *sending = context;
    return sending->over || station_is_out_of_reach(sending->station);
}

static int tell(const struct sending *sending, const struct station *station, struct report *report)
{
    if (sending->over)
        return report_fail(report, CELERIAC_CLIENT_EREFUSED,
                           "the broker has not taken the message: %s", sending->refusal);
    if (station_is_out_of_reach(station))
        return report_fail(report, CELERIAC_CLIENT_ECONNECT, "%s",
                           station_trouble(station, "the broker is out of reach"));
    return report_fail(report, CELERIAC_CLIENT_ETIMEOUT, "not confirmed in time: %s",
                       station_trouble(station, "the broker has not answered"));
}

static int publish_one(struct publisher *publisher, const struct broker_message *message,
                       uint64_t deadline, struct report *report)
{
    struct station *station = &publisher->station;
    struct sending *sending = &publisher->sending;
    *sending = (struct sending){.station = station};
    int error = broker_publish(station->broker, message, on_published, sending);
    if (error == BROKER_EINVALID)
        return report_fail(report, CELERIAC_CLIENT_EINVALID,
                           "a name is longer than 255 bytes, or AMQP cannot carry a header");
    if (error != 0)
        return report_no_memory(report);
    if (waiting_until(station->waiting, deadline, is_over, sending) && sending->over &&
        sending->refusal[0] == '\0') {
        station->failures = 0;
        return 0;
    }
    return tell(sending, station, report);
}

int publisher_send(struct publisher *publisher, const char *queue,
                   const struct broker_message *message, uint64_t deadline, struct report *report)
{
    struct station *station = &publisher->station;
    if (!add_queue(publisher, queue) ||
        (!station_is_open(station) &&
         !station_open(station, publisher->config, publisher->queues, publisher->queue_count)))
        return report_no_memory(report);
    int rc = publish_one(publisher, message, deadline, report);
    if (rc == 0)
        return 0;
    /* The message must not leave later, with nobody waiting for it, and one of the queues may be
     * what the broker refuses. */
    station_close(station);
    forget_queues(publisher);
    return rc;
}
