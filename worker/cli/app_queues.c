/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of HELLO's queues (PROTOCOL.md, "A queue of HELLO"). Declares nothing. */

#include <stdio.h>
#include <string.h>

#include "codec/packed.h"
#include "worker/cli/queues.h"

enum { QUEUES_MAX = 4096, DESCRIPTION_MAX = 16 * 1024 * 1024 };

struct reader {
    msgpack_zone *zone;
    bool broken; /* a text or a flag is of another type, or out of memory */
};

/* A copy that lives in the zone, and whose strings do. */
static bool copy_value(const msgpack_object *value, msgpack_zone *zone, msgpack_object *ret)
{
    struct buffer buffer;
    buffer_init(&buffer, DESCRIPTION_MAX);
    bool done = false;
    if (packed_encode(value, &buffer) == 0) {
        struct codec_reason reason;
        void *bytes = msgpack_zone_malloc(zone, buffer.size);
        if (bytes != NULL) {
            memcpy(bytes, buffer.data, buffer.size);
            done = packed_decode((struct bytes){bytes, buffer.size}, zone, ret, &reason) == 0;
        }
    }
    buffer_done(&buffer);
    return done;
}

static const char *text_of(struct reader *reader, const msgpack_object *value,
                           const char *otherwise)
{
    struct text text;
    if (value_is_nil(value))
        return otherwise;
    if (!value_as_text(value, &text)) {
        reader->broken = true;
        return otherwise;
    }
    const char *copy = text_copy(reader->zone, text);
    reader->broken |= copy == NULL;
    return copy;
}

static bool flag_of(struct reader *reader, const msgpack_object *queue, const char *key,
                    bool otherwise)
{
    const msgpack_object *value = value_get(queue, key);
    bool flag = otherwise;
    if (!value_is_nil(value) && !value_as_bool(value, &flag))
        reader->broken = true;
    return flag;
}

static msgpack_object map_of(struct reader *reader, const msgpack_object *value)
{
    if (value_is_nil(value))
        return value_nil();
    reader->broken |= value->type != MSGPACK_OBJECT_MAP;
    return *value;
}

static void read_bindings(struct reader *reader, const msgpack_object *bindings,
                          struct broker_queue *ret)
{
    if (value_is_nil(bindings))
        return;
    if (bindings->type != MSGPACK_OBJECT_ARRAY) {
        reader->broken = true;
        return;
    }
    size_t count = bindings->via.array.size;
    struct broker_binding *items =
        count > 0 ? msgpack_zone_malloc(reader->zone, count * sizeof(*items)) : NULL;
    reader->broken |= count > 0 && items == NULL;
    for (size_t i = 0; i < count && items != NULL; i++) {
        const msgpack_object *binding = value_at(bindings, i);
        items[i] = (struct broker_binding){
            .exchange = text_of(reader, value_get(binding, "exchange"), ""),
            .exchange_type = text_of(reader, value_get(binding, "exchange_type"), "direct"),
            .routing_key = text_of(reader, value_get(binding, "routing_key"), ""),
            .arguments = map_of(reader, value_get(binding, "arguments")),
            .exchange_arguments = map_of(reader, value_get(binding, "exchange_arguments")),
            .exchange_transient = !flag_of(reader, binding, "exchange_durable", true),
            .exchange_auto_delete = flag_of(reader, binding, "exchange_auto_delete", false),
            .exchange_no_declare = flag_of(reader, binding, "exchange_no_declare", false),
        };
    }
    ret->bindings = items;
    ret->binding_count = items != NULL ? count : 0;
}

static bool read_queue(struct reader *reader, const msgpack_object *queue, struct broker_queue *ret)
{
    *ret = (struct broker_queue){
        .name = text_of(reader, value_get(queue, "name"), NULL),
        .alias = text_of(reader, value_get(queue, "alias"), NULL),
        .exchange = text_of(reader, value_get(queue, "exchange"), ""),
        .exchange_type = text_of(reader, value_get(queue, "exchange_type"), "direct"),
        .routing_key = text_of(reader, value_get(queue, "routing_key"), ""),
        .durable = flag_of(reader, queue, "durable", true),
        .auto_delete = flag_of(reader, queue, "auto_delete", false),
        .exclusive = flag_of(reader, queue, "exclusive", false),
        .arguments = map_of(reader, value_get(queue, "arguments")),
        .exchange_arguments = map_of(reader, value_get(queue, "exchange_arguments")),
        .binding_arguments = map_of(reader, value_get(queue, "binding_arguments")),
        .consumer_arguments = map_of(reader, value_get(queue, "consumer_arguments")),
        .exchange_transient = !flag_of(reader, queue, "exchange_durable", true),
        .exchange_auto_delete = flag_of(reader, queue, "exchange_auto_delete", false),
        .exchange_no_declare = flag_of(reader, queue, "exchange_no_declare", false),
        .no_declare = flag_of(reader, queue, "no_declare", false),
    };
    read_bindings(reader, value_get(queue, "bindings"), ret);
    return !reader->broken && ret->name != NULL;
}

int queues_append(struct queues *queues, const msgpack_object *described,
                  char error[QUEUES_ERROR_SIZE])
{
    struct reader reader = {.zone = queues->zone};
    msgpack_object copy;
    if (!copy_value(described, queues->zone, &copy)) {
        snprintf(error, QUEUES_ERROR_SIZE, "the description of the queues cannot be read");
        return -1;
    }
    for (uint32_t i = 0; i < copy.via.array.size; i++) {
        struct broker_queue *queue = &queues->items[queues->known++];
        if (!read_queue(&reader, value_at(&copy, i), queue)) {
            snprintf(error, QUEUES_ERROR_SIZE,
                     "the queue %.100s (number %u) has a part that is not as it must be",
                     queue->name != NULL ? queue->name : "without a name", (unsigned)i + 1);
            return -1;
        }
    }
    return 0;
}

static size_t count_of(const msgpack_object *described)
{
    return described != NULL && described->type == MSGPACK_OBJECT_ARRAY ? described->via.array.size
                                                                        : 0;
}

int queues_read(const msgpack_object *described, const msgpack_object *others, struct queues *ret,
                char error[QUEUES_ERROR_SIZE])
{
    size_t count = count_of(described), other_count = count_of(others);
    struct queues queues;
    if (count == 0 || count > QUEUES_MAX || other_count > QUEUES_MAX) {
        snprintf(error, QUEUES_ERROR_SIZE, "no queue is left to consume: see -Q and -X");
        return -1;
    }
    if (!queues_make(count + other_count, &queues, error))
        return -1;
    int rc = queues_append(&queues, described, error);
    queues.count = queues.known;
    if (rc == 0 && other_count > 0)
        rc = queues_append(&queues, others, error);
    if (rc == 0)
        *ret = queues;
    else
        queues_done(&queues);
    return rc;
}
