/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include <math.h>

static int decode(struct fixture *fixture, const char *text, size_t size, msgpack_object *ret)
{
    return json_decode(exact_copy(fixture, text, size), &fixture->zone, ret, &fixture->reason);
}

static msgpack_object decoded(struct fixture *fixture, const char *text)
{
    msgpack_object value = value_nil();
    assert_int_equal(decode(fixture, text, strlen(text), &value), 0);
    return value;
}

static void reads_words(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(decoded(fixture, "null").type, MSGPACK_OBJECT_NIL);
    assert_true(decoded(fixture, "true").via.boolean);
    assert_int_equal(decoded(fixture, "false").type, MSGPACK_OBJECT_BOOLEAN);
    assert_false(decoded(fixture, "false").via.boolean);
}

static void reads_integers_of_64_bits(void **state)
{
    struct fixture *fixture = *state;
    assert_true(decoded(fixture, "0").via.u64 == 0);
    assert_true(decoded(fixture, "-0").type == MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_true(decoded(fixture, "18446744073709551615").via.u64 == UINT64_MAX);
    assert_true(decoded(fixture, "9223372036854775808").via.u64 == UINT64_C(9223372036854775808));
    assert_true(decoded(fixture, "-1").via.i64 == -1);
    assert_true(decoded(fixture, "-9223372036854775808").via.i64 == INT64_MIN);
}

static void keeps_larger_integers_as_digits(void **state)
{
    struct fixture *fixture = *state;
    static const char *const numbers[] = {"18446744073709551616", "-9223372036854775809",
                                          "1180591620717411303424", "18446744073709551620"};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        msgpack_object value = decoded(fixture, numbers[i]);
        struct text digits;
        assert_true(value_as_bigint(&value, &digits));
        assert_text_equal(digits, numbers[i]);
    }
}

static void tells_floats_from_integers(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        double number;
    } cases[] = {{"5.0", 5},     {"-0.0", -0.0},         {"1e3", 1000},           {"1E+3", 1000},
                 {"25e-1", 2.5}, {"1e400", INFINITY},    {"-1e400", -INFINITY},   {"1e-400", 0},
                 {"0.1", 0.1},   {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = decoded(fixture, cases[i].text);
        assert_int_equal(value.type, MSGPACK_OBJECT_FLOAT64);
        assert_true(value.via.f64 == cases[i].number);
        assert_int_equal(signbit(value.via.f64) != 0, signbit(cases[i].number) != 0);
    }
    assert_true(isnan(decoded(fixture, "NaN").via.f64));
}

static void reads_strings(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text, *string;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain text of some length\"", "plain text of some length"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\u0041\\ude00\"", "A\xed\xb8\x80"},
        {"\"\\ud800\\udc00\"", "\xf0\x90\x80\x80"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\xc3\xa9 \xf0\x9f\x98\x80 \x7f\"", "\xc3\xa9 \xf0\x9f\x98\x80 \x7f"},
        {"\"\\ud83d\"", "\xed\xa0\xbd"},
        {"\"\\ude00x\"", "\xed\xb8\x80x"},
        {"\"\\ud83d\\u0041\"", "\xed\xa0\xbd"
                               "A"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xed\xa0\xbd\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = decoded(fixture, cases[i].text);
        struct text text;
        assert_true(value_as_text(&value, &text));
        assert_text_equal(text, cases[i].string);
    }
    msgpack_object value = decoded(fixture, "\"a\\u0000b\"");
    assert_int_equal(value.via.str.size, 3);
    assert_memory_equal(value.via.str.ptr, "a\0b", 3);
}

static void does_not_copy_strings_without_escapes(void **state)
{
    struct fixture *fixture = *state;
    const char *text = "[\"gr\xc3\xbc"
                       "n\"]";
    msgpack_object value;
    assert_int_equal(json_decode(bytes_of(text), &fixture->zone, &value, NULL), 0);
    assert_ptr_equal(value_at(&value, 0)->via.str.ptr, text + 2);
}

