/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a task message is made of when it is written. Knows neither who sends it nor how. */

#include "codec/task_publish.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/compression.h"
#include "codec/iso8601.h"
#include "codec/result_message.h"
#include "codec/subtask.h"

enum {
    HEADERS_MAX = 24,
    PROPERTIES_MAX = 16,
    REPR_SIZE = 1024 + 1,
    EXPIRATION_SIZE = 24,
};

/* Times and delays beyond this many seconds have no date that Python could read. */
static const double seconds_max = 1e11;

struct writer {
    const struct task_publish *publish;
    msgpack_zone *zone;
    struct codec_reason *reason;
    const struct serializer *serializer;
    const struct compression *compression; /* NULL: none */
    int64_t expires;                       /* microseconds; INT64_MIN: never */
    msgpack_object headers;
};

static msgpack_object option(const struct writer *writer, const char *name)
{
    const msgpack_object *value = value_get(writer->publish->options, name);
    return value == NULL ? value_nil() : *value;
}

static int out_of_memory(const struct writer *writer)
{
    return codec_fail(writer->reason, CODEC_ENOMEM, "out of memory for a message");
}

/* ---- times ---- */

/* kombu wraps dates in an object. */
static msgpack_object unwrap_time(msgpack_object value)
{
    const msgpack_object *inner = value_get(&value, "__value__");
    return inner != NULL ? *inner : value;
}

static int refuse_time(const struct writer *writer, const char *name)
{
    return codec_fail(writer->reason, CODEC_ETYPE,
                      "option '%s' is neither a number of seconds nor an ISO 8601 time", name);
}

static int format_time(const struct writer *writer, int64_t usec, msgpack_object *ret)
{
    char *text = msgpack_zone_malloc_no_align(writer->zone, ISO8601_SIZE);
    if (text == NULL)
        return out_of_memory(writer);
    iso8601_format(usec, text);
    *ret = value_string(text);
    return 0;
}

/* A point in time, as text, from seconds from now on or from a text. *ret_usec is untouched if
 * there is none. */
static int read_time(const struct writer *writer, const char *name, msgpack_object value,
                     int64_t *ret_usec, msgpack_object *ret)
{
    struct text text;
    double seconds;
    value = unwrap_time(value);
    if (value_is_nil(&value))
        return 0;
    if (value_as_text(&value, &text)) {
        if (iso8601_parse(text, ret_usec, NULL) != 0)
            return refuse_time(writer, name);
        *ret = value;
        return 0;
    }
    if (!value_as_double(&value, &seconds) || !(fabs(seconds) < seconds_max))
        return refuse_time(writer, name);
    *ret_usec = writer->publish->now + (int64_t)(seconds * 1e6);
    return format_time(writer, *ret_usec, ret);
}

static int put_times(struct writer *writer)
{
    msgpack_object eta = value_nil(), expires = value_nil(),
                   countdown = option(writer, "countdown");
    int64_t usec = 0;
    double seconds = 0;
    int rc = read_time(writer, "eta", option(writer, "eta"), &usec, &eta);
    /* No delay is no eta. */
    if (rc == 0 && value_is_nil(&eta) && (!value_as_double(&countdown, &seconds) || seconds != 0))
        rc = read_time(writer, "countdown", countdown, &usec, &eta);
    if (rc == 0)
        rc = read_time(writer, "expires", option(writer, "expires"), &writer->expires, &expires);
    value_map_put(&writer->headers, "eta", eta);
    value_map_put(&writer->headers, "expires", expires);
    return rc;
}

const char *task_publish_expiration(int64_t expires, int64_t now, msgpack_zone *zone)
{
    char *text = msgpack_zone_malloc_no_align(zone, EXPIRATION_SIZE);
    long long left = expires > now ? (long long)(expires / 1000 - now / 1000) : 0;
    if (text != NULL)
        snprintf(text, EXPIRATION_SIZE, "%lld", left);
    return text;
}

/* ---- headers ---- */

static int put_limits(struct writer *writer)
{
    msgpack_object limits;
    if (!value_array(writer->zone, 2, &limits))
        return out_of_memory(writer);
    limits.via.array.ptr[0] = option(writer, "time_limit");
    limits.via.array.ptr[1] = option(writer, "soft_time_limit");
    value_map_put(&writer->headers, "timelimit", limits);
    return 0;
}

