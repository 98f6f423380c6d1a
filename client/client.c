/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a client: its settings, its loop, where it sends and where its results come from. */

#include "celeriac/client.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/configuration.h"
#include "client/message.h"
#include "client/publisher.h"
#include "client/result.h"
#include "codec/uuid.h"

enum { ORIGIN_SIZE = HOST_NAME_MAX + 32 };

struct celeriac_client {
    struct report report;
    struct configuration configuration;
    struct waiting waiting;
    struct publisher publisher;
    struct source_config source_config;
    void *source; /* what configuration.source has made */
    char reply_to[UUID_SIZE];
    char origin[ORIGIN_SIZE];
};

const char *celeriac_client_strerror(int error)
{
    static const char *const words[] = {
        [-CELERIAC_CLIENT_OK] = "success",
        [-CELERIAC_CLIENT_ENOMEM] = "out of memory",
        [-CELERIAC_CLIENT_EINVALID] = "invalid",
        [-CELERIAC_CLIENT_EUNSUPPORTED] = "not supported",
        [-CELERIAC_CLIENT_ECONNECT] = "the server is out of reach",
        [-CELERIAC_CLIENT_EREFUSED] = "refused by the server",
        [-CELERIAC_CLIENT_ETIMEOUT] = "not in time",
        [-CELERIAC_CLIENT_EUNKNOWN] = "unknown task",
        [-CELERIAC_CLIENT_EFULL] = "too many results are awaited",
        [-CELERIAC_CLIENT_ERESULT] = "unreadable result",
    };
    return error <= 0 && -error < (int)ARRAY_LEN(words) ? words[-error] : "unknown error";
}

const char *celeriac_client_error(const struct celeriac_client *client)
{
    return client->report.text;
}

/* ---- life ---- */

static int open_source(struct celeriac_client *client)
{
    const struct celeriac_client_config *settings = &client->configuration.settings;
    if (client->configuration.source == NULL)
        return 0;
    client->source_config = (struct source_config){
        .waiting = &client->waiting,
        .url = settings->result_backend,
        .key_prefix = settings->result_key_prefix != NULL ? settings->result_key_prefix : "",
        .reply_to = client->reply_to,
        .brokers = &client->configuration.brokers,
        .expires = settings->result_expires,
        .connection_timeout = settings->connection_timeout,
    };
    return client->configuration.source->open(&client->source_config, &client->source,
                                              &client->report);
}

static int start(struct celeriac_client *client)
{
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof(host) - 1);
    snprintf(client->origin, sizeof(client->origin), "gen%ld@%s", (long)getpid(), host);
    uuid_make(client->reply_to);
    if (!waiting_init(&client->waiting))
        return report_no_memory(&client->report);
    int rc = open_source(client);
    if (rc == 0 && publisher_init(&client->publisher, &client->waiting,
                                  &client->configuration.brokers, &client->configuration.settings))
        return 0;
    if (rc == 0)
        rc = report_no_memory(&client->report);
    if (client->source != NULL)
        client->configuration.source->close(client->source);
    waiting_done(&client->waiting);
    return rc;
}

int celeriac_client_open_sized(const struct celeriac_client_config *config, size_t config_size,
                               struct celeriac_client **ret, char error[CELERIAC_CLIENT_ERROR_SIZE])
{
    struct celeriac_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        snprintf(error, CELERIAC_CLIENT_ERROR_SIZE, "out of memory");
        return CELERIAC_CLIENT_ENOMEM;
    }
    int rc = configuration_init(&client->configuration, config, config_size, &client->report);
    if (rc == 0) {
        rc = start(client);
        if (rc != 0)
            configuration_done(&client->configuration);
    }
    if (rc == 0) {
        *ret = client;
        return 0;
    }
    snprintf(error, CELERIAC_CLIENT_ERROR_SIZE, "%s", client->report.text);
    free(client);
    return rc;
}

void celeriac_client_close(struct celeriac_client *client)
{
    if (client == NULL)
        return;
    publisher_done(&client->publisher);
    if (client->source != NULL)
        client->configuration.source->close(client->source);
    waiting_done(&client->waiting);
    configuration_done(&client->configuration);
    free(client);
}

/* ---- calling ---- */

