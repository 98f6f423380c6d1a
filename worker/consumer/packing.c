/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns how a request is told to a runtime. Text from the broker passes as it came, UTF-8 or not.
 * Decides nothing. */

#include "worker/consumer/packing.h"

#include <string.h>

#include "worker/consumer/internal.h"
#include "worker/consumer/loss.h"

/* Where packed bytes go, and the first error, after which nothing more is taken. */
struct sink {
    struct buffer *buffer;
    int error;
};

static int sink_write(void *data, const char *bytes, size_t size)
{
    struct sink *sink = data;
    if (sink->error == 0)
        sink->error = buffer_append(sink->buffer, bytes, size);
    return sink->error;
}

static void pack_text(msgpack_packer *packer, struct text text)
{
    if (text.data == NULL) {
        msgpack_pack_nil(packer);
    } else {
        msgpack_pack_str(packer, text.size);
        msgpack_pack_str_body(packer, text.data, text.size);
    }
}

static void pack_string(msgpack_packer *packer, const char *string)
{
    pack_text(packer, (struct text){string, string != NULL ? strlen(string) : 0});
}

static void put_text(msgpack_packer *packer, const char *key, struct text text)
{
    pack_string(packer, key);
    pack_text(packer, text);
}

static void put_string(msgpack_packer *packer, const char *key, const char *string)
{
    pack_string(packer, key);
    pack_string(packer, string);
}

static void put_nil(msgpack_packer *packer, const char *key)
{
    put_string(packer, key, NULL);
}

static void put_bool(msgpack_packer *packer, const char *key, bool flag)
{
    pack_string(packer, key);
    if (flag)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

static void put_priority(msgpack_packer *packer, int priority)
{
    pack_string(packer, "priority");
    if (priority < 0)
        msgpack_pack_nil(packer);
    else
        msgpack_pack_int(packer, priority);
}

/* ---- the request ---- */

static bool is_our_own(const msgpack_object_kv *pair)
{
    struct text name;
    return value_as_text(&pair->key, &name) && text_equal(name, LOSS_HEADER);
}

/* Those that the sender has set: a retry, which takes them over, starts without losses. */
static void pack_own_headers(msgpack_packer *packer, const msgpack_object_map *headers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < headers->size; i++)
        count += !is_our_own(&headers->ptr[i]);
    msgpack_pack_map(packer, count);
    for (uint32_t i = 0; i < headers->size; i++) {
        if (is_our_own(&headers->ptr[i]))
            continue;
        msgpack_pack_object(packer, headers->ptr[i].key);
        msgpack_pack_object(packer, headers->ptr[i].val);
    }
}

/* Of a message that was refused before it was read, the headers are those of its delivery. */
static void put_headers(msgpack_packer *packer, const struct request *request)
{
    const msgpack_object *headers = &request->message.headers;
    if (headers->type != MSGPACK_OBJECT_MAP)
        headers = &request->delivery->headers;
    pack_string(packer, "headers");
    if (headers->type != MSGPACK_OBJECT_MAP)
        msgpack_pack_map(packer, 0);
    else if (request->losses > 0)
        pack_own_headers(packer, &headers->via.map);
    else
        msgpack_pack_object(packer, *headers);
}

/* The first five are always there, for a runtime to rely on; the others as in the message. */
static void put_properties(msgpack_packer *packer, const struct request *request)
{
    const struct broker_delivery *delivery = request->delivery;
    const struct {
        const char *name;
        struct text text;
    } rare[] = {
        {"expiration", delivery->expiration},
        {"message_id", delivery->message_id},
        {"type", delivery->type},
        {"user_id", delivery->user_id},
        {"app_id", delivery->app_id},
    };
    bool has_mode = delivery->delivery_mode > 0;
    uint32_t count = 5U + has_mode;
    for (size_t i = 0; i < ARRAY_LEN(rare); i++)
        count += rare[i].text.data != NULL;
    pack_string(packer, "properties");
    msgpack_pack_map(packer, count);
    put_text(packer, "content_type", request->message.content_type);
    put_text(packer, "content_encoding", request->message.content_encoding);
    put_text(packer, "correlation_id", delivery->correlation_id);
    put_text(packer, "reply_to", delivery->reply_to);
    put_priority(packer, delivery->priority);
    if (has_mode) {
        pack_string(packer, "delivery_mode");
        msgpack_pack_int(packer, delivery->delivery_mode);
    }
    for (size_t i = 0; i < ARRAY_LEN(rare); i++) {
        if (rare[i].text.data != NULL)
            put_text(packer, rare[i].name, rare[i].text);
    }
}

