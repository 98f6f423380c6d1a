/* SPDX-License-Identifier: BSD-3-Clause */
/* Every recorded message, cut at every byte and with every bit flipped, through every parser that
 * could meet it. A parser may accept or refuse; the sanitizers say whether it behaved, and what it
 * accepts must hold together. */

#include "tests/codec/vectors.h"

#include "codec/compression.h"
#include "codec/iso8601.h"
#include "codec/packed.h"
#include "codec/result_message.h"
#include "codec/task_body.h"

enum { LIMIT = 1 << 16 };

struct mutated {
    struct fixture *fixture;
    const struct vector *vector;
    size_t refused, tried;
};

typedef int parser(struct mutated *mutated, struct bytes bytes, msgpack_zone *zone);

static void try_one(struct mutated *mutated, parser *parse, const uint8_t *bytes, size_t size)
{
    msgpack_zone zone;
    uint8_t *copy = malloc(size > 0 ? size : 1); /* ends where its memory ends */
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    assert_true(msgpack_zone_init(&zone, 2048));
    int rc = parse(mutated, (struct bytes){copy, size}, &zone);
    if (rc != 0)
        assert_string_not_equal(codec_strerror(rc), "unknown error");
    mutated->refused += rc != 0;
    mutated->tried++;
    msgpack_zone_destroy(&zone);
    free(copy);
}

static void try_truncations(struct mutated *mutated, parser *parse, struct bytes bytes)
{
    size_t refused = mutated->refused;
    for (size_t size = 0; size < bytes.size; size++)
        try_one(mutated, parse, bytes.data, size);
    assert_int_equal(mutated->refused - refused, bytes.size);
}

static void try_bit_flips(struct mutated *mutated, parser *parse, struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        try_one(mutated, parse, copy, bytes.size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(copy);
}

/* Walks over all of a value: a pointer that leads nowhere shows up here. */
static void touch(const msgpack_object *value)
{
    char text[64];
    struct buffer json;
    buffer_init(&json, LIMIT);
    (void)result_repr(value, text, sizeof(text));
    int rc = json_encode(value, &json);
    assert_true(rc == 0 || rc == CODEC_ETYPE || rc == CODEC_EINVALID || rc == CODEC_ETOOBIG);
    buffer_done(&json);
}

static int parse_body(struct mutated *mutated, struct bytes bytes, msgpack_zone *zone)
{
    const struct task_message_source *message = &mutated->vector->source;
    struct task_body body;
    struct task_body_source source = {.content_type = message->content_type,
                                      .content_encoding = message->content_encoding,
                                      .compression = vector_text(message->headers, "compression"),
                                      .body = bytes,
                                      .limit = LIMIT};
    int rc = task_body_read(&source, &mutated->fixture->buffer, zone, &body, NULL);
    if (rc == 0) {
        touch(&body.args);
        touch(&body.kwargs);
    }
    return rc;
}

static int parse_whole(struct mutated *mutated, struct bytes bytes, msgpack_zone *zone)
{
    struct task_message_source source = mutated->vector->source;
    struct task_message message;
    source.body = bytes;
    enum task_message_kind kind = task_message_read(&source, zone, &message, NULL);
    if (kind == TASK_MESSAGE_OK)
        touch(&message.headers);
    return kind == TASK_MESSAGE_OK ? 0 : CODEC_EINVALID;
}

static int parse_headers(struct mutated *mutated, struct bytes bytes, msgpack_zone *zone)
{
    struct task_message_source source = mutated->vector->source;
    struct task_message message;
    msgpack_object headers;
    int rc = packed_decode(bytes, zone, &headers, NULL);
    if (rc != 0)
        return rc;
    source.headers = &headers;
    if (task_message_read(&source, zone, &message, NULL) == TASK_MESSAGE_OK) {
        assert_true(message.task.size > 0 && message.id.size > 0 && message.retries >= 0);
        assert_true(message.soft_limit >= 0 && message.hard_limit >= 0);
    }
    touch(&headers);
    return 0;
}

static int parse_time(struct mutated *mutated, struct bytes bytes, msgpack_zone *zone)
{
    (void)mutated;
    (void)zone;
    int64_t usec;
    return iso8601_parse((struct text){bytes.data, bytes.size}, &usec, NULL);
}

/* The same headers and the same streams come with other serializers and protocols; one of each is
 * enough. */
static bool is_first_of_its_kind(const struct vector *vector)
{
    return strstr(vector->path, "v2_json") != NULL;
}

static void mutate_body(struct fixture *fixture, const struct vector *vector)
{
    struct mutated mutated = {.fixture = fixture, .vector = vector};
    bool is_protocol_1 = value_get(vector->source.headers, "task") == NULL;
    parser *parse = is_protocol_1 ? parse_whole : parse_body;
    struct text compression = vector_text(vector->source.headers, "compression");
    if (compression.size > 0 &&
        (!is_first_of_its_kind(vector) || compression_find(compression) == NULL))
        return;
    try_truncations(&mutated, parse, vector->source.body);
    try_bit_flips(&mutated, parse, vector->source.body);
    assert_true(mutated.tried == vector->source.body.size * 9);
}

static void mutate_headers(struct fixture *fixture, const struct vector *vector)
{
    struct mutated mutated = {.fixture = fixture, .vector = vector};
    buffer_clear(&fixture->buffer, SIZE_MAX);
    if (!is_first_of_its_kind(vector) ||
        packed_encode(vector->source.headers, &fixture->buffer) != 0)
        return; /* one holds a lone surrogate */
    try_truncations(&mutated, parse_headers, buffer_bytes(&fixture->buffer));
    try_bit_flips(&mutated, parse_headers, buffer_bytes(&fixture->buffer));
}

static void bodies_survive_mutation(void **state)
{
    (void)state;
    for_each_vector(mutate_body);
}

static void headers_survive_mutation(void **state)
{
    (void)state;
    for_each_vector(mutate_headers);
}

static void times_survive_mutation(void **state)
{
    static const char *const times[] = {
        "2026-11-22T13:24:16.802253+00:00",
        "2030-01-01T12:00:00",
        "2026-W47-7",
        "2026W477T13Z",
        "20261122T132416,5-0800",
        "2026-326",
    };
    struct mutated mutated = {.fixture = *state};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        for (size_t size = 0; size < strlen(times[i]); size++)
            try_one(&mutated, parse_time, (const uint8_t *)times[i], size);
        try_bit_flips(&mutated, parse_time, bytes_of(times[i]));
    }
    assert_in_range(mutated.refused, mutated.tried / 2, mutated.tried - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_survive_mutation),
        cmocka_unit_test(headers_survive_mutation),
        FIXTURE_TEST(times_survive_mutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
