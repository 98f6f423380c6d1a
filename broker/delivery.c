/* SPDX-License-Identifier: BSD-3-Clause */
/* Deliveries: memory, and how they grow out of frames. Everything is copied, since librabbitmq's
 * buffers are released after each frame. Must not know connections, queues or who gets the
 * delivery. */

#include "broker/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "broker/table.h"

enum {
    CHUNK = 4096,            /* a task message of stock Celery takes about 2 KiB */
    BODY_IN_ZONE_MAX = 1024, /* larger bodies get memory of their own */
    KEPT_MAX = 256,          /* free deliveries */
};

struct box {
    struct broker_delivery delivery;
    msgpack_zone zone;
    struct delivery_store *store;
    struct broker_delivery *next;
    uint64_t oversize;
};

struct delivery_store {
    struct broker_delivery *kept;
    unsigned kept_count;
    size_t out; /* deliveries that are with somebody */
    bool closed;
};

static struct box *box_of(struct broker_delivery *delivery)
{
    return CONTAINER_OF(delivery, struct box, delivery);
}

struct broker_delivery **delivery_next(struct broker_delivery *delivery)
{
    return &box_of(delivery)->next;
}

uint64_t delivery_oversize(struct broker_delivery *delivery)
{
    return box_of(delivery)->oversize;
}

struct delivery_store *delivery_store_new(void)
{
    return calloc(1, sizeof(struct delivery_store));
}

static void box_free(struct box *box)
{
    msgpack_zone_destroy(&box->zone);
    free(box);
}

void delivery_store_free(struct delivery_store *store)
{
    if (!store)
        return;
    while (store->kept) {
        struct box *box = box_of(store->kept);
        store->kept = box->next;
        box_free(box);
    }
    store->kept_count = 0;
    store->closed = true;
    if (store->out == 0)
        free(store);
}

static struct box *box_new(struct delivery_store *store)
{
    struct box *box = malloc(sizeof(*box));
    if (!box)
        return NULL;
    if (!msgpack_zone_init(&box->zone, CHUNK)) {
        free(box);
        return NULL;
    }
    box->store = store;
    return box;
}

static struct box *box_get(struct delivery_store *store)
{
    struct box *box = store->kept ? box_of(store->kept) : box_new(store);
    if (!box)
        return NULL;
    if (store->kept) {
        store->kept = box->next;
        store->kept_count--;
    }
    store->out++;
    box->next = NULL;
    box->oversize = 0;
    box->delivery = (struct broker_delivery){
        .priority = -1, .headers = {.type = MSGPACK_OBJECT_NIL}, .zone = &box->zone};
    return box;
}

void broker_delivery_free(struct broker_delivery *delivery)
{
    if (!delivery)
        return;
    struct box *box = box_of(delivery);
    struct delivery_store *store = box->store;
    store->out--;
    if (!store->closed && store->kept_count < KEPT_MAX) {
        msgpack_zone_clear(&box->zone);
        box->next = store->kept;
        store->kept = delivery;
        store->kept_count++;
        return;
    }
    box_free(box);
    if (store->closed && store->out == 0)
        free(store);
}

void assembly_init(struct assembly *assembly, struct delivery_store *store, size_t body_max)
{
    *assembly = (struct assembly){.store = store, .body_max = body_max};
}

void assembly_reset(struct assembly *assembly)
{
    broker_delivery_free(assembly->delivery);
    assembly_init(assembly, assembly->store, assembly->body_max);
}

struct broker_delivery *assembly_take(struct assembly *assembly)
{
    struct broker_delivery *delivery = assembly->delivery;
    assembly->delivery = NULL;
    return delivery;
}

static bool copy(msgpack_zone *zone, amqp_bytes_t bytes, struct text *ret)
{
    char *text = msgpack_zone_malloc_no_align(zone, bytes.len + 1);
    if (!text)
        return false;
    if (bytes.len > 0)
        memcpy(text, bytes.bytes, bytes.len);
    text[bytes.len] = '\0';
    *ret = (struct text){text, bytes.len};
    return true;
}

