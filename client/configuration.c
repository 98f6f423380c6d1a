/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the settings of a client: their checks, their defaults, a copy of their strings. Connects to
 * nothing. */

#include "client/configuration.h"

#include <string.h>
#include <strings.h>

enum { RESULT_SIZE_MAX = 64 << 20 };

static const double connection_timeout = 4, send_timeout = 10, result_expires = 86400;

static bool own_texts(struct configuration *configuration)
{
    struct celeriac_client_config *settings = &configuration->settings;
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
        *texts[i] = text_copy(configuration->zone, (struct text){*texts[i], strlen(*texts[i])});
        if (*texts[i] == NULL)
            return false;
    }
    return true;
}

static int check_numbers(struct configuration *configuration, struct report *report)
{
    struct celeriac_client_config *settings = &configuration->settings;
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
        if (!(*rows[i].seconds > 0 && *rows[i].seconds <= CONFIGURATION_SECONDS_MAX))
            return report_fail(report, CELERIAC_CLIENT_EINVALID,
                               "%s takes seconds, more than 0 and at most a year", rows[i].name);
    }
    if (settings->task_queue_max_priority < 0 || settings->task_queue_max_priority > UINT8_MAX)
        return report_fail(report, CELERIAC_CLIENT_EINVALID,
                           "task_queue_max_priority is a number from 0 to 255");
    return 0;
}

static int check_serializer(struct configuration *configuration, struct report *report)
{
    const char *name = configuration->settings.task_serializer;
    configuration->serializer = serializer_by_name(name != NULL ? name : "json");
    if (configuration->serializer != NULL)
        return 0;
    return report_fail(report, CELERIAC_CLIENT_EUNSUPPORTED,
                       "task_serializer '%.60s' is not supported: json and msgpack are", name);
}

static int read_urls(struct configuration *configuration, struct report *report)
{
    const struct celeriac_client_config *settings = &configuration->settings;
    struct station_config *brokers = &configuration->brokers;
    const char *url = settings->broker_url;
    char error[BROKER_URL_ERROR_SIZE];
    if (broker_urls_parse(url != NULL ? url : "amqp://guest@localhost//", brokers->urls,
                          &brokers->url_count, error) != 0)
        return report_fail(report, CELERIAC_CLIENT_EINVALID, "broker_url: %s", error);
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

static int check_backend(struct configuration *configuration, struct report *report)
{
    const char *url = configuration->settings.result_backend;
    if (url == NULL || url[0] == '\0' || has_scheme(url, "disabled"))
        return 0;
    configuration->source = find_source(url);
    if (configuration->source != NULL)
        return 0;
    return report_fail(report, CELERIAC_CLIENT_EUNSUPPORTED,
                       "result_backend '%.*s' is not supported: rpc://, redis://, unix:// and "
                       "disabled:// are",
                       (int)strcspn(url, ":"), url);
}

void configuration_copy_sized(void *ret, size_t size, const void *given, size_t given_size)
{
    memset(ret, 0, size);
    memcpy(ret, given, given_size < size ? given_size : size);
}

static int read_all(struct configuration *configuration, struct report *report)
{
    if (configuration->zone == NULL || !own_texts(configuration))
        return report_no_memory(report);
    int rc = check_numbers(configuration, report);
    if (rc == 0)
        rc = check_serializer(configuration, report);
    if (rc == 0)
        rc = check_backend(configuration, report);
    return rc == 0 ? read_urls(configuration, report) : rc;
}

int configuration_init(struct configuration *configuration,
                       const struct celeriac_client_config *given, size_t given_size,
                       struct report *report)
{
    *configuration = (struct configuration){.zone = msgpack_zone_new(1024)};
    configuration_copy_sized(&configuration->settings, sizeof(configuration->settings), given,
                             given_size);
    int rc = read_all(configuration, report);
    if (rc != 0)
        configuration_done(configuration);
    return rc;
}

void configuration_done(struct configuration *configuration)
{
    if (configuration->zone != NULL)
        msgpack_zone_free(configuration->zone);
}
