/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_VALUE_H
#define CELERIAC_CODEC_VALUE_H

/* The one universal value is msgpack-c's `msgpack_object` in a `msgpack_zone`; these are the
 * accessors and makers that msgpack-c lacks. A value lives as long as its zone (and, for str and
 * bin, as long as the bytes it points into).
 *
 * Integers beyond 64 bits exist in JSON bodies written by Python. In memory they are an EXT of type
 * VALUE_BIGINT whose bytes are the decimal digits with an optional leading '-'. JSON writes them
 * back as they came; msgpack refuses them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msgpack.h>

#include "codec/base.h"

enum { VALUE_BIGINT = 66 };

/* A piece of text that is not null-terminated; `data` is NULL where there is none. */
struct text {
    const char *data;
    size_t size;
};

/* The value under the string key `key` of a map; NULL if `value` is NULL, no map, or has no such
 * key (the last one wins, as in Python). */
const msgpack_object *value_get(const msgpack_object *value, const char *key);
/* Element `index` of an array, or NULL. */
const msgpack_object *value_at(const msgpack_object *value, size_t index);

/* Each returns false, and leaves *ret alone, if `value` is NULL or of another type. */
bool value_as_text(const msgpack_object *value, struct text *ret);
bool value_as_bytes(const msgpack_object *value, struct text *ret); /* bin or str */
bool value_as_int(const msgpack_object *value, int64_t *ret);
bool value_as_double(const msgpack_object *value, double *ret); /* a float or an integer */
bool value_as_bool(const msgpack_object *value, bool *ret);
/* A VALUE_BIGINT that is what it says: digits with an optional '-'. A stranger's EXT of that type
 * need not be. */
bool value_as_bigint(const msgpack_object *value, struct text *ret);
bool value_is_nil(const msgpack_object *value); /* NULL counts as nil */

/* Words for the Python type of a value, for error messages: "int", "str", "dict", "NoneType" ... */
const char *value_type_name(const msgpack_object *value);

bool text_equal(struct text text, const char *string);
/* How many bytes of a stranger's text are worth quoting, as the precision of "%.*s". */
int text_quoted_size(struct text text);
/* A null-terminated copy in the zone; NULL when out of memory. */
char *text_copy(msgpack_zone *zone, struct text text);

/* Makers. Strings are borrowed (they must outlive the value), containers are allocated in the zone;
 * `false` when out of memory. */
msgpack_object value_nil(void);
msgpack_object value_bool(bool flag);
msgpack_object value_int(int64_t number);
msgpack_object value_uint(uint64_t number);
msgpack_object value_double(double number);
msgpack_object value_string(const char *string);
msgpack_object value_text(struct text text); /* nil if text.data is NULL */
MUST_CHECK bool value_array(msgpack_zone *zone, uint32_t size, msgpack_object *ret);
/* A map with room for `room` pairs, none in use yet. */
MUST_CHECK bool value_map(msgpack_zone *zone, uint32_t room, msgpack_object *ret);
/* Appends a pair to a map made by value_map; asserts that there is room. The key is borrowed. */
void value_map_put(msgpack_object *map, const char *key, msgpack_object value);

#endif
