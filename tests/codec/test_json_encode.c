/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

static msgpack_object bin(const char *bytes, uint32_t size)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_BIN, .via.bin = {.size = size, .ptr = bytes}};
}

static void assert_encodes(struct fixture *fixture, const msgpack_object *value,
                           const char *expected)
{
    buffer_clear(&fixture->buffer, SIZE_MAX);
    assert_int_equal(json_encode(value, &fixture->buffer), 0);
    assert_buffer_holds(&fixture->buffer, expected);
}

/* What Python's json.dumps makes of json.loads of the same. */
static void writes_as_python_does(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"null", "null"},
        {"[true,false]", "[true, false]"},
        {"[0,-1,18446744073709551615,-9223372036854775808]",
         "[0, -1, 18446744073709551615, -9223372036854775808]"},
        {"[1180591620717411303424,-1180591620717411303424]",
         "[1180591620717411303424, -1180591620717411303424]"},
        {"[5.0,5,1e300,1e-7,0.1,-0.0,1e16]", "[5.0, 5, 1e+300, 1e-07, 0.1, -0.0, 1e+16]"},
        {"[NaN,Infinity,-Infinity]", "[NaN, Infinity, -Infinity]"},
        {"{\"a\":{\"b\":[]},\"c\":{}}", "{\"a\": {\"b\": []}, \"c\": {}}"},
        {"\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"",
         "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\"\\u00e9\\u20ac\\ud83d\\ude00\""},
        {"\"\\u0080\\uffff\\ud800\\udc00\\udbff\\udfff\"",
         "\"\\u0080\\uffff\\ud800\\udc00\\udbff\\udfff\""},
        {"\"\\ud83d\\u0000\"", "\"\\ud83d\\u0000\""},
        {"\"a text that is longer than eight bytes\"",
         "\"a text that is longer than eight bytes\""},
        {"{\"__type__\":\"uuid\",\"__value__\":{\"hex\":\"05\"}}",
         "{\"__type__\": \"uuid\", \"__value__\": {\"hex\": \"05\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = value_of(fixture, cases[i].text);
        assert_encodes(fixture, &value, cases[i].expected);
    }
}

static void escapes_wherever_the_special_byte_is(void **state)
{
    struct fixture *fixture = *state;
    for (size_t at = 0; at < 20; at++) {
        char text[] = "abcdefghijklmnopqrst";
        char expected[32] = "\"";
        text[at] = '\n';
        memcpy(expected + 1, text, at);
        expected[1 + at] = '\\';
        expected[2 + at] = 'n';
        memcpy(expected + 3 + at, text + at + 1, 19 - at);
        expected[22] = '"';
        msgpack_object value = value_string(text);
        assert_encodes(fixture, &value, expected);
    }
}

static void makes_strings_of_other_keys(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object map;
    assert_true(value_map(&fixture->zone, 6, &map));
    const msgpack_object keys[] = {value_int(1),     value_int(-1),     value_nil(),
                                   value_bool(true), value_bool(false), value_double(1.5)};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        value_map_put(&map, "", value_int(0));
        map.via.map.ptr[i].key = keys[i];
    }
    assert_encodes(fixture, &map,
                   "{\"1\": 0, \"-1\": 0, \"null\": 0, \"true\": 0, \"false\": 0, \"1.5\": 0}");
    map.via.map.ptr[0].key = bin("a", 1);
    assert_int_equal(json_encode(&map, &fixture->buffer), CODEC_ETYPE);
    assert_true(value_array(&fixture->zone, 0, &map.via.map.ptr[0].key));
    assert_int_equal(json_encode(&map, &fixture->buffer), CODEC_ETYPE);
}

static void puts_bytes_into_the_envelope_of_kombu(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *bytes;
        uint32_t size;
        const char *expected;
    } cases[] = {
        {"abc", 3, "{\"__type__\": \"bytes\", \"__value__\": \"abc\"}"},
        {"", 0, "{\"__type__\": \"bytes\", \"__value__\": \"\"}"},
        {"\xc3\xa9", 2, "{\"__type__\": \"bytes\", \"__value__\": \"\\u00e9\"}"},
        {"\xff\xfe", 2, "{\"__type__\": \"base64\", \"__value__\": \"//4=\"}"},
        {"\xff", 1, "{\"__type__\": \"base64\", \"__value__\": \"/w==\"}"},
        {"\x00\x10\x83\xff\xff\xff", 6, "{\"__type__\": \"base64\", \"__value__\": \"ABCD////\"}"},
        {"\xed\xa0\x80", 3, "{\"__type__\": \"base64\", \"__value__\": \"7aCA\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = bin(cases[i].bytes, cases[i].size);
        assert_encodes(fixture, &value, cases[i].expected);
    }
}

static void refuses_text_that_is_no_utf8(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = value_string("caf\xe9");
    assert_int_equal(json_encode(&value, &fixture->buffer), CODEC_EINVALID);
    value = value_string("cut \xe2\x82");
    assert_int_equal(json_encode(&value, &fixture->buffer), CODEC_EINVALID);
    assert_int_equal(fixture->buffer.size, 0);
}

static void refuses_extensions_that_are_no_integers(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = {.type = MSGPACK_OBJECT_EXT,
                            .via.ext = {.type = -1, .size = 4, .ptr = "1234"}};
    assert_int_equal(json_encode(&value, &fixture->buffer), CODEC_ETYPE);
    value.via.ext.type = VALUE_BIGINT;
    assert_encodes(fixture, &value, "1234");
    value.via.ext.ptr = "1, 2";
    assert_int_equal(json_encode(&value, &fixture->buffer), CODEC_ETYPE);
}

static void refuses_nesting_beyond_the_limit(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = value_nil();
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        msgpack_object outer;
        assert_true(value_array(&fixture->zone, 1, &outer));
        outer.via.array.ptr[0] = value;
        value = outer;
    }
    assert_int_equal(json_encode(&value, &fixture->buffer), 0);
    msgpack_object one_more;
    assert_true(value_array(&fixture->zone, 1, &one_more));
    one_more.via.array.ptr[0] = value;
    assert_int_equal(json_encode(&one_more, &fixture->buffer), CODEC_EDEPTH);
}

static void leaves_the_buffer_alone_on_failure(void **state)
{
    struct fixture *fixture = *state;
    struct buffer small;
    msgpack_object value = value_of(fixture, "[1, 2, 3, \"four\"]");
    for (size_t limit = 3; limit < 20; limit++) {
        buffer_init(&small, limit);
        assert_int_equal(buffer_append(&small, "abc", 3), 0);
        assert_int_equal(json_encode(&value, &small), CODEC_ETOOBIG);
        assert_bytes_equal(buffer_bytes(&small), "abc", 3);
        buffer_done(&small);
    }
    buffer_init(&small, 20);
    assert_int_equal(buffer_append(&small, "abc", 3), 0);
    assert_int_equal(json_encode(&value, &small), 0);
    assert_bytes_equal(buffer_bytes(&small), "abc[1, 2, 3, \"four\"]", 20);
    buffer_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(writes_as_python_does),
        FIXTURE_TEST(escapes_wherever_the_special_byte_is),
        FIXTURE_TEST(makes_strings_of_other_keys),
        FIXTURE_TEST(puts_bytes_into_the_envelope_of_kombu),
        FIXTURE_TEST(refuses_text_that_is_no_utf8),
        FIXTURE_TEST(refuses_extensions_that_are_no_integers),
        FIXTURE_TEST(refuses_nesting_beyond_the_limit),
        FIXTURE_TEST(leaves_the_buffer_alone_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