enum assembly_progress assembly_begin(struct assembly *assembly, const amqp_basic_deliver_t *method)
{
    if (assembly->delivery)
        return ASSEMBLY_BROKEN;
    struct box *box = box_get(assembly->store);
    if (!box)
        return ASSEMBLY_NO_MEMORY;
    struct broker_delivery *delivery = &box->delivery;
    assembly->delivery = delivery;
    assembly->header_seen = false;
    assembly->received = 0;
    assembly->body = NULL;
    delivery->tag = method->delivery_tag;
    delivery->redelivered = method->redelivered;
    return copy(delivery->zone, method->exchange, &delivery->exchange) &&
                   copy(delivery->zone, method->routing_key, &delivery->routing_key)
               ? ASSEMBLY_MORE
               : ASSEMBLY_NO_MEMORY;
}

static const struct {
    amqp_flags_t flag;
    size_t from, to;
} texts[] = {
#define TEXT(FLAG, field)                                                                          \
    {                                                                                              \
        AMQP_BASIC_##FLAG##_FLAG, offsetof(amqp_basic_properties_t, field),                        \
            offsetof(struct broker_delivery, field)                                                \
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

static bool copy_properties(struct broker_delivery *delivery,
                            const amqp_basic_properties_t *properties)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const amqp_bytes_t *from = (const void *)((const char *)properties + texts[i].from);
        struct text *to = (void *)((char *)delivery + texts[i].to);
        if ((properties->_flags & texts[i].flag) && !copy(delivery->zone, *from, to))
            return false;
    }
    if (properties->_flags & AMQP_BASIC_PRIORITY_FLAG)
        delivery->priority = properties->priority;
    if (properties->_flags & AMQP_BASIC_TIMESTAMP_FLAG)
        delivery->timestamp = properties->timestamp;
    if (properties->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG)
        delivery->delivery_mode = properties->delivery_mode;
    if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG))
        return true;
    return table_read(&properties->headers, delivery->zone, &delivery->headers) != BROKER_ENOMEM;
}

static char *body_memory(msgpack_zone *zone, size_t size)
{
    if (size <= BODY_IN_ZONE_MAX)
        return msgpack_zone_malloc_no_align(zone, size + 1);
    char *body = malloc(size + 1);
    if (body && !msgpack_zone_push_finalizer(zone, free, body)) {
        free(body);
        body = NULL;
    }
    return body;
}

static enum assembly_progress progress(const struct assembly *assembly)
{
    return assembly->received < assembly->size ? ASSEMBLY_MORE : ASSEMBLY_WHOLE;
}

static enum assembly_progress on_header(struct assembly *assembly, const amqp_frame_t *frame)
{
    struct broker_delivery *delivery = assembly->delivery;
    if (assembly->header_seen || frame->payload.properties.class_id != AMQP_BASIC_CLASS)
        return ASSEMBLY_BROKEN;
    assembly->header_seen = true;
    assembly->size = frame->payload.properties.body_size;
    if (!copy_properties(delivery, frame->payload.properties.decoded))
        return ASSEMBLY_NO_MEMORY;
    if (assembly->size <= assembly->body_max) {
        assembly->body = body_memory(delivery->zone, (size_t)assembly->size);
        if (!assembly->body)
            return ASSEMBLY_NO_MEMORY;
        assembly->body[assembly->size] = '\0';
        delivery->body = (struct bytes){assembly->body, (size_t)assembly->size};
    } else {
        box_of(delivery)->oversize = assembly->size;
    }
    return progress(assembly);
}

static enum assembly_progress on_body(struct assembly *assembly, amqp_bytes_t piece)
{
    if (!assembly->header_seen || piece.len > assembly->size - assembly->received)
        return ASSEMBLY_BROKEN;
    if (assembly->body && piece.len > 0)
        memcpy(assembly->body + assembly->received, piece.bytes, piece.len);
    assembly->received += piece.len;
    return progress(assembly);
}

enum assembly_progress assembly_frame(struct assembly *assembly, const amqp_frame_t *frame)
{
    if (!assembly->delivery)
        return ASSEMBLY_BROKEN;
    if (frame->frame_type == AMQP_FRAME_HEADER)
        return on_header(assembly, frame);
    if (frame->frame_type == AMQP_FRAME_BODY)
        return on_body(assembly, frame->payload.body_fragment);
    return ASSEMBLY_BROKEN;
}
