/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns how a call's options are spelled for the codec. Must not know where the message goes. */

#include "client/message.h"

#include <math.h>
#include <string.h>

#include "codec/iso8601.h"
#include "codec/json.h"
#include "codec/task_publish.h"

enum {
    OPTIONS_MAX = 24,
    BODY_MAX = 512 << 20, /* RabbitMQ takes no more, as a rule less */
};

struct maker {
    const struct message_source *source;
    msgpack_zone *zone;
    struct report *report;
    msgpack_object options;
};

static int refuse(const struct maker *maker, const char *what)
{
    return report_fail(maker->report, CELERIAC_CLIENT_EINVALID, "%s", what);
}

static void put_text(struct maker *maker, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        value_map_put(&maker->options, name, value_string(text));
}

/* A whole number goes out as one, as a Python caller would have written it. */
static void put_seconds(struct maker *maker, const char *name, double seconds)
{
    if (seconds == 0)
        return;
    bool whole = fabs(seconds) < 1e9 && seconds == trunc(seconds);
    value_map_put(&maker->options, name,
                  whole ? value_int((int64_t)seconds) : value_double(seconds));
}

/* ---- times ---- */

/* Six digits and "+00:00": all that old workers read. */
static int put_time(struct maker *maker, const char *name, const char *text)
{
    struct codec_reason reason;
    int64_t usec;
    if (text == NULL)
        return 0;
    char *normal = msgpack_zone_malloc_no_align(maker->zone, ISO8601_SIZE);
    if (normal == NULL)
        return report_no_memory(maker->report);
    if (iso8601_parse((struct text){text, strlen(text)}, &usec, &reason) != 0)
        return report_fail(maker->report, CELERIAC_CLIENT_EINVALID, "%s: %s", name, reason.text);
    iso8601_format(usec, normal);
    value_map_put(&maker->options, name, value_string(normal));
    return 0;
}

static int put_times(struct maker *maker)
{
    const struct celeriac_call *call = maker->source->call;
    if (call->countdown != 0 && call->eta != NULL)
        return refuse(maker, "a call has a countdown or an eta, not both");
    if (call->expires != 0 && call->expires_at != NULL)
        return refuse(maker, "a call has expires or expires_at, not both");
    put_seconds(maker, "countdown", call->countdown);
    put_seconds(maker, "expires", call->expires);
    put_seconds(maker, "time_limit", call->time_limit);
    put_seconds(maker, "soft_time_limit", call->soft_time_limit);
    int rc = put_time(maker, "eta", call->eta);
    return rc == 0 ? put_time(maker, "expires", call->expires_at) : rc;
}

/* ---- JSON ---- */

struct wanted {
    const char *name, *json;
    struct celeriac_encoded encoded; /* instead, if there is data */
    msgpack_object_type type;
    const char *type_words;
};

static bool has_other_keys(const msgpack_object *map)
{
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (map->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR)
            return true;
    return false;
}

static int decode(struct maker *maker, const struct wanted *wanted, msgpack_object *ret)
{
    const char *type = wanted->encoded.content_type;
    const struct serializer *serializer = serializer_by_name("json");
    struct bytes bytes = {wanted->json, wanted->json != NULL ? strlen(wanted->json) : 0};
    struct codec_reason reason = {.text = ""};
    if (wanted->encoded.data != NULL) {
        bytes = (struct bytes){wanted->encoded.data, wanted->encoded.size};
        serializer = type != NULL ? serializer_by_name(type) : NULL;
    }
    if (serializer == NULL)
        return report_fail(maker->report, CELERIAC_CLIENT_EUNSUPPORTED,
                           "%s: the content type is neither application/json nor "
                           "application/x-msgpack",
                           wanted->name);
    int rc = serializer->decode(bytes, maker->zone, ret, &reason);
    if (rc != 0)
        return report_fail(maker->report, report_error_of(rc), "%s: %s", wanted->name, reason.text);
    if (ret->type != wanted->type || (wanted->type == MSGPACK_OBJECT_MAP && has_other_keys(ret)))
        return report_fail(maker->report, CELERIAC_CLIENT_EINVALID, "%s takes %s", wanted->name,
                           wanted->type_words);
    return 0;
}

static int read_args(struct maker *maker, msgpack_object *ret)
{
    const struct celeriac_call *call = maker->source->call;
    const struct wanted wanted = {"args", call->args != NULL ? call->args : "[]",
                                  call->encoded_args, MSGPACK_OBJECT_ARRAY, "a JSON array"};
    return decode(maker, &wanted, ret);
}

