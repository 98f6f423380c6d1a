/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the table of what may be said of a queue. Knows no default. */

#include "worker/cli/queue_fields.h"

#include <stdio.h>
#include <string.h>

#include "codec/serializer.h"

static const struct queue_field fields[] = {
    {"name", QUEUE_FIELD_TEXT},
    {"exchange", QUEUE_FIELD_TEXT},
    {"exchange_type", QUEUE_FIELD_TEXT},
    {"routing_key", QUEUE_FIELD_TEXT},
    {"binding_key", QUEUE_FIELD_TEXT},
    {"durable", QUEUE_FIELD_FLAG},
    {"queue_durable", QUEUE_FIELD_FLAG},
    {"exchange_durable", QUEUE_FIELD_FLAG},
    {"auto_delete", QUEUE_FIELD_FLAG},
    {"queue_auto_delete", QUEUE_FIELD_FLAG},
    {"exchange_auto_delete", QUEUE_FIELD_FLAG},
    {"exclusive", QUEUE_FIELD_FLAG},
    {"no_declare", QUEUE_FIELD_FLAG},
    {"exchange_no_declare", QUEUE_FIELD_FLAG},
    {"broadcast", QUEUE_FIELD_FLAG},
    {"expires", QUEUE_FIELD_NUMBER},
    {"message_ttl", QUEUE_FIELD_NUMBER},
    {"max_length", QUEUE_FIELD_NUMBER},
    {"max_length_bytes", QUEUE_FIELD_NUMBER},
    {"max_priority", QUEUE_FIELD_NUMBER},
    {"queue_arguments", QUEUE_FIELD_TABLE},
    {"exchange_arguments", QUEUE_FIELD_TABLE},
    {"binding_arguments", QUEUE_FIELD_TABLE},
    {"consumer_arguments", QUEUE_FIELD_TABLE},
    {"bindings", QUEUE_FIELD_LIST},
};

static const char *const kind_words[] = {
    [QUEUE_FIELD_TEXT] = "text",
    [QUEUE_FIELD_FLAG] = "true or false",
    [QUEUE_FIELD_NUMBER] = "a number",
    [QUEUE_FIELD_TABLE] = "a JSON object",
    [QUEUE_FIELD_LIST] = "a JSON array of objects",
};

const struct queue_field *queue_field_find(struct text name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (text_equal(name, fields[i].name))
            return &fields[i];
    return NULL;
}

bool queue_field_is_argument(struct text name)
{
    return name.size > 2 && memcmp(name.data, "x-", 2) == 0;
}

bool queue_field_fits(enum queue_field_kind kind, const msgpack_object *value)
{
    struct text text;
    double number;
    bool flag;
    switch (kind) {
    case QUEUE_FIELD_TEXT:
        return value_as_text(value, &text) && memchr(text.data, '\0', text.size) == NULL &&
               text.size <= UINT8_MAX;
    case QUEUE_FIELD_FLAG:
        return value_as_bool(value, &flag);
    case QUEUE_FIELD_NUMBER:
        return value_as_double(value, &number) && number >= 0 && number <= 1e12;
    case QUEUE_FIELD_TABLE:
        return value->type == MSGPACK_OBJECT_MAP;
    case QUEUE_FIELD_LIST:
        return value->type == MSGPACK_OBJECT_ARRAY;
    }
    return false;
}

bool queue_field_json(const char *text, msgpack_zone *zone, msgpack_object *ret)
{
    struct codec_reason reason;
    struct bytes bytes = {text, strlen(text)};
    return serializer_by_name("json")->decode(bytes, zone, ret, &reason) == 0;
}

void queue_field_put(msgpack_object *map, msgpack_object key, msgpack_object value)
{
    struct text name = {"", 0}, other;
    value_as_text(&key, &name);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (value_as_text(&pair->key, &other) && other.size == name.size &&
            memcmp(other.data, name.data, name.size) == 0) {
            pair->val = value;
            return;
        }
    }
    map->via.map.ptr[map->via.map.size++] = (msgpack_object_kv){key, value};
}

int queue_field_refuse(const struct queue_field *field, struct text name, const char *queue,
                       char error[QUEUES_ERROR_SIZE])
{
    if (field == NULL)
        snprintf(error, QUEUES_ERROR_SIZE,
                 "task_queues: '%.*s' of the queue '%.80s' is nothing that is known of a queue",
                 text_quoted_size(name), name.data, queue);
    else
        snprintf(error, QUEUES_ERROR_SIZE, "task_queues: '%s' of the queue '%.80s' must be %s",
                 field->name, queue, kind_words[field->kind]);
    return -1;
}