/* A task that was lost has run before, although the copy that counts its losses is a new message.
 */
static void put_delivery_info(msgpack_packer *packer, const struct request *request)
{
    const struct broker_delivery *delivery = request->delivery;
    pack_string(packer, "delivery_info");
    msgpack_pack_map(packer, 4);
    put_text(packer, "exchange", delivery->exchange);
    put_text(packer, "routing_key", delivery->routing_key);
    put_priority(packer, delivery->priority);
    put_bool(packer, "redelivered",
             delivery->redelivered || request->was_redelivered || request->losses > 0);
}

static void pack_limit(msgpack_packer *packer, double seconds)
{
    if (seconds > 0)
        msgpack_pack_double(packer, seconds);
    else
        msgpack_pack_nil(packer);
}

static void put_accepted(msgpack_packer *packer, const struct serializer *const *accepted)
{
    size_t count = 0;
    while (accepted != NULL && accepted[count] != NULL)
        count++;
    pack_string(packer, "accept");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        pack_string(packer, accepted[i]->content_type);
}

static bool has_own_settings(const struct request *request)
{
    return request->consumer->registry.app_decides;
}

/* An app with settings of its own knows these better than we. */
static void put_result_settings(msgpack_packer *packer, const struct request *request)
{
    const struct consumer_config *config = &request->consumer->config;
    if (has_own_settings(request)) {
        put_nil(packer, "ignore_result");
        put_nil(packer, "result_serializer");
        put_nil(packer, "accept");
        return;
    }
    put_bool(packer, "ignore_result", request->ignore_result);
    put_string(packer, "result_serializer", config->result_serializer->name);
    put_accepted(packer, config->accept_content);
}

/* What is only told if it is not as by default. */
struct extras {
    struct {
        const char *key;
        bool value;
    } flags[5];
    uint32_t count;
    const char *task_serializer; /* NULL: json */
};

static struct extras extras_of(const struct request *request)
{
    const struct consumer *consumer = request->consumer;
    const struct consumer_config *config = &consumer->config;
    const struct {
        const char *key;
        bool value, otherwise;
    } rows[] = {
        {"result_extended", config->result_extended, false},
        {"track_started", config->task_track_started, false},
        {"store_errors_even_if_ignored", config->task_store_errors_even_if_ignored, false},
        {"inherit_parent_priority", config->task_inherit_parent_priority, false},
        {"chords", consumer->backend == NULL || backend_has_chords(consumer->backend), true},
    };
    struct extras extras = {.count = 0};
    if (has_own_settings(request))
        return extras;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].value == rows[i].otherwise)
            continue;
        extras.flags[extras.count].key = rows[i].key;
        extras.flags[extras.count++].value = rows[i].value;
    }
    if (config->task_serializer != NULL && strcmp(config->task_serializer, "json") != 0)
        extras.task_serializer = config->task_serializer;
    return extras;
}

static void put_extras(msgpack_packer *packer, const struct extras *extras)
{
    for (uint32_t i = 0; i < extras->count; i++)
        put_bool(packer, extras->flags[i].key, extras->flags[i].value);
    if (extras->task_serializer != NULL)
        put_string(packer, "task_serializer", extras->task_serializer);
}

/* A child is to write something down: a failure, or a chord's end. */
struct note {
    const struct failure *failure;
    const struct backend_parts *parts;
    const char *error;
};

static void pack_bin(msgpack_packer *packer, struct bytes bytes)
{
    msgpack_pack_bin(packer, bytes.size);
    msgpack_pack_bin_body(packer, bytes.data, bytes.size);
}

