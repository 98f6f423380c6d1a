/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_CODEC_VECTORS_H
#define CELERIAC_TESTS_CODEC_VECTORS_H

/* The recorded messages of tests/vectors/messages, one after the other. */

#include <glob.h>
#include <stdio.h>

#include "codec/task_message.h"
#include "tests/codec/support.h"

enum { VECTOR_SIZE_MAX = 65536 };

struct vector {
    const char *path;
    const msgpack_object *expected; /* what Celery was asked to send */
    struct task_message_source source;
};

static inline struct text vector_text(const msgpack_object *map, const char *key)
{
    struct text text = {NULL, 0};
    (void)value_as_text(value_get(map, key), &text);
    return text;
}

static inline struct bytes vector_unhex(struct fixture *fixture, struct text hex)
{
    uint8_t bytes[VECTOR_SIZE_MAX];
    assert_true(hex.size / 2 <= sizeof(bytes));
    for (size_t i = 0; i < hex.size / 2; i++) {
        char digits[] = {hex.data[2 * i], hex.data[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return exact_copy(fixture, bytes, hex.size / 2);
}

static inline void vector_read(struct fixture *fixture, const char *path, struct vector *ret)
{
    char text[VECTOR_SIZE_MAX];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    assert_in_range(size, 1, sizeof(text) - 1);
    msgpack_object *document = msgpack_zone_malloc(&fixture->zone, sizeof(*document));
    assert_non_null(document);
    assert_int_equal(json_decode(exact_copy(fixture, text, size), &fixture->zone, document, NULL),
                     0);
    const msgpack_object *properties = value_get(document, "properties");
    ret->path = path;
    ret->expected = value_get(document, "expected");
    ret->source = (struct task_message_source){
        .headers = value_get(document, "headers"),
        .content_type = vector_text(properties, "content_type"),
        .content_encoding = vector_text(properties, "content_encoding"),
        .body = vector_unhex(fixture, vector_text(document, "body"))};
}

/* Calls `check` with each vector and a fresh fixture; returns how many there are. */
static inline size_t for_each_vector(void (*check)(struct fixture *fixture,
                                                   const struct vector *vector))
{
    glob_t files;
    assert_int_equal(glob(VECTORS "/messages/*.json", 0, NULL, &files), 0);
    size_t count = files.gl_pathc;
    for (size_t i = 0; i < count; i++) {
        void *state;
        struct vector vector;
        fixture_set_up(&state);
        vector_read(state, files.gl_pathv[i], &vector);
        check(state, &vector);
        fixture_tear_down(&state);
    }
    globfree(&files);
    return count;
}

#endif