static int64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int choose_id(struct celeriac_client *client, const struct celeriac_call *call,
                     char ret[CELERIAC_TASK_ID_SIZE])
{
    if (call->task == NULL || call->task[0] == '\0')
        return report_fail(&client->report, CELERIAC_CLIENT_EINVALID, "a call names a task");
    if (call->task_id == NULL) {
        uuid_make(ret);
        return 0;
    }
    size_t size = strlen(call->task_id);
    if (size == 0 || size >= CELERIAC_TASK_ID_SIZE)
        return report_fail(&client->report, CELERIAC_CLIENT_EINVALID, "a task_id has 1 to %d bytes",
                           CELERIAC_TASK_ID_SIZE - 1);
    memcpy(ret, call->task_id, size + 1);
    return 0;
}

static int publish(struct celeriac_client *client, const struct celeriac_call *call,
                   struct message *message, uint64_t deadline)
{
    struct route route;
    route_find(&client->configuration.settings, call, &route);
    message->wire.exchange = (struct text){route.exchange, strlen(route.exchange)};
    message->wire.routing_key = (struct text){route.routing_key, strlen(route.routing_key)};
    return publisher_send(&client->publisher, route.queue, &message->wire, deadline,
                          &client->report);
}

/* The place for the result is there before the task is. */
static int send_expecting(struct celeriac_client *client, const struct celeriac_call *call,
                          const char *id, struct message *message)
{
    uint64_t deadline =
        waiting_deadline(&client->waiting, client->configuration.settings.send_timeout);
    bool expects = client->configuration.source != NULL && !call->ignore_result;
    int rc = 0;
    if (expects)
        rc = client->configuration.source->expect(client->source, id, deadline, &client->report);
    if (rc != 0)
        return rc;
    rc = publish(client, call, message, deadline);
    /* After ETIMEOUT the task may run all the same. */
    if (rc != 0 && rc != CELERIAC_CLIENT_ETIMEOUT && expects)
        client->configuration.source->cancel(client->source, id);
    return rc;
}

int celeriac_client_send_sized(struct celeriac_client *client, const struct celeriac_call *call,
                               size_t call_size, char ret_id[CELERIAC_TASK_ID_SIZE])
{
    struct celeriac_call own;
    char id[CELERIAC_TASK_ID_SIZE];
    struct message message;
    configuration_copy_sized(&own, sizeof(own), call, call_size);
    int rc = choose_id(client, &own, id);
    if (rc != 0)
        return rc;
    const struct message_source source = {
        .call = &own,
        .id = id,
        .reply_to = client->reply_to,
        .origin = client->origin,
        .serializer = client->configuration.serializer,
        .now = now_usec(),
    };
    rc = message_init(&message, &source, &client->report);
    if (rc != 0)
        return rc;
    rc = send_expecting(client, &own, id, &message);
    message_done(&message);
    if (rc == 0)
        memcpy(ret_id, id, sizeof(id));
    return rc;
}

/* ---- results ---- */

static int need_source(struct celeriac_client *client)
{
    if (client->configuration.source != NULL)
        return 0;
    return report_fail(&client->report, CELERIAC_CLIENT_EUNSUPPORTED,
                       "there is no result_backend: results are nowhere");
}

static int fetch(struct celeriac_client *client, const char *id, bool final, double seconds,
                 struct celeriac_result **ret)
{
    struct document document = {.final = false};
    int rc = need_source(client);
    if (rc == 0 && !(seconds >= 0 && seconds <= CONFIGURATION_SECONDS_MAX))
        rc = report_fail(&client->report, CELERIAC_CLIENT_EINVALID,
                         "a time to wait is at least 0 seconds and at most a year");
    if (rc == 0)
        rc = client->configuration.source->fetch(client->source, id, final,
                                                 waiting_deadline(&client->waiting, seconds),
                                                 &document, &client->report);
    if (rc == 0)
        rc = result_read(buffer_bytes(&document.body),
                         (struct text){document.content_type, strlen(document.content_type)}, ret,
                         &client->report);
    buffer_done(&document.body);
    return rc;
}

int celeriac_client_wait(struct celeriac_client *client, const char *id, double seconds,
                         struct celeriac_result **ret)
{
    return fetch(client, id, true, seconds, ret);
}

int celeriac_client_peek(struct celeriac_client *client, const char *id, double seconds,
                         struct celeriac_result **ret)
{
    return fetch(client, id, false, seconds, ret);
}

int celeriac_client_forget(struct celeriac_client *client, const char *id)
{
    int rc = need_source(client);
    if (rc != 0)
        return rc;
    return client->configuration.source->forget(
        client->source, id,
        waiting_deadline(&client->waiting, client->configuration.settings.send_timeout),
        &client->report);
}
