/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/result_message.h"
#include "codec/utf8.h"

static void assert_repr(const msgpack_object *value, const char *expected)
{
    char text[200];
    assert_int_equal(result_repr(value, text, sizeof(text)), strlen(expected));
    assert_string_equal(text, expected);
}

static void looks_like_python(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *json, *repr;
    } cases[] = {
        {"null", "None"},
        {"[true, false]", "[True, False]"},
        {"[0, -5, 18446744073709551615]", "[0, -5, 18446744073709551615]"},
        {"1180591620717411303424", "1180591620717411303424"},
        {"[1.5, 5.0, 1e300, NaN, Infinity, -Infinity]", "[1.5, 5.0, 1e+300, nan, inf, -inf]"},
        {"\"abc\"", "'abc'"},
        {"\"it's \\\"x\\\" \\\\\"", "'it\\'s \"x\" \\'"},
        {"\"gr\\u00fcn\"", "'gr\xc3\xbcn'"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"{\"a\": [1, {}], \"b\": null}", "{'a': [1, {}], 'b': None}"},
        {"[[[1]]]", "[[[1]]]"},
        {"[[[[1], [], {\"a\": 1}, {}]]]", "[[[[...], [...], {...}, {...}]]]"},
        {"{\"a\": {\"b\": {\"c\": {\"d\": 1}}}}", "{'a': {'b': {'c': {...}}}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = value_of(fixture, cases[i].json);
        assert_repr(&value, cases[i].repr);
    }
}

static void an_array_can_be_a_tuple(void **state)
{
    struct fixture *fixture = *state;
    static const char *const cases[][2] = {
        {"[]", "()"}, {"[1]", "(1,)"}, {"[1, [2], \"x\"]", "(1, [2], 'x')"}};
    char text[200];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = value_of(fixture, cases[i][0]);
        assert_int_equal(result_repr_tuple(&value, text, sizeof(text)), strlen(cases[i][1]));
        assert_string_equal(text, cases[i][1]);
    }
    msgpack_object value = value_of(fixture, "[\"aaaaaaaaaaaaaaaaaaaa\"]");
    assert_int_equal(result_repr_tuple(&value, text, 10), 9);
    assert_string_equal(text, "('aaaa...");
}

static void is_one_line_of_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text, *repr;
    } cases[] = {
        {"a\nb\r\t", "'a\\nb\\r\\t'"},
        {"\x1b[31m\x7f", "'\\x1b[31m\\x7f'"},
        {"caf\xe9", "'caf\\xe9'"},
        {"\xed\xa0\x80", "'\\ud800'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        msgpack_object value = value_string(cases[i].text);
        assert_repr(&value, cases[i].repr);
    }
}

static void shows_bytes_and_extensions(void **state)
{
    (void)state;
    msgpack_object value = {.type = MSGPACK_OBJECT_BIN, .via.bin = {.size = 3, .ptr = "abc"}};
    assert_repr(&value, "b'abc'");
    value.via.bin.ptr = "\xff\xfe\x01";
    assert_repr(&value, "b'fffe01'");
    value = (msgpack_object){.type = MSGPACK_OBJECT_EXT,
                             .via.ext = {.type = -1, .size = 2, .ptr = "\x01\xab"}};
    assert_repr(&value, "ExtType(code=-1, data=b'01ab')");
    value.via.ext.type = VALUE_BIGINT;
    assert_repr(&value, "ExtType(code=66, data=b'01ab')");
}

static void fits_into_any_size(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value = value_of(fixture, "[\"abc\", 12345, {\"k\": 1.5}]");
    static const char whole[] = "['abc', 12345, {'k': 1.5}]";
    for (size_t size = 0; size <= sizeof(whole); size++) {
        char *text = malloc(size > 0 ? size : 1);
        assert_non_null(text);
        size_t length = result_repr(&value, text, size);
        if (size >= sizeof(whole)) {
            assert_string_equal(text, whole);
        } else if (size >= 4) {
            assert_int_equal(length, size - 1);
            assert_memory_equal(text, whole, size - 4);
            assert_string_equal(text + size - 4, "...");
        } else if (size > 0) {
            assert_int_equal(length, size - 1);
            assert_int_equal(strspn(text, "."), size - 1);
        } else {
            assert_int_equal(length, 0);
        }
        free(text);
    }
}

static void cuts_between_characters(void **state)
{
    (void)state;
    msgpack_object value = value_string("\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9\xf0\x9f\x98\x80");
    for (size_t size = 1; size < 20; size++) {
        char text[20];
        size_t length = result_repr(&value, text, size);
        assert_true(length < size);
        assert_true(utf8_is_valid((struct text){text, length}));
        assert_int_equal(text[length], '\0');
    }
}

/* A list of a million elements costs no more than what is shown of it. */
static void stops_where_the_text_is_full(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object value;
    assert_true(value_array(&fixture->zone, 1000000, &value));
    char text[16];
    for (int i = 0; i < 100000; i++)
        assert_int_equal(result_repr(&value, text, sizeof(text)), 15);
    assert_string_equal(text, "[None, None,...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(looks_like_python),
        FIXTURE_TEST(an_array_can_be_a_tuple),
        cmocka_unit_test(is_one_line_of_utf8),
        cmocka_unit_test(shows_bytes_and_extensions),
        FIXTURE_TEST(fits_into_any_size),
        cmocka_unit_test(cuts_between_characters),
        FIXTURE_TEST(stops_where_the_text_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