static void reads_nested_containers(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value =
        decoded(fixture, " [ 1 , [ ] , { } ,\t[2,[3]],\r\n{\"k\" : [4], \"\":{}} ] ");
    assert_int_equal(value.via.array.size, 5);
    assert_int_equal(value_at(&value, 1)->via.array.size, 0);
    assert_int_equal(value_at(&value, 2)->type, MSGPACK_OBJECT_MAP);
    assert_true(value_at(value_at(value_at(&value, 3), 1), 0)->via.u64 == 3);
    assert_true(value_at(value_get(value_at(&value, 4), "k"), 0)->via.u64 == 4);
    assert_int_equal(value_get(value_at(&value, 4), "")->type, MSGPACK_OBJECT_MAP);
}

static void reads_more_values_than_wait_on_the_stack(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 1000 };
    assert_int_equal(buffer_append(&fixture->buffer, "[", 1), 0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(buffer_append(&fixture->buffer, "[7],", 4), 0);
    assert_int_equal(buffer_append(&fixture->buffer, "8]", 2), 0);
    msgpack_object value;
    assert_int_equal(json_decode(buffer_bytes(&fixture->buffer), &fixture->zone, &value, NULL), 0);
    assert_int_equal(value.via.array.size, COUNT + 1);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(value_at(value_at(&value, i), 0)->via.u64 == 7);
    assert_true(value_at(&value, COUNT)->via.u64 == 8);
}

static void names_what_is_wrong_and_where(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "JSON: the text ends at byte 0"},
        {" ", "JSON: the text ends at byte 1"},
        {"[", "JSON: the text ends at byte 1"},
        {"[1", "JSON: no ',' or ']' at byte 2"},
        {"[1,", "JSON: the text ends at byte 3"},
        {"[1,]", "JSON: no value at byte 3"},
        {"[1 2]", "JSON: no ',' or ']' at byte 3"},
        {"[1}", "JSON: no ',' or ']' at byte 2"},
        {"{", "JSON: no string as a key at byte 1"},
        {"{1: 2}", "JSON: no string as a key at byte 1"},
        {"{\"a\"}", "JSON: no ':' at byte 4"},
        {"{\"a\": 1,}", "JSON: no string as a key at byte 8"},
        {"{\"a\": 1]", "JSON: no ',' or '}' at byte 7"},
        {"[1] x", "JSON: more text behind the value at byte 4"},
        {"01", "JSON: more text behind the value at byte 1"},
        {"1.", "JSON: more text behind the value at byte 1"},
        {"1.e5", "JSON: more text behind the value at byte 1"},
        {"1e", "JSON: more text behind the value at byte 1"},
        {"1e+", "JSON: more text behind the value at byte 1"},
        {".5", "JSON: no value at byte 0"},
        {"+1", "JSON: no value at byte 0"},
        {"-", "JSON: no value at byte 0"},
        {"-x", "JSON: no value at byte 0"},
        {"0x10", "JSON: more text behind the value at byte 1"},
        {"nul", "JSON: no value at byte 0"},
        {"nan", "JSON: no value at byte 0"},
        {"True", "JSON: no value at byte 0"},
        {"'a'", "JSON: no value at byte 0"},
        {"\"a", "JSON: the text ends inside a string at byte 2"},
        {"\"\\", "JSON: the text ends inside a string at byte 2"},
        {"\"a\nb\"", "JSON: a control character inside a string at byte 2"},
        {"\"12345678\x1f\"", "JSON: a control character inside a string at byte 9"},
        {"\"a\xff\"", "JSON: bytes that are no UTF-8 at byte 2"},
        {"\"a\xc3\"", "JSON: bytes that are no UTF-8 at byte 2"},
        {"\"\xed\xa0\x80\"", "JSON: bytes that are no UTF-8 at byte 1"},
        {"[\"\\x\"]", "JSON: an unknown escape in the string that begins at byte 1"},
        {"[\"\\u12\"]", "JSON: an unknown escape in the string that begins at byte 1"},
        {"[\"\\u12g4\"]", "JSON: an unknown escape in the string that begins at byte 1"},
        {"[\"\\u 123\"]", "JSON: an unknown escape in the string that begins at byte 1"},
        {"\xef\xbb\xbf[]", "JSON: no value at byte 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value;
        assert_int_equal(decode(fixture, cases[i].text, strlen(cases[i].text), &value),
                         CODEC_EINVALID);
        assert_string_equal(fixture->reason.text, cases[i].reason);
    }
}

