/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads Python's dialect of JSON straight into msgpack objects, without a tree of its own. Owns the
 * grammar; numbers and the insides of strings have their own files. Recursion is bounded by
 * JSON_DEPTH_MAX. */

#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_string.h"
#include "codec/number.h"

enum { PENDING_ROOM = 64 };

/* The size of an array is known at its end only. Until then its values wait on one stack, and are
 * then moved to the zone. */
struct reader {
    const char *start, *at, *end;
    msgpack_zone *zone;
    struct codec_reason *reason;
    int depth;
    msgpack_object *pending;
    size_t size, room;
    msgpack_object first[PENDING_ROOM]; /* what `pending` points to until it must grow */
};

static int read_value(struct reader *reader, msgpack_object *ret);

static int broken(const struct reader *reader, const char *problem)
{
    return codec_fail(reader->reason, CODEC_EINVALID, "JSON: %s at byte %zu", problem,
                      (size_t)(reader->at - reader->start));
}

static int no_memory(const struct reader *reader)
{
    return codec_fail(reader->reason, CODEC_ENOMEM, "JSON: out of memory");
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end) {
        char c = *reader->at;
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        reader->at++;
    }
}

/* True, and past it, if the next byte that is no space is `c`. */
static bool take(struct reader *reader, char c)
{
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static int push(struct reader *reader, const msgpack_object *value)
{
    if (reader->size == reader->room) {
        bool was_first = reader->pending == reader->first;
        size_t room = reader->room * 2;
        msgpack_object *grown =
            realloc(was_first ? NULL : reader->pending, room * sizeof(*reader->pending));
        if (grown == NULL)
            return no_memory(reader);
        if (was_first)
            memcpy(grown, reader->first, sizeof(reader->first));
        reader->pending = grown;
        reader->room = room;
    }
    reader->pending[reader->size++] = *value;
    return 0;
}

static int read_and_push(struct reader *reader)
{
    msgpack_object value;
    int rc = read_value(reader, &value);
    return rc != 0 ? rc : push(reader, &value);
}

/* Moves what was pushed since `base` to the zone. */
static int pop(struct reader *reader, size_t base, void **ret)
{
    size_t size = (reader->size - base) * sizeof(*reader->pending);
    void *values = NULL;
    if (size > 0) {
        values = msgpack_zone_malloc(reader->zone, size);
        if (values == NULL)
            return no_memory(reader);
        memcpy(values, reader->pending + base, size);
    }
    reader->size = base;
    *ret = values;
    return 0;
}

static int enter(struct reader *reader)
{
    if (reader->depth == JSON_DEPTH_MAX)
        return codec_fail(reader->reason, CODEC_EDEPTH, "JSON: more than %d levels at byte %zu",
                          JSON_DEPTH_MAX, (size_t)(reader->at - reader->start));
    reader->depth++;
    reader->at++;
    return 0;
}

static int read_string(struct reader *reader, msgpack_object *ret)
{
    const char *inside = reader->at + 1;
    const char *quote;
    bool escaped;
    const char *problem = json_string_scan(inside, reader->end, &quote, &escaped);
    if (problem != NULL) {
        reader->at = quote;
        return broken(reader, problem);
    }
    struct text text = {inside, (size_t)(quote - inside)};
    if (escaped) {
        char *plain = msgpack_zone_malloc_no_align(reader->zone, text.size);
        if (plain == NULL)
            return no_memory(reader);
        size_t size = json_string_unescape(text, plain);
        if (size == SIZE_MAX)
            return broken(reader, "an unknown escape in the string that begins");
        text = (struct text){plain, size};
    }
    reader->at = quote + 1;
    *ret = value_text(text);
    return 0;
}

static int read_array(struct reader *reader, msgpack_object *ret)
{
    size_t base = reader->size;
    int rc = enter(reader);
    if (rc != 0)
        return rc;
    if (!take(reader, ']')) {
        do {
            rc = read_and_push(reader);
            if (rc != 0)
                return rc;
        } while (take(reader, ','));
        if (!take(reader, ']'))
            return broken(reader, "no ',' or ']'");
    }
    reader->depth--;
    uint32_t size = (uint32_t)(reader->size - base);
    void *elements;
    rc = pop(reader, base, &elements);
    if (rc == 0)
        *ret = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
                                .via.array = {.size = size, .ptr = elements}};
    return rc;
}

static int read_pair(struct reader *reader)
{
    msgpack_object key;
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != '"')
        return broken(reader, "no string as a key");
    int rc = read_string(reader, &key);
    if (rc == 0)
        rc = push(reader, &key);
    if (rc != 0)
        return rc;
    if (!take(reader, ':'))
        return broken(reader, "no ':'");
    return read_and_push(reader);
}

