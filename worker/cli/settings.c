/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of settings: name, type, place, default. Opens no file; knows no option. */

#include "worker/cli/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum setting_type {
    TYPE_STRING,
    TYPE_LIST,
    TYPE_BOOL,
    TYPE_CHOICE,
    TYPE_COUNT,
    TYPE_COUNT_OR_AUTO,
    TYPE_PRIORITY,
    TYPE_DELIVERY_MODE,
    TYPE_SECONDS
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;
    const char *standard; /* the default, as text */
};

#define SETTING(name, type, standard)                                                              \
    {                                                                                              \
#name, type, offsetof(struct settings, name), standard                                     \
    }

/* The defaults are Celery's, but for acks and the prefetch multiplier: README.md's table of
 * deviations. */
static const struct setting table[] = {
    SETTING(broker_url, TYPE_STRING, "amqp://guest@localhost//"),
    SETTING(broker_connection_timeout, TYPE_SECONDS, "4"),
    SETTING(broker_heartbeat, TYPE_SECONDS, "120"),
    SETTING(broker_connection_retry, TYPE_BOOL, "true"),
    SETTING(broker_connection_retry_on_startup, TYPE_CHOICE, NULL),
    SETTING(broker_connection_max_retries, TYPE_COUNT, "100"),
    SETTING(result_backend, TYPE_STRING, NULL),
    SETTING(result_serializer, TYPE_STRING, "json"),
    SETTING(result_backend_transport_options, TYPE_STRING, NULL),
    SETTING(result_persistent, TYPE_BOOL, "false"),
    SETTING(result_extended, TYPE_BOOL, "false"),
    SETTING(result_expires, TYPE_SECONDS, "86400"),
    SETTING(redis_socket_timeout, TYPE_SECONDS, "120"),
    SETTING(accept_content, TYPE_LIST, "json"),
    SETTING(task_acks_late, TYPE_BOOL, "true"),
    SETTING(task_reject_on_worker_lost, TYPE_BOOL, "true"),
    SETTING(task_acks_on_failure_or_timeout, TYPE_BOOL, "true"),
    SETTING(task_ignore_result, TYPE_BOOL, "false"),
    SETTING(task_track_started, TYPE_BOOL, "false"),
    SETTING(task_store_errors_even_if_ignored, TYPE_BOOL, "false"),
    SETTING(task_inherit_parent_priority, TYPE_BOOL, "false"),
    SETTING(task_serializer, TYPE_STRING, "json"),
    SETTING(task_routes, TYPE_STRING, NULL),
    SETTING(task_default_rate_limit, TYPE_STRING, NULL),
    SETTING(task_create_missing_queues, TYPE_BOOL, "true"),
    SETTING(task_time_limit, TYPE_SECONDS, "0"),
    SETTING(task_soft_time_limit, TYPE_SECONDS, "0"),
    SETTING(task_default_queue, TYPE_STRING, "celery"),
    SETTING(task_default_exchange, TYPE_STRING, NULL),
    SETTING(task_default_exchange_type, TYPE_STRING, "direct"),
    SETTING(task_default_routing_key, TYPE_STRING, NULL),
    SETTING(task_default_queue_type, TYPE_STRING, "classic"),
    SETTING(task_create_missing_queue_type, TYPE_STRING, "classic"),
    SETTING(task_create_missing_queue_exchange_type, TYPE_STRING, NULL),
    SETTING(task_queue_max_priority, TYPE_COUNT, "0"),
    SETTING(task_queues, TYPE_STRING, NULL),
    SETTING(task_default_priority, TYPE_PRIORITY, NULL),
    SETTING(task_default_delivery_mode, TYPE_DELIVERY_MODE, "2"),
    SETTING(worker_direct, TYPE_BOOL, "false"),
    SETTING(worker_detect_quorum_queues, TYPE_BOOL, "true"),
    SETTING(broker_native_delayed_delivery_queue_type, TYPE_STRING, "quorum"),
    SETTING(worker_concurrency, TYPE_COUNT, "0"),
    SETTING(worker_prefetch_multiplier, TYPE_COUNT_OR_AUTO, "auto"),
    SETTING(worker_eta_task_limit, TYPE_COUNT, "0"),
    SETTING(worker_eta_hold, TYPE_SECONDS, "300"),
    SETTING(worker_max_tasks_per_child, TYPE_COUNT, "0"),
    SETTING(worker_max_memory_per_child, TYPE_COUNT, "0"),
    SETTING(worker_lost_max_deliveries, TYPE_COUNT, "3"),
    SETTING(worker_proc_alive_timeout, TYPE_SECONDS, "4"),
    SETTING(worker_disable_rate_limits, TYPE_BOOL, "false"),
    SETTING(worker_enable_remote_control, TYPE_BOOL, "true"),
    SETTING(control_exchange, TYPE_STRING, "celery"),
    SETTING(control_queue_ttl, TYPE_SECONDS, "300"),
    SETTING(control_queue_expires, TYPE_SECONDS, "10"),
    SETTING(worker_state_db, TYPE_STRING, NULL),
    SETTING(worker_pool, TYPE_STRING, "prefork"),
    SETTING(worker_log_format, TYPE_STRING, NULL),
    SETTING(worker_log_color, TYPE_CHOICE, NULL),
};
static_assert(ARRAY_LEN(table) <= SETTINGS_COUNT_MAX, "struct settings has no room for the table");

