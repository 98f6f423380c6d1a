/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a copy remembers of the message that it is a copy of. Publishes nothing. */

#include "worker/consumer/origin.h"

#include "worker/consumer/loss.h"
#include "worker/consumer/republish.h"

enum { PARKS_MAX = 1000000 }; /* more are a stranger's */

/* What the way changes: the exchange and the key; the expiration, which a delay queue would heed;
 * the user, whom only his own connection may name; the id, which every mandatory message has. */
static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    {"exchange", offsetof(struct broker_delivery, exchange)},
    {"routing_key", offsetof(struct broker_delivery, routing_key)},
    {"expiration", offsetof(struct broker_delivery, expiration)},
    {"user_id", offsetof(struct broker_delivery, user_id)},
    {"message_id", offsetof(struct broker_delivery, message_id)},
};

static struct text *text_at(struct broker_delivery *delivery, size_t index)
{
    return (void *)((char *)delivery + texts[index].offset);
}

bool origin_describe(const struct request *request, int64_t parks, msgpack_object *ret)
{
    struct broker_delivery *delivery = request->delivery;
    if (!value_map(delivery->zone, ARRAY_LEN(texts) + 2, ret))
        return false;
    value_map_put(ret, "parks", value_int(parks));
    value_map_put(ret, "redelivered",
                  value_bool(delivery->redelivered || request->was_redelivered));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct text text = *text_at(delivery, i);
        if (text.data != NULL)
            value_map_put(ret, texts[i].key, value_text(text));
    }
    return true;
}

/* As every text of a delivery: null-terminated. False: out of memory. */
static bool copied(msgpack_zone *zone, const msgpack_object *origin, const char *key,
                   struct text *ret)
{
    *ret = (struct text){NULL, 0};
    if (value_as_text(value_get(origin, key), ret))
        ret->data = text_copy(zone, *ret);
    return ret->data != NULL || value_is_nil(value_get(origin, key));
}

bool origin_restore(struct request *request)
{
    struct broker_delivery *delivery = request->delivery;
    const msgpack_object *origin = value_get(&delivery->headers, ORIGIN_HEADER);
    struct text was[ARRAY_LEN(texts)];
    msgpack_object headers;
    if (origin == NULL || origin->type != MSGPACK_OBJECT_MAP)
        return true;
    if (!republish_headers(request, 1, &headers))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (!copied(delivery->zone, origin, texts[i].key, &was[i]))
            return false;
    if (loss_count(&delivery->headers) > 0)
        value_map_put(&headers, LOSS_HEADER, value_int(loss_count(&delivery->headers)));
    int64_t parks = 0;
    if (value_as_int(value_get(origin, "parks"), &parks) && parks > 0 && parks < PARKS_MAX)
        request->parks = parks;
    value_as_bool(value_get(origin, "redelivered"), &request->was_redelivered);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *text_at(delivery, i) = was[i];
    delivery->headers = headers.via.map.size > 0 ? headers : value_nil();
    return true;
}