static int put_reprs(struct writer *writer)
{
    char *texts = msgpack_zone_malloc_no_align(writer->zone, (size_t)2 * REPR_SIZE);
    if (texts == NULL)
        return out_of_memory(writer);
    result_repr_tuple(writer->publish->args, texts, REPR_SIZE);
    result_repr(writer->publish->kwargs, texts + REPR_SIZE, REPR_SIZE);
    value_map_put(&writer->headers, "argsrepr", value_string(texts));
    value_map_put(&writer->headers, "kwargsrepr", value_string(texts + REPR_SIZE));
    return 0;
}

static int put_stamps(struct writer *writer)
{
    msgpack_object names = option(writer, "stamped_headers"), stamps;
    uint32_t count = names.type == MSGPACK_OBJECT_ARRAY ? names.via.array.size : 0;
    if (!value_map(writer->zone, count, &stamps))
        return out_of_memory(writer);
    for (uint32_t i = 0; i < count; i++) {
        struct text name;
        const char *key;
        if (!value_as_text(&names.via.array.ptr[i], &name))
            continue;
        key = text_copy(writer->zone, name);
        if (key == NULL)
            return out_of_memory(writer);
        value_map_put(&stamps, key, option(writer, key));
    }
    value_map_put(&writer->headers, "stamped_headers", names);
    value_map_put(&writer->headers, "stamps", stamps);
    return 0;
}

static msgpack_object or_else(msgpack_object value, msgpack_object otherwise)
{
    return value_is_nil(&value) ? otherwise : value;
}

static void put_ids(struct writer *writer)
{
    msgpack_object *headers = &writer->headers;
    msgpack_object id = value_text(writer->publish->id);
    value_map_put(headers, "lang", value_string("c"));
    value_map_put(headers, "task", value_text(writer->publish->task));
    value_map_put(headers, "id", id);
    value_map_put(headers, "shadow", option(writer, "shadow"));
    value_map_put(headers, "group", option(writer, "group_id"));
    value_map_put(headers, "group_index", option(writer, "group_index"));
    value_map_put(headers, "retries", or_else(option(writer, "retries"), value_int(0)));
    value_map_put(headers, "root_id", or_else(option(writer, "root_id"), id));
    value_map_put(headers, "parent_id", option(writer, "parent_id"));
    value_map_put(headers, "origin", value_text(writer->publish->origin));
    value_map_put(headers, "ignore_result",
                  or_else(option(writer, "ignore_result"), value_bool(false)));
    value_map_put(headers, "replaced_task_nesting",
                  or_else(option(writer, "replaced_task_nesting"), value_int(0)));
}

/* What the caller adds wins, as in Celery. */
static int put_own_headers(struct writer *writer)
{
    msgpack_object own = option(writer, "headers");
    if (own.type != MSGPACK_OBJECT_MAP || own.via.map.size == 0)
        return 0;
    const struct subtask made = {.options = writer->headers};
    return subtask_merge_options(&made, &own, writer->zone, &writer->headers)
               ? 0
               : out_of_memory(writer);
}

static int write_headers(struct writer *writer)
{
    if (!value_map(writer->zone, HEADERS_MAX, &writer->headers))
        return out_of_memory(writer);
    put_ids(writer);
    int rc = put_times(writer);
    if (rc == 0)
        rc = put_limits(writer);
    if (rc == 0)
        rc = put_reprs(writer);
    if (rc == 0)
        rc = put_stamps(writer);
    if (rc == 0 && writer->compression != NULL)
        value_map_put(&writer->headers, "compression", value_string(writer->compression->header));
    return rc == 0 ? put_own_headers(writer) : rc;
}

/* ---- the body ---- */

/* null where there is nothing, else always a list. */
static int list_or_nil(struct writer *writer, const char *name, msgpack_object *ret)
{
    msgpack_object value = option(writer, name), list;
    if (!subtask_as_list(&value, writer->zone, &list))
        return out_of_memory(writer);
    *ret = list.via.array.size > 0 ? list : value_nil();
    return 0;
}

