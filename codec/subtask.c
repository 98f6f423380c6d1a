/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the keys of a signature. Knows nothing of how one is sent. */

#include "codec/subtask.h"

#include <string.h>

static const struct {
    const char *type;
    enum subtask_kind kind;
} kinds[] = {
    {"chain", SUBTASK_CHAIN}, {"group", SUBTASK_GROUP},  {"chord", SUBTASK_CHORD},
    {"xmap", SUBTASK_MAP},    {"xstarmap", SUBTASK_MAP}, {"chunks", SUBTASK_CHUNKS},
};

static const msgpack_object empty_array = {.type = MSGPACK_OBJECT_ARRAY};
static const msgpack_object empty_map = {.type = MSGPACK_OBJECT_MAP};

static enum subtask_kind kind_of(struct text type)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (text_equal(type, kinds[i].type))
            return kinds[i].kind;
    }
    return SUBTASK_PLAIN;
}

/* False: the key holds something of another type; nothing there is fine. */
static bool take(const msgpack_object *value, const char *key, msgpack_object_type type,
                 msgpack_object *ret)
{
    const msgpack_object *found = value_get(value, key);
    if (value_is_nil(found))
        return true;
    if (found->type != type)
        return false;
    *ret = *found;
    return true;
}

int subtask_read(const msgpack_object *value, struct subtask *ret, struct codec_reason *reason)
{
    struct subtask subtask = {.args = empty_array, .kwargs = empty_map, .options = empty_map};
    if (value == NULL || value->type != MSGPACK_OBJECT_MAP)
        return codec_fail(reason, CODEC_ETYPE, "a signature is no dict but %s",
                          value_type_name(value));
    if (!value_as_text(value_get(value, "task"), &subtask.task) || subtask.task.size == 0)
        return codec_fail(reason, CODEC_ETYPE, "a signature has no task");
    if (!take(value, "args", MSGPACK_OBJECT_ARRAY, &subtask.args) ||
        !take(value, "kwargs", MSGPACK_OBJECT_MAP, &subtask.kwargs) ||
        !take(value, "options", MSGPACK_OBJECT_MAP, &subtask.options))
        return codec_fail(reason, CODEC_ETYPE,
                          "the signature of %.*s has args, kwargs or options of another type",
                          text_quoted_size(subtask.task), subtask.task.data);
    (void)value_as_text(value_get(value, "subtask_type"), &subtask.type);
    (void)value_as_bool(value_get(value, "immutable"), &subtask.immutable);
    subtask.kind = kind_of(subtask.type);
    *ret = subtask;
    return 0;
}

bool subtask_value(const struct subtask *subtask, msgpack_zone *zone, msgpack_object *ret)
{
    msgpack_object map;
    if (!value_map(zone, 6, &map))
        return false;
    value_map_put(&map, "task", value_text(subtask->task));
    value_map_put(&map, "args", subtask->args);
    value_map_put(&map, "kwargs", subtask->kwargs);
    value_map_put(&map, "options", subtask->options);
    value_map_put(&map, "subtask_type", value_text(subtask->type));
    value_map_put(&map, "immutable", value_bool(subtask->immutable));
    *ret = map;
    return true;
}

const msgpack_object *subtask_option(const struct subtask *subtask, const char *name)
{
    const msgpack_object *value = value_get(&subtask->options, name);
    return value_is_nil(value) ? NULL : value;
}

static bool key_is(const msgpack_object *key, const char *name)
{
    struct text text;
    return value_as_text(key, &text) && text_equal(text, name);
}

bool subtask_map_without(const msgpack_object *map, msgpack_zone *zone, const char *name,
                         msgpack_object *ret)
{
    msgpack_object copy;
    if (!value_map(zone, map->via.map.size + 1, &copy))
        return false;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (!key_is(&map->via.map.ptr[i].key, name))
            copy.via.map.ptr[copy.via.map.size++] = map->via.map.ptr[i];
    }
    *ret = copy;
    return true;
}

bool subtask_map_with(const msgpack_object *map, msgpack_zone *zone, const char *name,
                      msgpack_object value, msgpack_object *ret)
{
    msgpack_object copy;
    if (!subtask_map_without(map, zone, name, &copy))
        return false;
    value_map_put(&copy, name, value);
    *ret = copy;
    return true;
}

bool subtask_set(struct subtask *subtask, msgpack_zone *zone, const char *name,
                 msgpack_object value)
{
    return subtask_map_with(&subtask->options, zone, name, value, &subtask->options);
}