static int read_object(struct reader *reader, msgpack_object *ret)
{
    size_t base = reader->size;
    int rc = enter(reader);
    if (rc != 0)
        return rc;
    if (!take(reader, '}')) {
        do {
            rc = read_pair(reader);
            if (rc != 0)
                return rc;
        } while (take(reader, ','));
        if (!take(reader, '}'))
            return broken(reader, "no ',' or '}'");
    }
    reader->depth--;
    uint32_t size = (uint32_t)((reader->size - base) / 2);
    void *pairs; /* a pair is a key and a value side by side, as they were pushed */
    rc = pop(reader, base, &pairs);
    if (rc == 0)
        *ret =
            (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = size, .ptr = pairs}};
    return rc;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Finds the end of a number. NULL if there is none at `at`; *ret_float tells whether it has a
 * fraction or an exponent. */
static const char *scan_number(const char *at, const char *end, bool *ret_float)
{
    if (at < end && *at == '-')
        at++;
    const char *digits = at;
    at = at < end && *at == '0' ? at + 1 : skip_digits(at, end);
    if (at == digits)
        return NULL;
    *ret_float = false;
    if (end - at >= 2 && *at == '.' && skip_digits(at + 1, end) > at + 1) {
        *ret_float = true;
        at = skip_digits(at + 1, end);
    }
    if (at < end && (*at | 0x20) == 'e') {
        const char *exponent = at + 1;
        if (exponent < end && (*exponent == '+' || *exponent == '-'))
            exponent++;
        if (skip_digits(exponent, end) > exponent) {
            *ret_float = true;
            at = skip_digits(exponent, end);
        }
    }
    return at;
}

static msgpack_object integer(struct text text)
{
    msgpack_object big = {
        .type = MSGPACK_OBJECT_EXT,
        .via.ext = {.type = VALUE_BIGINT, .size = (uint32_t)text.size, .ptr = text.data}};
    size_t first = text.data[0] == '-' ? 1 : 0;
    uint64_t limit = first == 1 ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
    uint64_t number = 0;
    for (size_t i = first; i < text.size; i++) {
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (number > (limit - digit) / 10)
            return big;
        number = number * 10 + digit;
    }
    if (first == 0 || number == 0)
        return value_uint(number);
    return value_int(-(int64_t)(number - 1) - 1);
}

static int read_number(struct reader *reader, msgpack_object *ret)
{
    bool is_float;
    const char *end = scan_number(reader->at, reader->end, &is_float);
    if (end == NULL)
        return broken(reader, reader->at == reader->end ? "the text ends" : "no value");
    struct text text = {reader->at, (size_t)(end - reader->at)};
    if (!is_float) {
        *ret = integer(text);
    } else {
        double number;
        if (!number_parse_double(text, &number))
            return no_memory(reader);
        *ret = value_double(number);
    }
    reader->at = end;
    return 0;
}

static int read_word_or_number(struct reader *reader, msgpack_object *ret)
{
    static const struct {
        const char *word;
        size_t size;
        msgpack_object value;
    } words[] = {
        {"null", 4, {.type = MSGPACK_OBJECT_NIL}},
        {"true", 4, {.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true}},
        {"false", 5, {.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = false}},
        {"NaN", 3, {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = __builtin_nan("")}},
        {"Infinity", 8, {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = __builtin_inf()}},
        {"-Infinity", 9, {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = -__builtin_inf()}},
    };
    size_t left = (size_t)(reader->end - reader->at);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (left >= words[i].size && memcmp(reader->at, words[i].word, words[i].size) == 0) {
            reader->at += words[i].size;
            *ret = words[i].value;
            return 0;
        }
    }
    return read_number(reader, ret);
}

static int read_value(struct reader *reader, msgpack_object *ret)
{
    skip_space(reader);
    switch (reader->at < reader->end ? *reader->at : '\0') {
    case '"':
        return read_string(reader, ret);
    case '[':
        return read_array(reader, ret);
    case '{':
        return read_object(reader, ret);
    default:
        return read_word_or_number(reader, ret);
    }
}

int json_decode(struct bytes text, msgpack_zone *zone, msgpack_object *ret,
                struct codec_reason *reason)
{
    if (text.size > UINT32_MAX)
        return codec_fail(reason, CODEC_ETOOBIG, "JSON: more than 4 GiB");
    const char *start = text.size > 0 ? text.data : "";
    struct reader reader = {.start = start, .at = start, .end = start + text.size};
    reader.zone = zone;
    reader.reason = reason;
    reader.pending = reader.first;
    reader.room = PENDING_ROOM;
    msgpack_object value;
    int rc = read_value(&reader, &value);
    if (rc == 0) {
        skip_space(&reader);
        if (reader.at < reader.end)
            rc = broken(&reader, "more text behind the value");
    }
    if (reader.pending != reader.first)
        free(reader.pending);
    if (rc == 0)
        *ret = value;
    return rc;
}
