/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what msgpack_object lacks: lookups, conversions that say no, makers. Knows no format and no
 * message. */

#include "codec/value.h"

#include <assert.h>
#include <string.h>

enum { QUOTED_MAX = 80 };

static bool key_is(const msgpack_object *key, const char *name, size_t size)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == size &&
           memcmp(key->via.str.ptr, name, size) == 0;
}

const msgpack_object *value_get(const msgpack_object *value, const char *key)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_MAP)
        return NULL;
    size_t size = strlen(key);
    for (uint32_t i = value->via.map.size; i > 0; i--) {
        const msgpack_object_kv *pair = &value->via.map.ptr[i - 1];
        if (key_is(&pair->key, key, size))
            return &pair->val;
    }
    return NULL;
}

const msgpack_object *value_at(const msgpack_object *value, size_t index)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_ARRAY || index >= value->via.array.size)
        return NULL;
    return &value->via.array.ptr[index];
}

bool value_as_text(const msgpack_object *value, struct text *ret)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_STR)
        return false;
    /* Empty text is not "no text": its pointer is never NULL. */
    *ret = (struct text){value->via.str.size == 0 ? "" : value->via.str.ptr, value->via.str.size};
    return true;
}

bool value_as_bytes(const msgpack_object *value, struct text *ret)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_BIN)
        return value_as_text(value, ret);
    *ret = (struct text){value->via.bin.size == 0 ? "" : value->via.bin.ptr, value->via.bin.size};
    return true;
}

bool value_as_bigint(const msgpack_object *value, struct text *ret)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_EXT || value->via.ext.type != VALUE_BIGINT)
        return false;
    const char *digits = value->via.ext.ptr;
    uint32_t size = value->via.ext.size;
    uint32_t first = size > 0 && digits[0] == '-' ? 1 : 0;
    if (first == size)
        return false;
    for (uint32_t i = first; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    }
    *ret = (struct text){digits, size};
    return true;
}

bool value_as_int(const msgpack_object *value, int64_t *ret)
{
    if (value == NULL)
        return false;
    if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *ret = value->via.i64;
        return true;
    }
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > INT64_MAX)
        return false;
    *ret = (int64_t)value->via.u64;
    return true;
}

bool value_as_double(const msgpack_object *value, double *ret)
{
    if (value == NULL)
        return false;
    switch (value->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *ret = value->via.f64;
        return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *ret = (double)value->via.u64;
        return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *ret = (double)value->via.i64;
        return true;
    default:
        return false;
    }
}

bool value_as_bool(const msgpack_object *value, bool *ret)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_BOOLEAN)
        return false;
    *ret = value->via.boolean;
    return true;
}

bool value_is_nil(const msgpack_object *value)
{
    return value == NULL || value->type == MSGPACK_OBJECT_NIL;
}

const char *value_type_name(const msgpack_object *value)
{
    static const char *const names[] = {
        [MSGPACK_OBJECT_NIL] = "NoneType",
        [MSGPACK_OBJECT_BOOLEAN] = "bool",
        [MSGPACK_OBJECT_POSITIVE_INTEGER] = "int",
        [MSGPACK_OBJECT_NEGATIVE_INTEGER] = "int",
        [MSGPACK_OBJECT_FLOAT32] = "float",
        [MSGPACK_OBJECT_FLOAT64] = "float",
        [MSGPACK_OBJECT_STR] = "str",
        [MSGPACK_OBJECT_ARRAY] = "list",
        [MSGPACK_OBJECT_MAP] = "dict",
        [MSGPACK_OBJECT_BIN] = "bytes",
        [MSGPACK_OBJECT_EXT] = "ExtType",
    };
    struct text digits;
    if (value == NULL)
        return names[MSGPACK_OBJECT_NIL];
    if (value_as_bigint(value, &digits))
        return names[MSGPACK_OBJECT_POSITIVE_INTEGER];
    size_t type = (size_t)value->type;
    return type < ARRAY_LEN(names) && names[type] != NULL ? names[type] : "object";
}

bool text_equal(struct text text, const char *string)
{
    size_t size = strlen(string);
    return text.data != NULL && text.size == size && memcmp(text.data, string, size) == 0;
}

int text_quoted_size(struct text text)
{
    return text.size < QUOTED_MAX ? (int)text.size : QUOTED_MAX;
}

char *text_copy(msgpack_zone *zone, struct text text)
{
    char *copy = msgpack_zone_malloc_no_align(zone, text.size + 1);
    if (copy == NULL)
        return NULL;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

msgpack_object value_nil(void)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
}

msgpack_object value_bool(bool flag)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = flag};
}

msgpack_object value_int(int64_t number)
{
    if (number >= 0)
        return value_uint((uint64_t)number);
    return (msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = number};
}

msgpack_object value_uint(uint64_t number)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number};
}

msgpack_object value_double(double number)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = number};
}

msgpack_object value_string(const char *string)
{
    return value_text((struct text){string, strlen(string)});
}

msgpack_object value_text(struct text text)
{
    if (text.data == NULL)
        return value_nil();
    assert(text.size <= UINT32_MAX);
    return (msgpack_object){.type = MSGPACK_OBJECT_STR,
                            .via.str = {.size = (uint32_t)text.size, .ptr = text.data}};
}

bool value_array(msgpack_zone *zone, uint32_t size, msgpack_object *ret)
{
    msgpack_object *elements = NULL;
    if (size > 0) {
        elements = msgpack_zone_malloc(zone, size * sizeof(*elements));
        if (elements == NULL)
            return false;
        for (uint32_t i = 0; i < size; i++)
            elements[i] = value_nil();
    }
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
                            .via.array = {.size = size, .ptr = elements}};
    return true;
}

/* A msgpack map has no place for its capacity, so it sits in a hidden pair before the first one. */
bool value_map(msgpack_zone *zone, uint32_t room, msgpack_object *ret)
{
    msgpack_object_kv *pairs = msgpack_zone_malloc(zone, ((size_t)room + 1) * sizeof(*pairs));
    if (pairs == NULL)
        return false;
    pairs[0].key = value_uint(room);
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 0, .ptr = pairs + 1}};
    return true;
}

void value_map_put(msgpack_object *map, const char *key, msgpack_object value)
{
    assert(map->type == MSGPACK_OBJECT_MAP);
    assert(map->via.map.size < map->via.map.ptr[-1].key.via.u64);
    map->via.map.ptr[map->via.map.size++] =
        (msgpack_object_kv){.key = value_string(key), .val = value};
}
