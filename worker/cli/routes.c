/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of task_routes. Routes nothing. */

#include "worker/cli/routes.h"

#include <stdio.h>
#include <string.h>

#include "codec/serializer.h"

enum { LIST_SEPARATOR = ',' };

static bool put(struct routes *routes, struct text pattern, struct text queue)
{
    struct routing_rule *rule = &routes->items[routes->count];
    *rule = (struct routing_rule){text_copy(routes->zone, pattern), text_copy(routes->zone, queue)};
    routes->count += rule->pattern != NULL && rule->queue != NULL;
    return rule->pattern != NULL && rule->queue != NULL && pattern.size > 0 && queue.size > 0;
}

static bool make_room(struct routes *routes, size_t room)
{
    routes->items = msgpack_zone_malloc(routes->zone, room * sizeof(*routes->items));
    return routes->items != NULL;
}

/* ---- JSON ---- */

static bool read_pair(struct routes *routes, const msgpack_object_kv *pair)
{
    struct text pattern, queue;
    if (!value_as_text(&pair->key, &pattern))
        return false;
    if (!value_as_text(&pair->val, &queue) &&
        !value_as_text(value_get(&pair->val, "queue"), &queue))
        return false;
    return put(routes, pattern, queue);
}

static bool read_json(struct routes *routes, struct text text)
{
    msgpack_object map;
    struct codec_reason reason;
    struct bytes bytes = {text.data, text.size};
    if (serializer_by_name("json")->decode(bytes, routes->zone, &map, &reason) != 0 ||
        map.type != MSGPACK_OBJECT_MAP || !make_room(routes, map.via.map.size + 1))
        return false;
    for (uint32_t i = 0; i < map.via.map.size; i++) {
        if (!read_pair(routes, &map.via.map.ptr[i]))
            return false;
    }
    return true;
}

/* ---- a list ---- */

static struct text trimmed(const char *start, const char *end)
{
    while (start < end && strchr(" \t\n", *start) != NULL)
        start++;
    while (end > start && strchr(" \t\n", end[-1]) != NULL)
        end--;
    return (struct text){start, (size_t)(end - start)};
}

static size_t count_of(struct text text, char separator)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == separator;
    return count;
}

static bool read_list(struct routes *routes, struct text text)
{
    const char *end = text.data + text.size, *item = text.data;
    if (!make_room(routes, count_of(text, LIST_SEPARATOR)))
        return false;
    while (item < end) {
        const char *stop = memchr(item, LIST_SEPARATOR, (size_t)(end - item));
        stop = stop != NULL ? stop : end;
        const char *equals = memchr(item, '=', (size_t)(stop - item));
        if (equals == NULL || !put(routes, trimmed(item, equals), trimmed(equals + 1, stop)))
            return false;
        item = stop + 1;
    }
    return true;
}

/* ---- both ---- */

int routes_read(struct routes *routes, const char *text, char error[ROUTES_ERROR_SIZE])
{
    struct routes made = {.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE)};
    if (made.zone == NULL) {
        snprintf(error, ROUTES_ERROR_SIZE, "out of memory");
        return -1;
    }
    struct text all = {"", 0};
    if (text != NULL)
        all = trimmed(text, text + strlen(text));
    bool read =
        all.size == 0 || (all.data[0] == '{' ? read_json(&made, all) : read_list(&made, all));
    if (!read) {
        routes_done(&made);
        snprintf(error, ROUTES_ERROR_SIZE,
                 "task_routes is neither a list like feed.*=feeds, images.resize=images nor a JSON "
                 "object like {\"feed.*\": {\"queue\": \"feeds\"}}");
        return -1;
    }
    routes_done(routes);
    *routes = made;
    return 0;
}

void routes_done(struct routes *routes)
{
    if (routes->zone != NULL)
        msgpack_zone_free(routes->zone);
    *routes = (struct routes){0};
}
