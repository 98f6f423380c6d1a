/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/packed.h"

struct sample {
    const char *packed;
    size_t size;
};

#define SAMPLE(bytes)                                                                              \
    {                                                                                              \
        bytes, sizeof(bytes) - 1                                                                   \
    }

static int decode(struct fixture *fixture, struct sample sample, msgpack_object *ret)
{
    return packed_decode(exact_copy(fixture, sample.packed, sample.size), &fixture->zone, ret,
                         &fixture->reason);
}

static const struct {
    struct sample sample;
    const char *json;
} formats[] = {
    {SAMPLE("\xc0"), "null"},
    {SAMPLE("\xc2"), "false"},
    {SAMPLE("\xc3"), "true"},
    {SAMPLE("\x00"), "0"},
    {SAMPLE("\x7f"), "127"},
    {SAMPLE("\xff"), "-1"},
    {SAMPLE("\xe0"), "-32"},
    {SAMPLE("\xcc\x80"), "128"},
    {SAMPLE("\xcd\x01\x00"), "256"},
    {SAMPLE("\xce\x00\x01\x00\x00"), "65536"},
    {SAMPLE("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615"},
    {SAMPLE("\xd0\x80"), "-128"},
    {SAMPLE("\xd1\x80\x00"), "-32768"},
    {SAMPLE("\xd2\x80\x00\x00\x00"), "-2147483648"},
    {SAMPLE("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808"},
    {SAMPLE("\xca\x3f\xc0\x00\x00"), "1.5"},
    {SAMPLE("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), "1.5"},
    {SAMPLE("\xa0"), "\"\""},
    {SAMPLE("\xa3"
            "abc"),
     "\"abc\""},
    {SAMPLE("\xd9\x02\xc3\xa9"), "\"\\u00e9\""},
    {SAMPLE("\xda\x00\x01x"), "\"x\""},
    {SAMPLE("\xdb\x00\x00\x00\x01x"), "\"x\""},
    {SAMPLE("\xc4\x02"
            "ab"),
     "{\"__type__\": \"bytes\", \"__value__\": \"ab\"}"},
    {SAMPLE("\xc5\x00\x01"
            "a"),
     "{\"__type__\": \"bytes\", \"__value__\": \"a\"}"},
    {SAMPLE("\xc6\x00\x00\x00\x01"
            "a"),
     "{\"__type__\": \"bytes\", \"__value__\": \"a\"}"},
    {SAMPLE("\xd9\x00"), "\"\""},
    {SAMPLE("\xc4\x00"), "{\"__type__\": \"bytes\", \"__value__\": \"\"}"},
    {SAMPLE("\xdc\x00\x00"), "[]"},
    {SAMPLE("\x90"), "[]"},
    {SAMPLE("\x93\x01\x92\x02\x03\x90"), "[1, [2, 3], []]"},
    {SAMPLE("\xdc\x00\x01\xc0"), "[null]"},
    {SAMPLE("\xdd\x00\x00\x00\x01\xc0"), "[null]"},
    {SAMPLE("\x80"), "{}"},
    {SAMPLE("\x82\xa1"
            "a\x01\xa1"
            "b\x81\xa1"
            "c\x02"),
     "{\"a\": 1, \"b\": {\"c\": 2}}"},
    {SAMPLE("\xde\x00\x01\xa1"
            "a\x01"),
     "{\"a\": 1}"},
    {SAMPLE("\xdf\x00\x00\x00\x01\xa1"
            "a\x01"),
     "{\"a\": 1}"},
    {SAMPLE("\x81\x01\x02"), "{\"1\": 2}"},
};

/* One value of every first byte that msgpack has; they were written by hand from its specification.
 */
static void reads_every_format(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        msgpack_object value;
        assert_int_equal(decode(fixture, formats[i].sample, &value), 0);
        buffer_clear(&fixture->buffer, SIZE_MAX);
        assert_int_equal(json_encode(&value, &fixture->buffer), 0);
        assert_buffer_holds(&fixture->buffer, formats[i].json);
    }
}

static void reads_every_extension(void **state)
{
    struct fixture *fixture = *state;
    static const struct sample samples[] = {
        SAMPLE("\xd4\x05z"),
        SAMPLE("\xd5\x05zz"),
        SAMPLE("\xd6\x05zzzz"),
        SAMPLE("\xd7\x05zzzzzzzz"),
        SAMPLE("\xd8\x05zzzzzzzzzzzzzzzz"),
        SAMPLE("\xc7\x00\x05"),
        SAMPLE("\xc7\x01\x05z"),
        SAMPLE("\xc8\x00\x01\x05z"),
        SAMPLE("\xc9\x00\x00\x00\x01\x05z"),
    };
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        msgpack_object value;
        assert_int_equal(decode(fixture, samples[i], &value), 0);
        assert_int_equal(value.type, MSGPACK_OBJECT_EXT);
        assert_int_equal(value.via.ext.type, 5);
        assert_int_equal(packed_encode(&value, &fixture->buffer), 0);
    }
}

static void names_what_is_wrong_and_where(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct sample sample;
        const char *reason;
    } cases[] = {
        {SAMPLE(""), "msgpack: no bytes at all"},
        {SAMPLE("\xc1"), "msgpack: a byte that msgpack does not use at byte 0"},
        {SAMPLE("\x92\x01\xc1"), "msgpack: a byte that msgpack does not use at byte 2"},
        {SAMPLE("\xcd\x01"), "msgpack: the message ends early at byte 1"},
        {SAMPLE("\xa3"
                "ab"),
         "msgpack: the message ends early at byte 1"},
        {SAMPLE("\xd9"), "msgpack: the message ends early at byte 1"},
        {SAMPLE("\xda\x00"), "msgpack: the message ends early at byte 1"},
        {SAMPLE("\xc7\x01\x05"), "msgpack: the message ends early at byte 2"},
        {SAMPLE("\x92\x01"), "msgpack: a container that is larger than the message at byte 1"},
        {SAMPLE("\x92\xa1"
                "a"),
         "msgpack: the message ends early at byte 3"},
        {SAMPLE("\x81\x01"), "msgpack: a container that is larger than the message at byte 1"},
        {SAMPLE("\x81\xa1"
                "a"),
         "msgpack: the message ends early at byte 3"},
        {SAMPLE("\x01\x02"), "msgpack: more bytes behind the value at byte 1"},
        {SAMPLE("\xa1\xff"), "msgpack: text that is no UTF-8 at byte 1"},
        {SAMPLE("\x81\xa1\xff\x01"), "msgpack: text that is no UTF-8 at byte 2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value;
        assert_int_equal(decode(fixture, cases[i].sample, &value), CODEC_EINVALID);
        assert_string_equal(fixture->reason.text, cases[i].reason);
    }
}

/* msgpack-c would ask for 100 GB and more before it looked whether there is anything to put there.
 */
static void announced_sizes_take_no_memory(void **state)
{
    struct fixture *fixture = *state;
    static const struct sample samples[] = {
        SAMPLE("\xdd\xff\xff\xff\xff"),         SAMPLE("\xdf\xff\xff\xff\xff"),
        SAMPLE("\xdf\x80\x00\x00\x00\x01\x02"), SAMPLE("\xc6\xff\xff\xff\xff"),
        SAMPLE("\xdb\xff\xff\xff\xff"),         SAMPLE("\xc9\xff\xff\xff\xff\x05"),
        SAMPLE("\x91\xdd\x10\x00\x00\x00\x01"),
    };
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        msgpack_object value;
        assert_int_equal(decode(fixture, samples[i], &value), CODEC_EINVALID);
    }
}

/* Each list of a chain promises two elements more than there are: the promises must not multiply.
 */
static void nested_promises_take_no_memory(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t head[] = {0xdd, 0, 0, 0, 0x40};
    char bomb[sizeof(head) * 30];
    for (size_t i = 0; i < sizeof(bomb); i += sizeof(head))
        memcpy(bomb + i, head, sizeof(head));
    msgpack_object value;
    assert_int_equal(decode(fixture, (struct sample){bomb, sizeof(bomb)}, &value), CODEC_EINVALID);
}

static void reads_as_deep_as_msgpack_c_does(void **state)
{
    struct fixture *fixture = *state;
    char nested[PACKED_DECODE_DEPTH_MAX + 2];
    msgpack_object value;
    memset(nested, '\x91', sizeof(nested));
    nested[PACKED_DECODE_DEPTH_MAX] = 1;
    assert_int_equal(decode(fixture, (struct sample){nested, PACKED_DECODE_DEPTH_MAX + 1}, &value),
                     0);
    nested[PACKED_DECODE_DEPTH_MAX] = '\x90'; /* an empty list is a level too */
    assert_int_equal(decode(fixture, (struct sample){nested, PACKED_DECODE_DEPTH_MAX + 1}, &value),
                     CODEC_EDEPTH);
    nested[PACKED_DECODE_DEPTH_MAX] = '\x91';
    nested[PACKED_DECODE_DEPTH_MAX + 1] = 1;
    assert_int_equal(decode(fixture, (struct sample){nested, sizeof(nested)}, &value),
                     CODEC_EDEPTH);
    assert_string_equal(fixture->reason.text, "msgpack: more than 32 levels at byte 33");
}

/* Celery's own bytes for args (2, b"ab"), as celery-wire.md 2.7 shows them. */
static void writes_as_python_does(void **state)
{
    struct fixture *fixture = *state;
    static const char expected[] = "\x93\x92\x02\xc4\x02"
                                   "ab\x80\x84\xa9"
                                   "callbacks\xc0\xa8"
                                   "errbacks\xc0\xa5"
                                   "chain\xc0\xa5"
                                   "chord\xc0";
    msgpack_object body = value_of(fixture, "[[2, null], {}, {\"callbacks\": null, \"errbacks\": "
                                            "null, \"chain\": null, \"chord\": null}]");
    body.via.array.ptr[0].via.array.ptr[1] =
        (msgpack_object){.type = MSGPACK_OBJECT_BIN, .via.bin = {.size = 2, .ptr = "ab"}};
    assert_int_equal(packed_encode(&body, &fixture->buffer), 0);
    assert_bytes_equal(buffer_bytes(&fixture->buffer), expected, sizeof(expected) - 1);
}

static void refuses_what_nobody_could_read(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object bigint = value_of(fixture, "[{\"a\": [18446744073709551616]}]");
    assert_int_equal(packed_encode(&bigint, &fixture->buffer), CODEC_ETYPE);
    msgpack_object text = value_string("caf\xe9");
    assert_int_equal(packed_encode(&text, &fixture->buffer), CODEC_EINVALID);
    msgpack_object surrogate = value_of(fixture, "{\"\\ud800\": 1}");
    assert_int_equal(packed_encode(&surrogate, &fixture->buffer), CODEC_EINVALID);
    assert_int_equal(fixture->buffer.size, 0);
}

static void refuses_to_write_nesting_beyond_the_limit(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = value_nil();
    for (int i = 0; i <= PACKED_ENCODE_DEPTH_MAX; i++) {
        assert_int_equal(packed_encode(&value, &fixture->buffer), 0);
        msgpack_object outer;
        assert_true(value_array(&fixture->zone, 1, &outer));
        outer.via.array.ptr[0] = value;
        value = outer;
    }
    assert_int_equal(packed_encode(&value, &fixture->buffer), CODEC_EDEPTH);
}

static void leaves_the_buffer_alone_on_failure(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = value_of(fixture, "[1, 2, 3, \"four\"]");
    struct buffer small;
    buffer_init(&small, 8);
    assert_int_equal(buffer_append(&small, "abc", 3), 0);
    assert_int_equal(packed_encode(&value, &small), CODEC_ETOOBIG);
    assert_bytes_equal(buffer_bytes(&small), "abc", 3);
    buffer_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(reads_every_format),
        FIXTURE_TEST(reads_every_extension),
        FIXTURE_TEST(names_what_is_wrong_and_where),
        FIXTURE_TEST(announced_sizes_take_no_memory),
        FIXTURE_TEST(nested_promises_take_no_memory),
        FIXTURE_TEST(reads_as_deep_as_msgpack_c_does),
        FIXTURE_TEST(writes_as_python_does),
        FIXTURE_TEST(refuses_what_nobody_could_read),
        FIXTURE_TEST(refuses_to_write_nesting_beyond_the_limit),
        FIXTURE_TEST(leaves_the_buffer_alone_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
