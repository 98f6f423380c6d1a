/* SPDX-License-Identifier: BSD-3-Clause */
/* The outgoing messages and what became of them. A message is waiting (a list) or sent and
 * unconfirmed (a window by sequence number). Whoever is told of an outcome may publish again, so
 * nothing is held across that call. */

#include "broker/outbox.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/table.h"

enum {
    CHUNK = 1024,
    BODY_IN_ZONE_MAX = 512, /* larger bodies get memory of their own */
    KEPT_MAX = 256,
    NAME_MAX_SIZE = 32,
    FRAMES_OVERHEAD = 64, /* three frames' heads and ends */
};

void outbox_init(struct outbox *outbox, size_t limit)
{
    *outbox = (struct outbox){.limit = limit};
    window_init(&outbox->unconfirmed);
}

static void outgoing_free(struct outgoing *outgoing)
{
    msgpack_zone_destroy(&outgoing->zone);
    free(outgoing);
}

void outbox_done(struct outbox *outbox)
{
    assert(outbox->messages == 0);
    while (outbox->kept) {
        struct outgoing *outgoing = outbox->kept;
        outbox->kept = outgoing->next;
        outgoing_free(outgoing);
    }
    window_done(&outbox->unconfirmed);
}

static struct outgoing *outgoing_get(struct outbox *outbox)
{
    struct outgoing *outgoing = outbox->kept;
    if (outgoing) {
        outbox->kept = outgoing->next;
        outbox->kept_count--;
    } else {
        outgoing = malloc(sizeof(*outgoing));
        if (!outgoing)
            return NULL;
        if (!msgpack_zone_init(&outgoing->zone, CHUNK)) {
            free(outgoing);
            return NULL;
        }
    }
    memset(outgoing, 0, offsetof(struct outgoing, zone));
    return outgoing;
}

static void outgoing_put_back(struct outbox *outbox, struct outgoing *outgoing)
{
    if (outbox->kept_count == KEPT_MAX) {
        outgoing_free(outgoing);
        return;
    }
    msgpack_zone_clear(&outgoing->zone);
    outgoing->next = outbox->kept;
    outbox->kept = outgoing;
    outbox->kept_count++;
}

static bool copy(msgpack_zone *zone, const void *data, size_t size, amqp_bytes_t *ret)
{
    void *bytes = NULL;
    if (size <= BODY_IN_ZONE_MAX) {
        bytes = msgpack_zone_malloc_no_align(zone, size + 1);
    } else {
        bytes = malloc(size);
        if (bytes && !msgpack_zone_push_finalizer(zone, free, bytes)) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (!bytes)
        return false;
    if (size > 0)
        memcpy(bytes, data, size);
    *ret = (amqp_bytes_t){size, bytes};
    return true;
}

static const struct {
    amqp_flags_t flag;
    size_t from, to;
} texts[] = {
#define TEXT(FLAG, field)                                                                          \
    {                                                                                              \
        AMQP_BASIC_##FLAG##_FLAG, offsetof(struct broker_message, field),                          \
            offsetof(amqp_basic_properties_t, field)                                               \
    }
    TEXT(CONTENT_TYPE, content_type),
    TEXT(CONTENT_ENCODING, content_encoding),
    TEXT(CORRELATION_ID, correlation_id),
    TEXT(REPLY_TO, reply_to),
    TEXT(EXPIRATION, expiration),
    TEXT(MESSAGE_ID, message_id),
    TEXT(TYPE, type),
    TEXT(USER_ID, user_id),
    TEXT(APP_ID, app_id),
#undef TEXT
};

static int copy_texts(struct outgoing *outgoing, const struct broker_message *message)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct text *from = (const void *)((const char *)message + texts[i].from);
        amqp_bytes_t *to = (void *)((char *)&outgoing->properties + texts[i].to);
        if (!from->data)
            continue;
        if (from->size > UINT8_MAX)
            return BROKER_EINVALID;
        if (!copy(&outgoing->zone, from->data, from->size, to))
            return BROKER_ENOMEM;
        outgoing->properties._flags |= texts[i].flag;
        outgoing->size += from->size + 1;
    }
    return 0;
}

/* A returned message is recognised by its message_id, so a mandatory one needs one. */
static int name_it(struct outbox *outbox, struct outgoing *outgoing)
{
    char name[NAME_MAX_SIZE];
    if (!outgoing->mandatory || (outgoing->properties._flags & AMQP_BASIC_MESSAGE_ID_FLAG))
        return 0;
    int size = snprintf(name, sizeof(name), "celeriac-%llu", (unsigned long long)++outbox->names);
    if (!copy(&outgoing->zone, name, (size_t)size, &outgoing->properties.message_id))
        return BROKER_ENOMEM;
    outgoing->properties._flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
    return 0;
}

static int copy_headers(struct outgoing *outgoing, const msgpack_object *headers)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_NIL};
    outgoing->properties._flags |= AMQP_BASIC_HEADERS_FLAG;
    return table_write(headers ? headers : &none, &outgoing->zone, &outgoing->properties.headers,
                       &outgoing->size);
}