static int make_body(struct writer *writer, msgpack_object *ret)
{
    msgpack_object embed, body, callbacks = value_nil(), errbacks = value_nil();
    if (!value_map(writer->zone, 4, &embed) || !value_array(writer->zone, 3, &body))
        return out_of_memory(writer);
    int rc = list_or_nil(writer, "link", &callbacks);
    if (rc == 0)
        rc = list_or_nil(writer, "link_error", &errbacks);
    if (rc != 0)
        return rc;
    value_map_put(&embed, "callbacks", callbacks);
    value_map_put(&embed, "errbacks", errbacks);
    value_map_put(&embed, "chain", option(writer, "chain"));
    value_map_put(&embed, "chord", option(writer, "chord"));
    body.via.array.ptr[0] = *writer->publish->args;
    body.via.array.ptr[1] = *writer->publish->kwargs;
    body.via.array.ptr[2] = embed;
    *ret = body;
    return 0;
}

static int encode(struct writer *writer, const msgpack_object *body, struct buffer *buffer)
{
    int rc = writer->serializer->encode(body, buffer);
    if (rc == 0)
        return 0;
    return codec_fail(writer->reason, (enum codec_error)rc,
                      "the arguments of %.*s cannot be encoded as %s: %s",
                      text_quoted_size(writer->publish->task), writer->publish->task.data,
                      writer->serializer->name, codec_strerror(rc));
}

static int write_body(struct writer *writer, struct buffer *buffer)
{
    msgpack_object body;
    int rc = make_body(writer, &body);
    if (rc != 0 || writer->compression == NULL)
        return rc != 0 ? rc : encode(writer, &body, buffer);
    struct buffer plain;
    buffer_init(&plain, buffer->limit);
    rc = encode(writer, &body, &plain);
    if (rc == 0) {
        rc = writer->compression->compress(buffer_bytes(&plain), buffer);
        if (rc != 0)
            codec_fail(writer->reason, (enum codec_error)rc, "the body cannot be compressed: %s",
                       codec_strerror(rc));
    }
    buffer_done(&plain);
    return rc;
}

/* ---- the message ---- */

static int choose_formats(struct writer *writer)
{
    msgpack_object name = option(writer, "serializer"), packing = option(writer, "compression");
    struct text text;
    writer->serializer = writer->publish->serializer;
    if (value_as_text(&name, &text)) {
        const char *copy = text_copy(writer->zone, text);
        if (copy == NULL)
            return out_of_memory(writer);
        writer->serializer = serializer_by_name(copy);
        if (writer->serializer == NULL)
            return codec_fail(writer->reason, CODEC_EUNSUPPORTED,
                              "serializer '%.*s' is not supported", text_quoted_size(text),
                              text.data);
    }
    if (!value_as_text(&packing, &text))
        return 0;
    writer->compression = compression_find(text);
    if (writer->compression != NULL)
        return 0;
    return codec_fail(writer->reason, CODEC_EUNSUPPORTED, "compression '%.*s' is not supported",
                      text_quoted_size(text), text.data);
}

static int make_message(struct writer *writer, msgpack_object *ret)
{
    static const char *const copied[] = {"queue",    "exchange",      "routing_key", "route",
                                         "reply_to", "delivery_mode", "priority"};
    msgpack_object message;
    if (!value_map(writer->zone, PROPERTIES_MAX, &message))
        return out_of_memory(writer);
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        value_map_put(&message, copied[i], option(writer, copied[i]));
    value_map_put(&message, "content_type", value_string(writer->serializer->content_type));
    value_map_put(&message, "content_encoding", value_string(writer->serializer->content_encoding));
    value_map_put(&message, "correlation_id", value_text(writer->publish->id));
    if (writer->expires != INT64_MIN) {
        const char *expiration =
            task_publish_expiration(writer->expires, writer->publish->now, writer->zone);
        if (expiration == NULL)
            return out_of_memory(writer);
        value_map_put(&message, "expiration", value_string(expiration));
    }
    value_map_put(&message, "headers", writer->headers);
    *ret = message;
    return 0;
}

int task_publish_write(const struct task_publish *publish, msgpack_zone *zone, msgpack_object *ret,
                       struct buffer *body, struct codec_reason *reason)
{
    struct writer writer = {
        .publish = publish, .zone = zone, .reason = reason, .expires = INT64_MIN};
    size_t before = body->size;
    int rc = choose_formats(&writer);
    if (rc == 0)
        rc = write_headers(&writer);
    if (rc == 0)
        rc = write_body(&writer, body);
    if (rc == 0)
        rc = make_message(&writer, ret);
    if (rc != 0)
        body->size = before;
    return rc;
}
