/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns a client: its settings, its loop, where it sends and where its results come from. */

#include "celeriac/client.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "client/message.h"
#include "client/publisher.h"
#include "client/result.h"
#include "client/source.h"
#include "codec/uuid.h"

enum { ORIGIN_SIZE = HOST_NAME_MAX + 32, RESULT_SIZE_MAX = 64 << 20 };

static const double connection_timeout = 4, send_timeout = 10, result_expires = 86400;
static const double seconds_max = 366.0 * 24 * 3600;

struct celeriac_client {
    struct report report;
    msgpack_zone *zone;                     /* of the settings' strings */
    struct celeriac_client_config settings; /* with the defaults filled in */
    const struct serializer *serializer;
    struct station_config brokers;
    struct waiting waiting;
    struct publisher publisher;
    const struct source_type *type; /* NULL: there are no results */
    struct source_config source_config;
    void *source;
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

/* ---- settings ---- */

/* The caller's struct may be that of an older header, or of a newer one. */
static void copy_sized(void *ret, size_t size, const void *given, size_t given_size)
{
    memset(ret, 0, size);
    memcpy(ret, given, given_size < size ? given_size : size);
}

static bool own_texts(struct celeriac_client *client)
{
    struct celeriac_client_config *settings = &client->settings;
    const char **const texts[] = {
        &settings->broker_url,
        &settings->result_backend,
        &settings->result_key_prefix,
        &settings->task_serializer,
        &settings->task_default_queue,
        &settings->task_default_exchange,
        &settings->task_default_exchange_type,
        &settings->task_default_routing_key,
        &settings->task_default_queue_type,
        &settings->task_create_missing_queue_type,
        &settings->task_create_missing_queue_exchange_type,
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (*texts[i] == NULL)
            continue;
        *texts[i] = text_copy(client->zone, (struct text){*texts[i], strlen(*texts[i])});
        if (*texts[i] == NULL)
            return false;
    }
    return true;
}

static int check_numbers(struct celeriac_client *client)
{
    struct celeriac_client_config *settings = &client->settings;
    const struct {
        const char *name;
        double *seconds, otherwise;
    } rows[] = {
        {"result_expires", &settings->result_expires, result_expires},
        {"connection_timeout", &settings->connection_timeout, connection_timeout},
        {"send_timeout", &settings->send_timeout, send_timeout},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (*rows[i].seconds == 0)
            *rows[i].seconds = rows[i].otherwise;
        if (!(*rows[i].seconds > 0 && *rows[i].seconds <= seconds_max))
            return report_fail(&client->report, CELERIAC_CLIENT_EINVALID,
                               "%s takes seconds, more than 0 and at most a year", rows[i].name);
    }
    if (settings->task_queue_max_priority < 0 || settings->task_queue_max_priority > UINT8_MAX)
        return report_fail(&client->report, CELERIAC_CLIENT_EINVALID,
                           "task_queue_max_priority is a number from 0 to 255");
    return 0;
}

static int check_serializer(struct celeriac_client *client)
{
    const char *name = client->settings.task_serializer;
    client->serializer = serializer_by_name(name != NULL ? name : "json");
    if (client->serializer != NULL)
        return 0;
    return report_fail(&client->report, CELERIAC_CLIENT_EUNSUPPORTED,
                       "task_serializer '%.60s' is not supported: json and msgpack are", name);
}

static int read_urls(struct celeriac_client *client)
{
    const struct celeriac_client_config *settings = &client->settings;
    struct station_config *brokers = &client->brokers;
    const char *url = settings->broker_url;
    char error[BROKER_URL_ERROR_SIZE];
    if (broker_urls_parse(url != NULL ? url : "amqp://guest@localhost//", brokers->urls,
                          &brokers->url_count, error) != 0)
        return report_fail(&client->report, CELERIAC_CLIENT_EINVALID, "broker_url: %s", error);
    for (size_t i = 0; i < brokers->url_count; i++)
        brokers->urls[i].heartbeat = -1; /* as nobody could answer it */
    brokers->connection_timeout = settings->connection_timeout;
    brokers->body_max =
        settings->result_size_max > 0 ? settings->result_size_max : (size_t)RESULT_SIZE_MAX;
    return 0;
}

static bool has_scheme(const char *url, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncasecmp(url, scheme, size) == 0 && (url[size] == '\0' || url[size] == ':');
}

static const struct source_type *find_source(const char *url)
{
    static const struct source_type *const types[] = {&source_mailbox, &source_redis};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (const char *const *scheme = types[i]->schemes; *scheme != NULL; scheme++)
            if (has_scheme(url, *scheme))
                return types[i];
    return NULL;
}

static int check_backend(struct celeriac_client *client)
{
    const char *url = client->settings.result_backend;
    if (url == NULL || url[0] == '\0' || has_scheme(url, "disabled"))
        return 0;
    client->type = find_source(url);
    if (client->type != NULL)
        return 0;
    return report_fail(&client->report, CELERIAC_CLIENT_EUNSUPPORTED,
                       "result_backend '%.*s' is not supported: rpc://, redis://, unix:// and "
                       "disabled:// are",
                       (int)strcspn(url, ":"), url);
}

static int read_settings(struct celeriac_client *client)
{
    client->zone = msgpack_zone_new(1024);
    if (client->zone == NULL || !own_texts(client))
        return report_no_memory(&client->report);
    int rc = check_numbers(client);
    if (rc == 0)
        rc = check_serializer(client);
    if (rc == 0)
        rc = check_backend(client);
    return rc == 0 ? read_urls(client) : rc;
}

/* ---- life ---- */

static int open_source(struct celeriac_client *client)
{
    const struct celeriac_client_config *settings = &client->settings;
    if (client->type == NULL)
        return 0;
    client->source_config = (struct source_config){
        .waiting = &client->waiting,
        .url = settings->result_backend,
        .key_prefix = settings->result_key_prefix != NULL ? settings->result_key_prefix : "",
        .reply_to = client->reply_to,
        .brokers = &client->brokers,
        .expires = settings->result_expires,
        .connection_timeout = settings->connection_timeout,
    };
    return client->type->open(&client->source_config, &client->source, &client->report);
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
    if (rc == 0 &&
        publisher_init(&client->publisher, &client->waiting, &client->brokers, &client->settings))
        return 0;
    if (rc == 0)
        rc = report_no_memory(&client->report);
    if (client->source != NULL)
        client->type->close(client->source);
    waiting_done(&client->waiting);
    return rc;
}

static void free_client(struct celeriac_client *client)
{
    if (client->zone != NULL)
        msgpack_zone_free(client->zone);
    free(client);
}

int celeriac_client_open_sized(const struct celeriac_client_config *config, size_t config_size,
                               struct celeriac_client **ret, char error[CELERIAC_CLIENT_ERROR_SIZE])
{
    struct celeriac_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        snprintf(error, CELERIAC_CLIENT_ERROR_SIZE, "out of memory");
        return CELERIAC_CLIENT_ENOMEM;
    }
    copy_sized(&client->settings, sizeof(client->settings), config, config_size);
    int rc = read_settings(client);
    if (rc == 0)
        rc = start(client);
    if (rc == 0) {
        *ret = client;
        return 0;
    }
    snprintf(error, CELERIAC_CLIENT_ERROR_SIZE, "%s", client->report.text);
    free_client(client);
    return rc;
}