static int read_kwargs(struct maker *maker, msgpack_object *ret)
{
    const struct celeriac_call *call = maker->source->call;
    const struct wanted wanted = {"kwargs", call->kwargs != NULL ? call->kwargs : "{}",
                                  call->encoded_kwargs, MSGPACK_OBJECT_MAP,
                                  "a JSON object whose keys are strings"};
    return decode(maker, &wanted, ret);
}

/* What language the task is written in is not known here: Celery's clients say "py" of every one,
 * and so do we, unless the caller knows better. */
static int put_headers(struct maker *maker)
{
    const char *json = maker->source->call->headers;
    const struct wanted wanted = {.name = "headers",
                                  .json = json != NULL ? json : "{}",
                                  .type = MSGPACK_OBJECT_MAP,
                                  .type_words = "a JSON object"};
    msgpack_object own = value_nil(), headers;
    int rc = decode(maker, &wanted, &own);
    if (rc != 0)
        return rc;
    uint32_t count = own.via.map.size;
    if (!value_map(maker->zone, count + 1, &headers))
        return report_no_memory(maker->report);
    if (value_get(&own, "lang") == NULL)
        value_map_put(&headers, "lang", value_string("py"));
    if (count > 0)
        memcpy(headers.via.map.ptr + headers.via.map.size, own.via.map.ptr,
               count * sizeof(*own.via.map.ptr));
    headers.via.map.size += count;
    value_map_put(&maker->options, "headers", headers);
    return 0;
}

/* ---- all of it ---- */

static int put_options(struct maker *maker)
{
    const struct celeriac_call *call = maker->source->call;
    if (!value_map(maker->zone, OPTIONS_MAX, &maker->options))
        return report_no_memory(maker->report);
    if (call->priority < 0 || call->priority > UINT8_MAX)
        return refuse(maker, "a priority is a number from 0 to 255");
    if (call->retries < 0)
        return refuse(maker, "retries are no less than 0");
    put_text(maker, "reply_to", maker->source->reply_to);
    put_text(maker, "serializer", call->serializer);
    put_text(maker, "compression", call->compression);
    put_text(maker, "shadow", call->shadow);
    value_map_put(&maker->options, "retries", value_int(call->retries));
    value_map_put(&maker->options, "ignore_result", value_bool(call->ignore_result));
    int rc = put_headers(maker);
    return rc == 0 ? put_times(maker) : rc;
}

static struct text string_text(const char *string)
{
    return (struct text){string, string != NULL ? strlen(string) : 0};
}

static struct text text_of(const msgpack_object *map, const char *key)
{
    struct text text = {NULL, 0};
    value_as_text(value_get(map, key), &text);
    return text;
}

static void fill_wire(struct message *message, const struct message_source *source,
                      const msgpack_object *map)
{
    message->wire = (struct broker_message){
        .content_type = text_of(map, "content_type"),
        .content_encoding = text_of(map, "content_encoding"),
        .correlation_id = text_of(map, "correlation_id"),
        .reply_to = text_of(map, "reply_to"),
        .expiration = text_of(map, "expiration"),
        .priority = source->call->priority,
        .delivery_mode = source->call->transient ? 1 : 2,
        .headers = value_get(map, "headers"),
        .body = buffer_bytes(&message->body),
    };
}

static int make(struct maker *maker, struct message *message)
{
    const struct message_source *source = maker->source;
    struct codec_reason reason = {.text = ""};
    msgpack_object args, kwargs, map;
    int rc = put_options(maker);
    if (rc == 0)
        rc = read_args(maker, &args);
    if (rc == 0)
        rc = read_kwargs(maker, &kwargs);
    if (rc != 0)
        return rc;
    const struct task_publish publish = {
        .task = string_text(source->call->task),
        .id = string_text(source->id),
        .args = &args,
        .kwargs = &kwargs,
        .options = &maker->options,
        .serializer = source->serializer,
        .origin = string_text(source->origin),
        .now = source->now,
    };
    rc = task_publish_write(&publish, maker->zone, &map, &message->body, &reason);
    if (rc != 0)
        return report_fail(maker->report, report_error_of(rc), "%s",
                           reason.text[0] != '\0' ? reason.text : codec_strerror(rc));
    fill_wire(message, source, &map);
    return 0;
}

int message_init(struct message *message, const struct message_source *source,
                 struct report *report)
{
    message->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (message->zone == NULL)
        return report_no_memory(report);
    buffer_init(&message->body, BODY_MAX);
    struct maker maker = {.source = source, .zone = message->zone, .report = report};
    int rc = make(&maker, message);
    if (rc != 0)
        message_done(message);
    return rc;
}

void message_done(struct message *message)
{
    buffer_done(&message->body);
    msgpack_zone_free(message->zone);
}