/* Settings of Celery that this worker does not act on. */
static const char *const unsupported_prefixes[] = {
    "accept_",    "beat_",     "broker_",        "cache_",     "cassandra_", "control_",
    "couchbase_", "database_", "elasticsearch_", "enable_utc", "event_",     "imports",
    "include",    "mongodb_",  "redis_",         "result_",    "s3_",        "security_",
    "task_",      "timezone",  "worker_",
};

static enum settings_answer read_choice(const char *text, int *ret)
{
    bool flag = false;
    if (setting_is_none(text)) {
        *ret = -1;
        return SETTINGS_OK;
    }
    if (!setting_bool(text, &flag))
        return SETTINGS_ERROR;
    *ret = flag;
    return SETTINGS_OK;
}

/* None is -1 for broker_connection_max_retries, where 0 means something else, and 0 everywhere
 * else. */
static enum settings_answer read_count(const struct setting *setting, const char *text, int *ret)
{
    bool retries = setting->offset == offsetof(struct settings, broker_connection_max_retries);
    if (setting_is_none(text)) {
        *ret = retries ? -1 : 0;
        return SETTINGS_OK;
    }
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < 0 || number > 1000000000L)
        return SETTINGS_ERROR;
    *ret = (int)number;
    return SETTINGS_OK;
}

static enum settings_answer read_count_or_auto(const struct setting *setting, const char *text,
                                               int *ret)
{
    if (strcasecmp(text, "auto") != 0)
        return read_count(setting, text, ret);
    *ret = -1;
    return SETTINGS_OK;
}

static enum settings_answer read_seconds(const char *text, double *ret)
{
    if (setting_is_none(text)) {
        *ret = 0;
        return SETTINGS_OK;
    }
    char *end;
    double number = strtod(text, &end);
    if (*end != '\0' || !(number >= 0 && number <= 1e9))
        return SETTINGS_ERROR;
    *ret = number;
    return SETTINGS_OK;
}

/* Brackets and quotes are how the same list looks in a Python file. */
static enum settings_answer read_list(char *text, struct setting_list *ret)
{
    return setting_list_split(text, ", []'\"()", ret) ? SETTINGS_OK : SETTINGS_ERROR;
}

static enum settings_answer assign(struct settings *settings, size_t index, char *text)
{
    const struct setting *setting = &table[index];
    void *place = (char *)settings + setting->offset;
    switch (setting->type) {
    case TYPE_BOOL:
        return setting_bool(text, place) ? SETTINGS_OK : SETTINGS_ERROR;
    case TYPE_CHOICE:
        return read_choice(text, place);
    case TYPE_COUNT:
        return read_count(setting, text, place);
    case TYPE_COUNT_OR_AUTO:
        return read_count_or_auto(setting, text, place);
    case TYPE_SECONDS:
        return read_seconds(text, place);
    case TYPE_PRIORITY:
        return setting_priority(text, place) ? SETTINGS_OK : SETTINGS_ERROR;
    case TYPE_DELIVERY_MODE:
        return setting_delivery_mode(text, place) ? SETTINGS_OK : SETTINGS_ERROR;
    case TYPE_LIST:
        return read_list(text, place);
    case TYPE_STRING:
        *(const char **)place = setting_is_none(text) ? NULL : text;
        return SETTINGS_OK;
    }
    return SETTINGS_ERROR;
}

static const char *const type_words[] = {
    [TYPE_STRING] = "text",
    [TYPE_LIST] = "at most 16 names separated by commas",
    [TYPE_BOOL] = "true or false",
    [TYPE_CHOICE] = "true, false or None",
    [TYPE_COUNT] = "a whole number from 0 to 1000000000, or None",
    [TYPE_COUNT_OR_AUTO] = "a whole number from 0 to 1000000000, or auto",
    [TYPE_PRIORITY] = "a whole number from 0 to 255, or None",
    [TYPE_DELIVERY_MODE] = "persistent or transient",
    [TYPE_SECONDS] = "a number of seconds from 0, or None",
};

static enum settings_answer put_known(struct settings *settings, size_t index, const char *text,
                                      char message[SETTINGS_MESSAGE_SIZE])
{
    char *copy = strdup(text);
    if (copy == NULL) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "out of memory");
        return SETTINGS_ERROR;
    }
    if (assign(settings, index, copy) != SETTINGS_OK) {
        /* The value itself is not shown: it may hold a password. */
        snprintf(message, SETTINGS_MESSAGE_SIZE, "%s cannot have this value: it takes %s",
                 table[index].name, type_words[table[index].type]);
        free(copy);
        return SETTINGS_ERROR;
    }
    free(settings->owned[index]);
    settings->owned[index] = copy;
    return SETTINGS_OK;
}