static void a_null_byte_is_no_end(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value;
    assert_int_equal(decode(fixture, "1\0", 2, &value), CODEC_EINVALID);
    assert_int_equal(decode(fixture, "\0", 1, &value), CODEC_EINVALID);
    assert_int_equal(decode(fixture, "\"a\0b\"", 5, &value), CODEC_EINVALID);
}

static int decode_nested(struct fixture *fixture, const char *open, const char *close, int levels,
                         msgpack_object *ret)
{
    buffer_clear(&fixture->buffer, SIZE_MAX);
    for (int i = 0; i < levels; i++)
        assert_int_equal(buffer_append(&fixture->buffer, open, strlen(open)), 0);
    assert_int_equal(buffer_append(&fixture->buffer, "1", 1), 0);
    for (int i = 0; i < levels; i++)
        assert_int_equal(buffer_append(&fixture->buffer, close, strlen(close)), 0);
    return json_decode(buffer_bytes(&fixture->buffer), &fixture->zone, ret, &fixture->reason);
}

static void refuses_nesting_beyond_the_limit(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value;
    assert_int_equal(decode_nested(fixture, "[", "]", JSON_DEPTH_MAX, &value), 0);
    assert_int_equal(decode_nested(fixture, "{\"\":", "}", JSON_DEPTH_MAX, &value), 0);
    assert_int_equal(decode_nested(fixture, "[", "]", JSON_DEPTH_MAX + 1, &value), CODEC_EDEPTH);
    assert_string_equal(fixture->reason.text, "JSON: more than 512 levels at byte 512");
    assert_int_equal(decode_nested(fixture, "{\"\":", "}", 100000, &value), CODEC_EDEPTH);
}

static void siblings_do_not_add_up_to_depth(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(buffer_append(&fixture->buffer, "[", 1), 0);
    for (int i = 0; i < JSON_DEPTH_MAX * 2; i++)
        assert_int_equal(buffer_append(&fixture->buffer, "[],{},", 6), 0);
    assert_int_equal(buffer_append(&fixture->buffer, "1]", 2), 0);
    msgpack_object value;
    assert_int_equal(json_decode(buffer_bytes(&fixture->buffer), &fixture->zone, &value, NULL), 0);
}

static void leaves_the_result_alone_on_failure(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = value_int(42);
    assert_int_equal(decode(fixture, "[1, 2", 5, &value), CODEC_EINVALID);
    assert_int_equal(value.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_true(value.via.u64 == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(reads_words),
        FIXTURE_TEST(reads_integers_of_64_bits),
        FIXTURE_TEST(keeps_larger_integers_as_digits),
        FIXTURE_TEST(tells_floats_from_integers),
        FIXTURE_TEST(reads_strings),
        FIXTURE_TEST(does_not_copy_strings_without_escapes),
        FIXTURE_TEST(reads_nested_containers),
        FIXTURE_TEST(reads_more_values_than_wait_on_the_stack),
        FIXTURE_TEST(names_what_is_wrong_and_where),
        FIXTURE_TEST(a_null_byte_is_no_end),
        FIXTURE_TEST(refuses_nesting_beyond_the_limit),
        FIXTURE_TEST(siblings_do_not_add_up_to_depth),
        FIXTURE_TEST(leaves_the_result_alone_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
