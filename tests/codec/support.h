/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_CODEC_SUPPORT_H
#define CELERIAC_TESTS_CODEC_SUPPORT_H

/* What most tests of codec/ need: cmocka, a zone and a buffer that go away with the test, values
 * from JSON literals. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/json.h"
#include "codec/value.h"

struct fixture {
    msgpack_zone zone;
    struct buffer buffer;
    struct codec_reason reason;
};

static inline int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_true(msgpack_zone_init(&fixture->zone, 2048));
    buffer_init(&fixture->buffer, (size_t)1 << 20);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    msgpack_zone_destroy(&fixture->zone);
    buffer_done(&fixture->buffer);
    free(fixture);
    return 0;
}

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

static inline struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static inline struct bytes bytes_of(const char *string)
{
    return (struct bytes){string, strlen(string)};
}

/* A copy that ends where its memory ends, so that the sanitizer sees a read behind it; freed with
 * the fixture. */
static inline struct bytes exact_copy(struct fixture *fixture, const void *data, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    assert_true(msgpack_zone_push_finalizer(&fixture->zone, free, copy));
    return (struct bytes){copy, size};
}

static inline msgpack_object value_of(struct fixture *fixture, const char *json)
{
    msgpack_object value = value_nil();
    assert_int_equal(json_decode(bytes_of(json), &fixture->zone, &value, NULL), 0);
    return value;
}

#define assert_bytes_equal(actual, expected, expected_size)                                        \
    do {                                                                                           \
        struct bytes actual_ = (actual);                                                           \
        assert_int_equal(actual_.size, expected_size);                                             \
        assert_memory_equal(actual_.data, expected, expected_size);                                \
    } while (0)

#define assert_buffer_holds(buffer, string)                                                        \
    do {                                                                                           \
        assert_int_equal(buffer_append(buffer, "", 1), 0);                                         \
        assert_string_equal((const char *)(buffer)->data, string);                                 \
        (buffer)->size--;                                                                          \
    } while (0)

#define assert_text_equal(actual, string)                                                          \
    do {                                                                                           \
        struct text actual_ = (actual);                                                            \
        assert_non_null(actual_.data);                                                             \
        assert_int_equal(actual_.size, strlen(string));                                            \
        assert_memory_equal(actual_.data, string, strlen(string));                                 \
    } while (0)

#endif
