/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns celeriac_value_*: reading values. */

#include <stdlib.h>

#include "worker/runtime/native/value_cast.h"

static bool is_bigint(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_EXT && object->via.ext.type == VALUE_BIGINT;
}

enum celeriac_type celeriac_value_type(const struct celeriac_value *value)
{
    static const enum celeriac_type types[] = {
        [MSGPACK_OBJECT_NIL] = CELERIAC_NONE,
        [MSGPACK_OBJECT_BOOLEAN] = CELERIAC_BOOL,
        [MSGPACK_OBJECT_POSITIVE_INTEGER] = CELERIAC_INT,
        [MSGPACK_OBJECT_NEGATIVE_INTEGER] = CELERIAC_INT,
        [MSGPACK_OBJECT_FLOAT32] = CELERIAC_FLOAT,
        [MSGPACK_OBJECT_FLOAT64] = CELERIAC_FLOAT,
        [MSGPACK_OBJECT_STR] = CELERIAC_STR,
        [MSGPACK_OBJECT_ARRAY] = CELERIAC_LIST,
        [MSGPACK_OBJECT_MAP] = CELERIAC_DICT,
        [MSGPACK_OBJECT_BIN] = CELERIAC_BYTES,
        [MSGPACK_OBJECT_EXT] = CELERIAC_OTHER,
    };
    const msgpack_object *object = value_cast_in(value);
    if (object == NULL)
        return CELERIAC_NONE;
    return is_bigint(object) ? CELERIAC_INT : types[object->type];
}

const char *celeriac_value_type_name(const struct celeriac_value *value)
{
    return value_type_name(value_cast_in(value));
}

bool celeriac_value_bool(const struct celeriac_value *value, bool *ret)
{
    return value_as_bool(value_cast_in(value), ret);
}

bool celeriac_value_int(const struct celeriac_value *value, int64_t *ret)
{
    bool flag;
    if (value_as_bool(value_cast_in(value), &flag)) {
        *ret = flag;
        return true;
    }
    return value_as_int(value_cast_in(value), ret);
}

bool celeriac_value_uint(const struct celeriac_value *value, uint64_t *ret)
{
    const msgpack_object *object = value_cast_in(value);
    int64_t number;
    if (object != NULL && object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        *ret = object->via.u64;
        return true;
    }
    if (!celeriac_value_int(value, &number) || number < 0)
        return false;
    *ret = (uint64_t)number;
    return true;
}

bool celeriac_value_double(const struct celeriac_value *value, double *ret)
{
    bool flag;
    if (value_as_bool(value_cast_in(value), &flag)) {
        *ret = flag;
        return true;
    }
    return value_as_double(value_cast_in(value), ret);
}

bool celeriac_value_bytes(const struct celeriac_value *value, const void **ret_data,
                          size_t *ret_size)
{
    struct text text;
    if (!value_as_bytes(value_cast_in(value), &text))
        return false;
    *ret_data = text.data;
    *ret_size = text.size;
    return true;
}

size_t celeriac_value_length(const struct celeriac_value *value)
{
    const msgpack_object *object = value_cast_in(value);
    if (object != NULL && object->type == MSGPACK_OBJECT_ARRAY)
        return object->via.array.size;
    if (object != NULL && object->type == MSGPACK_OBJECT_MAP)
        return object->via.map.size;
    return 0;
}

const struct celeriac_value *celeriac_value_at(const struct celeriac_value *value, size_t index)
{
    const msgpack_object *object = value_cast_in(value);
    if (index >= celeriac_value_length(value))
        return NULL;
    return value_cast_out(object->type == MSGPACK_OBJECT_ARRAY ? &object->via.array.ptr[index]
                                                               : &object->via.map.ptr[index].val);
}

const struct celeriac_value *celeriac_value_key_at(const struct celeriac_value *value, size_t index)
{
    const msgpack_object *object = value_cast_in(value);
    if (object == NULL || object->type != MSGPACK_OBJECT_MAP || index >= object->via.map.size)
        return NULL;
    return value_cast_out(&object->via.map.ptr[index].key);
}

const struct celeriac_value *celeriac_value_get(const struct celeriac_value *value, const char *key)
{
    return value_cast_out(value_get(value_cast_in(value), key));
}