static void put_parts(msgpack_packer *packer, const struct backend_parts *parts)
{
    bool saved = parts->group.size > 0;
    msgpack_pack_map(packer, saved ? 3 : 2);
    pack_string(packer, "members");
    msgpack_pack_array(packer, parts->count);
    for (size_t i = 0; i < parts->count; i++)
        pack_bin(packer, parts->items[i]);
    if (saved) {
        pack_string(packer, "group");
        pack_bin(packer, parts->group);
    }
}

static void put_chord(msgpack_packer *packer, const struct note *note)
{
    pack_string(packer, "record");
    if (note->error != NULL) {
        msgpack_pack_map(packer, 2);
        put_string(packer, "error", note->error);
    } else {
        put_parts(packer, note->parts);
    }
    put_string(packer, "event", "chord");
}

static void put_signum(msgpack_packer *packer, int signum)
{
    pack_string(packer, "signum");
    if (signum > 0)
        msgpack_pack_int(packer, signum);
    else
        msgpack_pack_nil(packer);
}

static void put_failure(msgpack_packer *packer, const struct failure *failure)
{
    pack_string(packer, "record");
    if (strcmp(failure->event, "failure") == 0) {
        msgpack_pack_map(packer, 3);
        put_string(packer, "exception", failure->type);
        pack_string(packer, "argument");
        msgpack_pack_object(packer, failure_argument(failure));
    } else if (strcmp(failure->event, "revoked") == 0) {
        msgpack_pack_map(packer, 5);
        put_string(packer, "reason", failure->message);
        put_bool(packer, "terminated", failure->signum > 0);
        put_signum(packer, failure->signum);
        put_bool(packer, "expired", strcmp(failure->message, "expired") == 0);
    } else {
        msgpack_pack_map(packer, 1);
    }
    put_string(packer, "event", failure->event);
}

static void put_note(msgpack_packer *packer, const struct note *note)
{
    if (note->failure != NULL)
        put_failure(packer, note->failure);
    else
        put_chord(packer, note);
}

static void pack_request(msgpack_packer *packer, const struct request *request,
                         const struct note *note)
{
    struct extras extras = extras_of(request);
    msgpack_pack_map(packer, 10 + extras.count + (extras.task_serializer != NULL) + (note != NULL));
    put_text(packer, "task", request->message.task);
    put_text(packer, "id", request->message.id);
    put_headers(packer, request);
    put_properties(packer, request);
    put_delivery_info(packer, request);
    put_string(packer, "hostname", request->consumer->config.nodename);
    pack_string(packer, "timelimit");
    msgpack_pack_array(packer, 2);
    pack_limit(packer, request->job.hard_limit);
    pack_limit(packer, request->job.soft_limit);
    put_result_settings(packer, request);
    put_extras(packer, &extras);
    if (note != NULL)
        put_note(packer, note);
}

static int pack_noted(const struct request *request, const struct note *note, struct buffer *buffer)
{
    struct sink sink = {buffer, buffer_reserve(buffer, 1024)};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &sink, sink_write);
    pack_request(&packer, request, note);
    return sink.error;
}

int packing_chord(const struct request *request, const struct backend_parts *parts,
                  const char *error, struct buffer *buffer)
{
    return pack_noted(request, &(struct note){.parts = parts, .error = error}, buffer);
}

int packing_request(const struct request *request, const struct failure *record,
                    struct buffer *buffer)
{
    struct note note = {.failure = record};
    return pack_noted(request, record != NULL ? &note : NULL, buffer);
}

/* ---- signals ---- */

int packing_signal(const struct request *request, const char *reason, struct buffer *buffer)
{
    struct bytes body = request->message.body;
    struct sink sink = {buffer, buffer_reserve(buffer, 1024 + body.size)};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &sink, sink_write);
    msgpack_pack_map(&packer, 3);
    pack_string(&packer, "request");
    pack_request(&packer, request, NULL);
    pack_string(&packer, "body");
    msgpack_pack_bin(&packer, body.size);
    msgpack_pack_bin_body(&packer, body.data, body.size);
    put_string(&packer, "reason", reason);
    return sink.error;
}