/* ARRAY_LEN(table) if there is none of that name. */
static size_t index_of(const char *name)
{
    size_t index = 0;
    while (index < ARRAY_LEN(table) && strcmp(name, table[index].name) != 0)
        index++;
    return index;
}

enum settings_answer settings_put(struct settings *settings, enum setting_source source,
                                  const char *name, const char *text,
                                  char message[SETTINGS_MESSAGE_SIZE])
{
    size_t index = index_of(name);
    if (index == ARRAY_LEN(table))
        return SETTINGS_UNKNOWN;
    if (source < settings->sources[index])
        return SETTINGS_OK;
    enum settings_answer answer = put_known(settings, index, text, message);
    if (answer == SETTINGS_OK)
        settings->sources[index] = source;
    return answer;
}

static void write_value(FILE *stream, const msgpack_object *value, char separator)
{
    struct text text = {"", 0};
    int64_t number;
    double real;
    bool flag;
    if (value_as_bool(value, &flag))
        fputs(flag ? "true" : "false", stream);
    else if (value_as_int(value, &number))
        fprintf(stream, "%lld", (long long)number);
    else if (value_as_double(value, &real))
        fprintf(stream, "%.17g", real);
    else if (value_as_text(value, &text))
        fwrite(text.data, 1, text.size, stream);
    else if (value->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < value->via.array.size; i++) {
            if (value_as_text(value_at(value, i), &text))
                fprintf(stream, "%s%.*s", i > 0 ? (char[]){separator, '\0'} : "", (int)text.size,
                        text.data);
        }
    } else {
        fputs("None", stream);
    }
}

enum settings_answer settings_put_value(struct settings *settings, const char *name,
                                        const msgpack_object *value,
                                        char message[SETTINGS_MESSAGE_SIZE])
{
    size_t index = index_of(name);
    if (index == ARRAY_LEN(table))
        return SETTINGS_UNKNOWN;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream != NULL) {
        /* Several URLs of brokers are one setting, as Celery's command line has them. */
        write_value(stream, value, table[index].type == TYPE_LIST ? ',' : ';');
        fclose(stream);
    }
    enum settings_answer answer = SETTINGS_ERROR;
    if (text != NULL)
        answer = settings_put(settings, SETTING_APP, name, text, message);
    else
        snprintf(message, SETTINGS_MESSAGE_SIZE, "out of memory");
    free(text);
    return answer;
}

enum settings_answer settings_override(struct settings *settings, enum setting_source source,
                                       const char *argument, char message[SETTINGS_MESSAGE_SIZE])
{
    struct override_parts parts;
    if (!override_split(argument, &parts)) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "'%.60s' is not name=value", argument);
        return SETTINGS_ERROR;
    }
    if (!overrides_add(&settings->overrides, source, argument)) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "out of memory");
        return SETTINGS_ERROR;
    }
    return settings_put(settings, source, parts.name, parts.value, message);
}

static bool is_celerys(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(unsupported_prefixes); i++) {
        if (strncmp(name, unsupported_prefixes[i], strlen(unsupported_prefixes[i])) == 0)
            return true;
    }
    return false;
}

void settings_warn_unknown(const struct settings *settings,
                           void (*warn)(void *context, const char *text), void *context)
{
    for (size_t i = 0; i < settings->overrides.count; i++) {
        char text[SETTINGS_MESSAGE_SIZE];
        struct override_parts parts;
        if (!override_split(settings->overrides.items[i].text, &parts) ||
            index_of(parts.name) < ARRAY_LEN(table))
            continue;
        snprintf(text, sizeof(text), "%s %s and has no effect", parts.name,
                 is_celerys(parts.name) ? "is not supported by celeriac"
                                        : "is not a setting of Celery");
        warn(context, text);
    }
}

enum setting_source settings_source(const struct settings *settings, const char *name)
{
    size_t index = index_of(name);
    assert(index < ARRAY_LEN(table));
    return settings->sources[index];
}

const char *settings_text(const struct settings *settings, const char *name)
{
    size_t index = index_of(name);
    assert(index < ARRAY_LEN(table));
    return settings->owned[index];
}

void settings_init(struct settings *settings)
{
    *settings = (struct settings){0};
    char message[SETTINGS_MESSAGE_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *text = table[i].standard != NULL ? table[i].standard : "";
        enum settings_answer answer = put_known(settings, i, text, message);
        assert(answer == SETTINGS_OK);
        (void)answer;
    }
}

void settings_done(struct settings *settings)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        free(settings->owned[i]);
    queue_lines_done(&settings->queue_lines);
    overrides_done(&settings->overrides);
    *settings = (struct settings){0};
}
