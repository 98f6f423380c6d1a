/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the text of values in logs and events. Whatever a value holds, the text is one line of valid
 * UTF-8 that fits. */

#include <stdio.h>
#include <string.h>

#include "codec/number.h"
#include "codec/result_message.h"
#include "codec/utf8.h"

enum { LEVELS = 3 };

static const char ellipsis[] = "...";

struct writer {
    char *start, *at, *end; /* one more byte is behind `end`, for the null */
    bool is_full;           /* something did not fit; nothing is written any more */
};

static void write_value(struct writer *writer, const msgpack_object *value, int level);

static void put(struct writer *writer, const char *bytes, size_t size)
{
    size_t room = (size_t)(writer->end - writer->at);
    if (writer->is_full)
        return;
    writer->is_full = size > room;
    size_t fitting = writer->is_full ? room : size;
    memcpy(writer->at, bytes, fitting);
    writer->at += fitting;
}

static void put_string(struct writer *writer, const char *string)
{
    put(writer, string, strlen(string));
}

static void put_escape(struct writer *writer, const char *format, unsigned code)
{
    char escape[12];
    snprintf(escape, sizeof(escape), format, code);
    put_string(writer, escape);
}

/* One character as it is, or as Python would escape it if it would break the line or the encoding.
 * Returns its bytes. */
static size_t write_char(struct writer *writer, const char *at, const char *end)
{
    static const char *const names[] = {
        ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t", ['\''] = "\\'"};
    uint32_t code;
    size_t size = utf8_read(at, end, &code);
    if (size == 0) {
        put_escape(writer, "\\x%02x", (uint8_t)*at);
        return 1;
    }
    if (code < ARRAY_LEN(names) && names[code] != NULL)
        put_string(writer, names[code]);
    else if (code < ' ' || code == 0x7f)
        put_escape(writer, "\\x%02x", code);
    else if (utf8_is_surrogate(code))
        put_escape(writer, "\\u%04x", code);
    else
        put(writer, at, size);
    return size;
}

static void write_quoted(struct writer *writer, struct text text)
{
    const char *at = text.data;
    put(writer, "'", 1);
    for (const char *end = at + text.size; at < end && !writer->is_full;)
        at += write_char(writer, at, end);
    put(writer, "'", 1);
}

static void write_text(struct writer *writer, const msgpack_object *value)
{
    struct text text;
    if (value_as_text(value, &text))
        write_quoted(writer, text);
}

static void write_hex(struct writer *writer, struct text bytes)
{
    put(writer, "'", 1);
    for (size_t i = 0; i < bytes.size && !writer->is_full; i++)
        put_escape(writer, "%02x", (uint8_t)bytes.data[i]);
    put(writer, "'", 1);
}

static void write_bytes(struct writer *writer, const msgpack_object *value)
{
    struct text bytes;
    if (!value_as_bytes(value, &bytes))
        return;
    put(writer, "b", 1);
    if (utf8_is_valid(bytes))
        write_quoted(writer, bytes);
    else
        write_hex(writer, bytes);
}

static void write_elements(struct writer *writer, const msgpack_object *value, int level)
{
    for (uint32_t i = 0; i < value->via.array.size && !writer->is_full; i++) {
        if (i > 0)
            put_string(writer, ", ");
        write_value(writer, &value->via.array.ptr[i], level + 1);
    }
}

static void write_array(struct writer *writer, const msgpack_object *value, int level)
{
    put(writer, "[", 1);
    write_elements(writer, value, level);
    put(writer, "]", 1);
}

static void write_map(struct writer *writer, const msgpack_object *value, int level)
{
    put(writer, "{", 1);
    for (uint32_t i = 0; i < value->via.map.size && !writer->is_full; i++) {
        if (i > 0)
            put_string(writer, ", ");
        write_value(writer, &value->via.map.ptr[i].key, level + 1);
        put_string(writer, ": ");
        write_value(writer, &value->via.map.ptr[i].val, level + 1);
    }
    put(writer, "}", 1);
}

static void write_container(struct writer *writer, const msgpack_object *value, int level)
{
    bool is_map = value->type == MSGPACK_OBJECT_MAP;
    if (level >= LEVELS)
        put_string(writer, is_map ? "{...}" : "[...]");
    else if (is_map)
        write_map(writer, value, level);
    else
        write_array(writer, value, level);
}

static void write_number(struct writer *writer, const msgpack_object *value)
{
    char text[NUMBER_SIZE];
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        put(writer, text, number_format_uint(value->via.u64, text));
    else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        put(writer, text, number_format_int(value->via.i64, text));
    else
        put(writer, text, number_format_double(value->via.f64, text));
}

static void write_extension(struct writer *writer, const msgpack_object *value)
{
    struct text digits;
    if (value_as_bigint(value, &digits)) {
        put(writer, digits.data, digits.size);
        return;
    }
    char head[32];
    snprintf(head, sizeof(head), "ExtType(code=%d, data=b", value->via.ext.type);
    put_string(writer, head);
    write_hex(writer, (struct text){value->via.ext.ptr, value->via.ext.size});
    put(writer, ")", 1);
}

static void write_value(struct writer *writer, const msgpack_object *value, int level)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        put_string(writer, "None");
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        put_string(writer, value->via.boolean ? "True" : "False");
        break;
    case MSGPACK_OBJECT_STR:
        write_text(writer, value);
        break;
    case MSGPACK_OBJECT_BIN:
        write_bytes(writer, value);
        break;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        write_container(writer, value, level);
        break;
    case MSGPACK_OBJECT_EXT:
        write_extension(writer, value);
        break;
    default:
        write_number(writer, value);
        break;
    }
}

/* Ends a text that did not fit, without cutting a character in two. */
static void write_ellipsis(struct writer *writer)
{
    size_t dots = sizeof(ellipsis) - 1;
    if ((size_t)(writer->end - writer->start) < dots)
        dots = (size_t)(writer->end - writer->start);
    char *at = writer->end - dots;
    while (at > writer->start && ((uint8_t)*at & 0xc0) == 0x80)
        at--;
    memcpy(at, ellipsis, dots);
    writer->at = at + dots;
}

static size_t finish(struct writer *writer)
{
    if (writer->is_full)
        write_ellipsis(writer);
    *writer->at = '\0';
    return (size_t)(writer->at - writer->start);
}

size_t result_repr(const msgpack_object *value, char *ret, size_t size)
{
    if (size == 0)
        return 0;
    struct writer writer = {.start = ret, .at = ret, .end = ret + size - 1};
    write_value(&writer, value, 0);
    return finish(&writer);
}

size_t result_repr_tuple(const msgpack_object *array, char *ret, size_t size)
{
    if (size == 0)
        return 0;
    struct writer writer = {.start = ret, .at = ret, .end = ret + size - 1};
    put(&writer, "(", 1);
    write_elements(&writer, array, 0);
    put_string(&writer, array->via.array.size == 1 ? ",)" : ")");
    return finish(&writer);
}