static bool lists(const msgpack_object *names, const msgpack_object *key)
{
    struct text name, listed;
    if (!value_as_text(key, &name))
        return false;
    for (size_t i = 0; value_as_text(value_at(names, i), &listed); i++) {
        if (listed.size == name.size && memcmp(listed.data, name.data, name.size) == 0)
            return true;
    }
    return false;
}

/* A signature that names its group, or has stamps, keeps them. */
static bool is_kept(const struct subtask *subtask, const msgpack_object *key)
{
    const msgpack_object *stamps = subtask_option(subtask, "stamped_headers");
    if (key_is(key, "group_id"))
        return subtask_option(subtask, "group_id") != NULL;
    return stamps != NULL && (key_is(key, "stamped_headers") || lists(stamps, key));
}

static void put_pair(msgpack_object *map, const msgpack_object_kv *pair)
{
    struct text key, other;
    if (!value_as_text(&pair->key, &key))
        return;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (value_as_text(&map->via.map.ptr[i].key, &other) && other.size == key.size &&
            memcmp(other.data, key.data, key.size) == 0) {
            map->via.map.ptr[i].val = pair->val;
            return;
        }
    }
    map->via.map.ptr[map->via.map.size++] = *pair;
}

bool subtask_merge_options(const struct subtask *subtask, const msgpack_object *over,
                           msgpack_zone *zone, msgpack_object *ret)
{
    uint32_t added = over == NULL ? 0 : over->via.map.size;
    msgpack_object merged;
    if (!value_map(zone, subtask->options.via.map.size + added, &merged))
        return false;
    for (uint32_t i = 0; i < subtask->options.via.map.size; i++)
        put_pair(&merged, &subtask->options.via.map.ptr[i]);
    for (uint32_t i = 0; i < added; i++) {
        const msgpack_object_kv *pair = &over->via.map.ptr[i];
        if (!value_is_nil(&pair->val) && !is_kept(subtask, &pair->key))
            put_pair(&merged, pair);
    }
    *ret = merged;
    return true;
}

bool subtask_as_list(const msgpack_object *value, msgpack_zone *zone, msgpack_object *ret)
{
    if (value_is_nil(value)) {
        *ret = empty_array;
        return true;
    }
    if (value->type == MSGPACK_OBJECT_ARRAY) {
        *ret = *value;
        return true;
    }
    msgpack_object list;
    if (!value_array(zone, 1, &list))
        return false;
    list.via.array.ptr[0] = *value;
    *ret = list;
    return true;
}

bool subtask_join(const msgpack_object *front, const msgpack_object *back, msgpack_zone *zone,
                  msgpack_object *ret)
{
    uint32_t first = front->via.array.size, second = back->via.array.size;
    msgpack_object joined;
    if (second > UINT32_MAX - first || !value_array(zone, first + second, &joined))
        return false;
    if (first > 0)
        memcpy(joined.via.array.ptr, front->via.array.ptr, first * sizeof(*joined.via.array.ptr));
    if (second > 0)
        memcpy(joined.via.array.ptr + first, back->via.array.ptr,
               second * sizeof(*joined.via.array.ptr));
    *ret = joined;
    return true;
}

msgpack_object subtask_members(const struct subtask *subtask)
{
    const msgpack_object *members =
        value_get(&subtask->kwargs, subtask->kind == SUBTASK_CHORD ? "header" : "tasks");
    /* A chord's header is a group or the bare list. */
    if (members != NULL && members->type == MSGPACK_OBJECT_MAP)
        members = value_get(value_get(members, "kwargs"), "tasks");
    if (members == NULL || members->type != MSGPACK_OBJECT_ARRAY)
        return empty_array;
    return *members;
}

static uint64_t size_of_chain(const msgpack_object *members)
{
    for (uint32_t i = members->via.array.size; i > 0; i--) {
        uint64_t size = subtask_chord_size(&members->via.array.ptr[i - 1]);
        if (size > 0)
            return size;
    }
    return 0;
}

uint64_t subtask_chord_size(const msgpack_object *value)
{
    struct subtask subtask = {.kind = SUBTASK_PLAIN};
    if (subtask_read(value, &subtask, NULL) != 0)
        return 1;
    msgpack_object members = subtask_members(&subtask);
    if (subtask.kind == SUBTASK_CHAIN)
        return size_of_chain(&members);
    if (subtask.kind == SUBTASK_CHORD)
        return subtask_chord_size(value_get(&subtask.kwargs, "body"));
    if (subtask.kind != SUBTASK_GROUP)
        return 1;
    uint64_t size = 0;
    for (uint32_t i = 0; i < members.via.array.size; i++)
        size += subtask_chord_size(&members.via.array.ptr[i]);
    return size;
}
