/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes msgpack objects as Python's json module would. Owns the layout; numbers and strings have
 * their own files. Recursion is bounded by JSON_DEPTH_MAX. */

#include <math.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_string.h"
#include "codec/number.h"
#include "codec/utf8.h"

static int write_value(const msgpack_object *value, int depth, struct buffer *buffer);

static int append(struct buffer *buffer, const char *words)
{
    return buffer_append(buffer, words, strlen(words));
}

static int write_double(double number, struct buffer *buffer)
{
    if (isnan(number))
        return append(buffer, "NaN");
    if (isinf(number))
        return append(buffer, number > 0 ? "Infinity" : "-Infinity");
    char text[NUMBER_SIZE];
    return buffer_append(buffer, text, number_format_double(number, text));
}

/* null, true, 1, 1.5: what is written the same as a value and, in quotes, as a key. CODEC_ETYPE for
 * all else. */
static int write_scalar(const msgpack_object *value, struct buffer *buffer)
{
    char text[NUMBER_SIZE];
    struct text digits;
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        return append(buffer, "null");
    case MSGPACK_OBJECT_BOOLEAN:
        return append(buffer, value->via.boolean ? "true" : "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return buffer_append(buffer, text, number_format_uint(value->via.u64, text));
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return buffer_append(buffer, text, number_format_int(value->via.i64, text));
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return write_double(value->via.f64, buffer);
    default:
        if (value_as_bigint(value, &digits))
            return buffer_append(buffer, digits.data, digits.size);
        return CODEC_ETYPE;
    }
}

static int write_key(const msgpack_object *key, struct buffer *buffer)
{
    struct text text;
    if (value_as_text(key, &text))
        return json_string_write(text, buffer);
    int rc = append(buffer, "\"");
    if (rc == 0)
        rc = write_scalar(key, buffer);
    return rc != 0 ? rc : append(buffer, "\"");
}

static int write_base64(struct text bytes, struct buffer *buffer)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *data = (const uint8_t *)bytes.data;
    int rc = buffer_reserve(buffer, (bytes.size + 2) / 3 * 4);
    if (rc != 0)
        return rc;
    uint8_t *out = buffer->data + buffer->size;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)data[i] << 16;
        group |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        group |= left > 2 ? data[i + 2] : 0;
        *out++ = (uint8_t)letters[group >> 18];
        *out++ = (uint8_t)letters[group >> 12 & 0x3f];
        *out++ = (uint8_t)(left > 1 ? letters[group >> 6 & 0x3f] : '=');
        *out++ = (uint8_t)(left > 2 ? letters[group & 0x3f] : '=');
    }
    buffer->size = (size_t)(out - buffer->data);
    return 0;
}

/* kombu's envelope for bytes (celery-wire.md 2.6). */
static int write_bytes(const msgpack_object *value, struct buffer *buffer)
{
    struct text bytes = {value->via.bin.ptr, value->via.bin.size};
    if (utf8_is_valid(bytes)) {
        int rc = append(buffer, "{\"__type__\": \"bytes\", \"__value__\": ");
        if (rc == 0)
            rc = json_string_write(bytes, buffer);
        return rc != 0 ? rc : append(buffer, "}");
    }
    int rc = append(buffer, "{\"__type__\": \"base64\", \"__value__\": \"");
    if (rc == 0)
        rc = write_base64(bytes, buffer);
    return rc != 0 ? rc : append(buffer, "\"}");
}

static int write_array(const msgpack_object *value, int depth, struct buffer *buffer)
{
    int rc = append(buffer, "[");
    for (uint32_t i = 0; i < value->via.array.size && rc == 0; i++) {
        if (i > 0)
            rc = append(buffer, ", ");
        if (rc == 0)
            rc = write_value(&value->via.array.ptr[i], depth + 1, buffer);
    }
    return rc != 0 ? rc : append(buffer, "]");
}

static int write_pair(const msgpack_object_kv *pair, int depth, struct buffer *buffer)
{
    int rc = write_key(&pair->key, buffer);
    if (rc == 0)
        rc = append(buffer, ": ");
    return rc != 0 ? rc : write_value(&pair->val, depth, buffer);
}

static int write_map(const msgpack_object *value, int depth, struct buffer *buffer)
{
    int rc = append(buffer, "{");
    for (uint32_t i = 0; i < value->via.map.size && rc == 0; i++) {
        if (i > 0)
            rc = append(buffer, ", ");
        if (rc == 0)
            rc = write_pair(&value->via.map.ptr[i], depth + 1, buffer);
    }
    return rc != 0 ? rc : append(buffer, "}");
}

static int write_value(const msgpack_object *value, int depth, struct buffer *buffer)
{
    bool is_container = value->type == MSGPACK_OBJECT_ARRAY || value->type == MSGPACK_OBJECT_MAP;
    if (is_container && depth == JSON_DEPTH_MAX)
        return CODEC_EDEPTH;
    switch (value->type) {
    case MSGPACK_OBJECT_STR:
        return json_string_write((struct text){value->via.str.ptr, value->via.str.size}, buffer);
    case MSGPACK_OBJECT_BIN:
        return write_bytes(value, buffer);
    case MSGPACK_OBJECT_ARRAY:
        return write_array(value, depth, buffer);
    case MSGPACK_OBJECT_MAP:
        return write_map(value, depth, buffer);
    default:
        return write_scalar(value, buffer);
    }
}

int json_encode(const msgpack_object *value, struct buffer *buffer)
{
    size_t before = buffer->size;
    int rc = write_value(value, 0, buffer);
    if (rc != 0)
        buffer->size = before;
    return rc;
}