static int copy_message(struct outbox *outbox, struct outgoing *outgoing,
                        const struct broker_message *message)
{
    msgpack_zone *zone = &outgoing->zone;
    amqp_basic_properties_t *properties = &outgoing->properties;
    if (message->exchange.size > UINT8_MAX || message->routing_key.size > UINT8_MAX ||
        message->priority > UINT8_MAX)
        return BROKER_EINVALID;
    outgoing->mandatory = message->mandatory;
    outgoing->declare = message->declare;
    outgoing->size =
        FRAMES_OVERHEAD + message->exchange.size + message->routing_key.size + message->body.size;
    properties->_flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties->delivery_mode = (uint8_t)message->delivery_mode;
    if (message->priority >= 0) {
        properties->_flags |= AMQP_BASIC_PRIORITY_FLAG;
        properties->priority = (uint8_t)message->priority;
    }
    if (message->timestamp > 0) {
        properties->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
        properties->timestamp = message->timestamp;
        outgoing->size += sizeof(message->timestamp);
    }
    int error = copy_texts(outgoing, message);
    if (!error)
        error = name_it(outbox, outgoing);
    if (!error)
        error = copy_headers(outgoing, message->headers);
    if (!error &&
        !(copy(zone, message->exchange.data, message->exchange.size, &outgoing->exchange) &&
          copy(zone, message->routing_key.data, message->routing_key.size,
               &outgoing->routing_key) &&
          copy(zone, message->body.data, message->body.size, &outgoing->body)))
        error = BROKER_ENOMEM;
    return error;
}

int outbox_put(struct outbox *outbox, const struct broker_message *message,
               broker_published *published, void *context)
{
    /* A full outbox is refused before any work; one message may exceed the bound by its own size.
     */
    size_t least = message->body.size + sizeof(struct outgoing) + CHUNK;
    if (outbox->messages > 0 && outbox->bytes + least > outbox->limit) {
        outbox->was_full = true;
        return BROKER_EFULL;
    }
    struct outgoing *outgoing = outgoing_get(outbox);
    if (!outgoing)
        return BROKER_ENOMEM;
    int error = copy_message(outbox, outgoing, message);
    if (error) {
        outgoing_put_back(outbox, outgoing);
        return error;
    }
    outgoing->published = published;
    outgoing->context = context;
    outgoing->charge = outgoing->size + sizeof(struct outgoing) + CHUNK;
    if (outbox->last)
        outbox->last->next = outgoing;
    else
        outbox->first = outgoing;
    outbox->last = outgoing;
    outbox->bytes += outgoing->charge;
    outbox->messages++;
    outbox->published++;
    return 0;
}

struct outgoing *outbox_next(struct outbox *outbox)
{
    return outbox->first;
}

bool outbox_sent(struct outbox *outbox)
{
    struct outgoing *outgoing = outbox->first;
    if (!window_add(&outbox->unconfirmed, outbox->sequence + 1, outgoing))
        return false;
    outbox->sequence++;
    outbox->first = outgoing->next;
    if (!outbox->first)
        outbox->last = NULL;
    outgoing->next = NULL;
    return true;
}

/* The message is in no list any more. */
static void finish(struct outbox *outbox, struct outgoing *outgoing, const char *error)
{
    if (!error)
        error = outgoing->problem;
    outbox->bytes -= outgoing->charge;
    outbox->messages--;
    outbox->confirmed += error == NULL;
    if (outgoing->published)
        outgoing->published(outgoing->context, error);
    outgoing_put_back(outbox, outgoing);
}

static void finish_entry(struct outbox *outbox, struct window_entry *entry, const char *error)
{
    struct outgoing *outgoing = entry->item;
    window_remove(&outbox->unconfirmed, entry);
    finish(outbox, outgoing, error);
}

void outbox_confirm(struct outbox *outbox, uint64_t tag, bool multiple, const char *error)
{
    struct window_entry *entry = NULL;
    if (!multiple) {
        entry = window_find(&outbox->unconfirmed, tag);
        if (entry)
            finish_entry(outbox, entry, error);
        return;
    }
    if (tag == 0) /* "all so far" */
        tag = outbox->sequence;
    while ((entry = window_first(&outbox->unconfirmed)) && entry->tag <= tag)
        finish_entry(outbox, entry, error);
}

static bool has_id(const struct outgoing *outgoing, amqp_bytes_t id)
{
    const amqp_bytes_t *own = &outgoing->properties.message_id;
    return outgoing->mandatory && !outgoing->problem && own->len == id.len &&
           memcmp(own->bytes, id.bytes, id.len) == 0;
}

void outbox_returned(struct outbox *outbox, amqp_bytes_t message_id, const char *problem)
{
    struct window_entry *entry = window_first(&outbox->unconfirmed);
    amqp_bytes_t text;
    for (; entry; entry = window_next(&outbox->unconfirmed, entry)) {
        struct outgoing *outgoing = entry->item;
        if (!has_id(outgoing, message_id))
            continue;
        if (copy(&outgoing->zone, problem, strlen(problem) + 1, &text))
            outgoing->problem = text.bytes;
        return;
    }
}

void outbox_requeue(struct outbox *outbox)
{
    struct outgoing *first = NULL;
    struct outgoing **end = &first;
    struct window_entry *entry = NULL;
    while ((entry = window_first(&outbox->unconfirmed))) {
        struct outgoing *outgoing = entry->item;
        outgoing->problem = NULL;
        window_remove(&outbox->unconfirmed, entry);
        *end = outgoing;
        end = &outgoing->next;
        if (!outbox->first)
            outbox->last = outgoing;
    }
    *end = outbox->first;
    if (first)
        outbox->first = first;
    outbox->sequence = 0;
}

void outbox_drop(struct outbox *outbox, const char *error)
{
    struct outgoing *outgoing = outbox->first;
    outbox->first = outgoing->next;
    if (!outbox->first)
        outbox->last = NULL;
    finish(outbox, outgoing, error);
}

void outbox_fail_all(struct outbox *outbox, const char *error)
{
    outbox_requeue(outbox);
    while (outbox->first)
        outbox_drop(outbox, error);
}

bool outbox_drained(struct outbox *outbox)
{
    if (!outbox->was_full || outbox->bytes > outbox->limit / 4 * 3)
        return false;
    outbox->was_full = false;
    return true;
}
