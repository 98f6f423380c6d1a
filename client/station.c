/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a broker object's start and end within blocking calls, and what it has told. Must not know
 * what is sent or received. */

#include "client/station.h"

#include <stdio.h>
#include <string.h>

enum { STOP_SECONDS_MAX = 60 }; /* each step of a stop has a deadline of its own below that */

static void on_up(void *context, uint64_t epoch)
{
    struct station *station = context;
    (void)epoch;
    station->up = true;
    station->failures = 0;
}

static void on_down(void *context)
{
    ((struct station *)context)->up = false;
}

static void on_delivery(void *context, struct broker_delivery *delivery)
{
    struct station *station = context;
    station->on_delivery(station->context, delivery);
}

static void on_oversized(void *context, struct broker_delivery *delivery, uint64_t size)
{
    struct station *station = context;
    station->on_oversized(station->context, delivery, size);
}

static void on_blocked(void *context, bool blocked)
{
    struct station *station = context;
    snprintf(station->trouble, sizeof(station->trouble), "%s",
             blocked ? "the broker takes no messages now: it is short of memory or disk" : "");
}

static void on_drained(void *context)
{
    (void)context; /* one message at a time is sent: there is always room */
}

static void on_notice(void *context, enum broker_severity severity, const char *text)
{
    struct station *station = context;
    const char *side = station->on_delivery != NULL ? "consumer: " : "producer: ";
    if (severity == BROKER_INFO)
        return;
    /* Which connection it was does not matter to the caller, and what a second line says of the
     * next attempt is the caller's to decide. */
    if (strncmp(text, side, strlen(side)) == 0)
        text += strlen(side);
    snprintf(station->trouble, sizeof(station->trouble), "%.*s", (int)strcspn(text, "\n"), text);
    if (severity == BROKER_ERROR)
        station->failures++;
}

static void on_failed(void *context, const char *text)
{
    struct station *station = context;
    station->given_up = true;
    station->up = false;
    snprintf(station->trouble, sizeof(station->trouble), "%s", text);
}

static void on_stopped(void *context)
{
    ((struct station *)context)->stopped = true;
}

static const struct broker_handler handler = {
    .on_up = on_up,
    .on_down = on_down,
    .on_delivery = on_delivery,
    .on_oversized = on_oversized,
    .on_blocked = on_blocked,
    .on_drained = on_drained,
    .on_notice = on_notice,
    .on_failed = on_failed,
    .on_stopped = on_stopped,
};

bool station_open(struct station *station, const struct station_config *config,
                  const struct broker_queue *queues, size_t queue_count)
{
    const struct broker_config broker = {
        .urls = config->urls,
        .url_count = config->url_count,
        .queues = queues,
        .queue_count = queue_count,
        .product = "celeriac-client",
        .version = CELERIAC_VERSION,
        .connection_timeout = config->connection_timeout,
        .heartbeat = 0, /* as Celery's clients: between two calls nobody could answer one */
        .connection_retry = true,
        .connection_retry_on_startup = true,
        .connection_max_retries = -1,
        .body_max = config->body_max,
        .outbox_max = 1,
        .publish_only = station->on_delivery == NULL,
        .consume_only = station->on_delivery != NULL,
    };
    station->url_count = config->url_count;
    station->failures = 0;
    station->up = station->given_up = station->stopped = false;
    station->trouble[0] = '\0';
    station->broker = broker_new(&station->waiting->loop, &broker, &handler, station);
    if (station->broker != NULL)
        broker_start(station->broker);
    return station->broker != NULL;
}

static bool is_stopped(const void *context)
{
    return ((const struct station *)context)->stopped;
}

void station_close(struct station *station)
{
    if (station->broker == NULL)
        return;
    broker_stop(station->broker, 0);
    if (waiting_until(station->waiting, waiting_deadline(station->waiting, STOP_SECONDS_MAX),
                      is_stopped, station))
        broker_free(station->broker);
    station->broker = NULL;
    station->up = false;
}

bool station_is_out_of_reach(const struct station *station)
{
    return station->given_up || station->failures >= station->url_count;
}

const char *station_trouble(const struct station *station, const char *otherwise)
{
    return station->trouble[0] != '\0' ? station->trouble : otherwise;
}
