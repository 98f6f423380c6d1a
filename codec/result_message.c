/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the keys of result documents. Does not know where they go. */

#include "codec/result_message.h"

#include <assert.h>

#include "codec/iso8601.h"
#include "codec/utf8.h"

enum { PAIRS_MAX = 15 + RESULT_STAMPS_MAX, SCRATCH_CHUNK = 2048 };

/* A small map whose pairs are its own. */
struct document {
    msgpack_object_kv pairs[PAIRS_MAX];
    uint32_t size;
};

static void put(struct document *document, const char *key, msgpack_object value)
{
    assert(document->size < PAIRS_MAX);
    document->pairs[document->size++] = (msgpack_object_kv){.key = value_string(key), .val = value};
}

static void put_text_if_any(struct document *document, const char *key, struct text text)
{
    if (text.data != NULL)
        put(document, key, value_text(text));
}

static msgpack_object as_map(struct document *document)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_MAP,
                            .via.map = {.size = document->size, .ptr = document->pairs}};
}

static void put_exception(struct document *document, const struct result_exception *exception)
{
    put(document, "exc_type", value_text(exception->type));
    put(document, "exc_message", exception->arguments);
    put(document, "exc_module", value_text(exception->module));
}

static void put_stamps(struct document *document, const struct result_extended *extended)
{
    const msgpack_object *stamps = extended->stamps;
    struct text name;
    if (stamps == NULL || stamps->type != MSGPACK_OBJECT_MAP || stamps->via.map.size == 0)
        return;
    put(document, "stamped_headers",
        extended->stamped_headers != NULL ? *extended->stamped_headers : value_nil());
    for (uint32_t i = 0; i < stamps->via.map.size && i < RESULT_STAMPS_MAX; i++) {
        const msgpack_object_kv *pair = &stamps->via.map.ptr[i];
        if (value_as_text(&pair->key, &name))
            document->pairs[document->size++] = *pair;
    }
}

static void put_extended(struct document *document, const struct result_extended *extended)
{
    put(document, "name", value_text(extended->name));
    put(document, "args", extended->args != NULL ? *extended->args : value_nil());
    put(document, "kwargs", extended->kwargs != NULL ? *extended->kwargs : value_nil());
    put(document, "worker", value_text(extended->worker));
    put(document, "retries", value_int(extended->retries));
    put(document, "queue", value_text(extended->queue));
    put_stamps(document, extended);
}

static int write_document(const struct result_message *message, const struct serializer *serializer,
                          struct buffer *buffer)
{
    struct document document = {.size = 0};
    struct document exception = {.size = 0};
    char date[ISO8601_SIZE];
    if (message->exception != NULL)
        put_exception(&exception, message->exception);
    if (message->date_done != 0)
        iso8601_format(message->date_done, date);
    put(&document, "status", value_string(message->status));
    put(&document, "result", message->exception != NULL ? as_map(&exception) : *message->result);
    put(&document, "traceback", value_text(message->traceback));
    put(&document, "children",
        message->children != NULL ? *message->children
                                  : (msgpack_object){.type = MSGPACK_OBJECT_ARRAY});
    put(&document, "date_done", message->date_done != 0 ? value_string(date) : value_nil());
    put_text_if_any(&document, "group_id", message->group_id);
    put_text_if_any(&document, "parent_id", message->parent_id);
    if (message->extended != NULL)
        put_extended(&document, message->extended);
    put(&document, "task_id", value_text(message->task_id));
    msgpack_object value = as_map(&document);
    size_t before = buffer->size;
    int rc = serializer->encode(&value, buffer);
    if (rc != 0)
        buffer->size = before;
    return rc;
}

static bool repair_text(msgpack_zone *zone, struct text *text)
{
    if (text->data == NULL || utf8_is_valid(*text))
        return true;
    char *repaired = msgpack_zone_malloc_no_align(zone, text->size * UTF8_REPAIR_GROWTH);
    if (repaired == NULL)
        return false;
    *text = (struct text){repaired, utf8_repair(*text, repaired)};
    return true;
}

static bool repair_arguments(msgpack_zone *zone, msgpack_object *arguments)
{
    msgpack_object repaired;
    if (!value_array(zone, arguments->via.array.size, &repaired))
        return false;
    for (uint32_t i = 0; i < repaired.via.array.size; i++) {
        const msgpack_object *argument = &arguments->via.array.ptr[i];
        struct text text;
        bool is_text = value_as_text(argument, &text);
        if (is_text && !repair_text(zone, &text))
            return false;
        repaired.via.array.ptr[i] = is_text ? value_text(text) : *argument;
    }
    *arguments = repaired;
    return true;
}

/* A failure must reach the client even if its words are no UTF-8, say because a task cut them to a
 * buffer's size. */
static int write_repaired(const struct result_message *message, const struct serializer *serializer,
                          struct buffer *buffer)
{
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, SCRATCH_CHUNK))
        return CODEC_ENOMEM;
    struct result_message copy = *message;
    struct result_exception exception = *message->exception;
    copy.exception = &exception;
    bool repaired = repair_text(&zone, &copy.traceback) && repair_text(&zone, &exception.type) &&
                    repair_text(&zone, &exception.module) &&
                    repair_arguments(&zone, &exception.arguments);
    int rc = repaired ? write_document(&copy, serializer, buffer) : CODEC_ENOMEM;
    msgpack_zone_destroy(&zone);
    return rc;
}

int result_message_write(const struct result_message *message, const struct serializer *serializer,
                         struct buffer *buffer)
{
    assert((message->result == NULL) != (message->exception == NULL));
    assert(message->exception == NULL ||
           message->exception->arguments.type == MSGPACK_OBJECT_ARRAY);
    int rc = write_document(message, serializer, buffer);
    if (rc == CODEC_EINVALID && message->exception != NULL)
        rc = write_repaired(message, serializer, buffer);
    return rc;
}