void celeriac_client_close(struct celeriac_client *client)
{
    if (client == NULL)
        return;
    publisher_done(&client->publisher);
    if (client->source != NULL)
        client->type->close(client->source);
    waiting_done(&client->waiting);
    free_client(client);
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
    route_find(&client->settings, call, &route);
    message->wire.exchange = (struct text){route.exchange, strlen(route.exchange)};
    message->wire.routing_key = (struct text){route.routing_key, strlen(route.routing_key)};
    return publisher_send(&client->publisher, route.queue, &message->wire, deadline,
                          &client->report);
}

/* The place for the result is there before the task is. */
static int send_expecting(struct celeriac_client *client, const struct celeriac_call *call,
                          const char *id, struct message *message)
{
    uint64_t deadline = waiting_deadline(&client->waiting, client->settings.send_timeout);
    bool expects = client->type != NULL && !call->ignore_result;
    int rc = 0;
    if (expects)
        rc = client->type->expect(client->source, id, deadline, &client->report);
    if (rc != 0)
        return rc;
    rc = publish(client, call, message, deadline);
    /* After ETIMEOUT the task may run all the same. */
    if (rc != 0 && rc != CELERIAC_CLIENT_ETIMEOUT && expects)
        client->type->cancel(client->source, id);
    return rc;
}

int celeriac_client_send_sized(struct celeriac_client *client, const struct celeriac_call *call,
                               size_t call_size, char ret_id[CELERIAC_TASK_ID_SIZE])
{
    struct celeriac_call own;
    char id[CELERIAC_TASK_ID_SIZE];
    struct message message;
    copy_sized(&own, sizeof(own), call, call_size);
    int rc = choose_id(client, &own, id);
    if (rc != 0)
        return rc;
    const struct message_source source = {
        .call = &own,
        .id = id,
        .reply_to = client->reply_to,
        .origin = client->origin,
        .serializer = client->serializer,
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
    if (client->type != NULL)
        return 0;
    return report_fail(&client->report, CELERIAC_CLIENT_EUNSUPPORTED,
                       "there is no result_backend: results are nowhere");
}

static int fetch(struct celeriac_client *client, const char *id, bool final, double seconds,
                 struct celeriac_result **ret)
{
    struct document document = {.final = false};
    int rc = need_source(client);
    if (rc == 0 && !(seconds >= 0 && seconds <= seconds_max))
        rc = report_fail(&client->report, CELERIAC_CLIENT_EINVALID,
                         "a time to wait is at least 0 seconds and at most a year");
    if (rc == 0)
        rc = client->type->fetch(client->source, id, final,
                                 waiting_deadline(&client->waiting, seconds), &document,
                                 &client->report);
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
    return client->type->forget(client->source, id,
                                waiting_deadline(&client->waiting, client->settings.send_timeout),
                                &client->report);
}
