/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

static msgpack_object extension(int8_t type, const char *bytes)
{
    return (msgpack_object){
        .type = MSGPACK_OBJECT_EXT,
        .via.ext = {.type = type, .size = (uint32_t)strlen(bytes), .ptr = bytes}};
}

static void get_finds_the_last_of_equal_keys(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object map = value_of(fixture, "{\"a\": 1, \"ab\": 2, \"a\": 3}");
    int64_t number = 0;
    assert_true(value_as_int(value_get(&map, "a"), &number));
    assert_int_equal(number, 3);
    assert_true(value_as_int(value_get(&map, "ab"), &number));
    assert_int_equal(number, 2);
}

static void get_finds_nothing_where_nothing_is(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object map = value_of(fixture, "{\"a\": 1}");
    msgpack_object list = value_of(fixture, "[\"a\"]");
    assert_null(value_get(&map, "b"));
    assert_null(value_get(&map, ""));
    assert_null(value_get(&list, "a"));
    assert_null(value_get(NULL, "a"));
    map.via.map.ptr[0].key = value_int(97);
    assert_null(value_get(&map, "a"));
}

static void at_stays_inside_arrays(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object list = value_of(fixture, "[1, 2]");
    assert_ptr_equal(value_at(&list, 1), &list.via.array.ptr[1]);
    assert_null(value_at(&list, 2));
    assert_null(value_at(&list.via.array.ptr[0], 0));
    assert_null(value_at(NULL, 0));
}

static void integers_fit_or_are_refused(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object list = value_of(
        fixture,
        "[9223372036854775807, -9223372036854775808, 9223372036854775808, 1.0, true, \"1\"]");
    int64_t number = 5;
    assert_true(value_as_int(value_at(&list, 0), &number));
    assert_true(number == INT64_MAX);
    assert_true(value_as_int(value_at(&list, 1), &number));
    assert_true(number == INT64_MIN);
    for (size_t i = 2; i <= 6; i++)
        assert_false(value_as_int(value_at(&list, i), &number));
    assert_true(number == INT64_MIN);
}

static void doubles_come_from_floats_and_integers(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object list = value_of(fixture, "[1.5, 2, -3, true, null]");
    const double expected[] = {1.5, 2, -3};
    double number = 0;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_true(value_as_double(value_at(&list, i), &number));
        assert_true(number == expected[i]);
    }
    for (size_t i = 3; i <= 5; i++)
        assert_false(value_as_double(value_at(&list, i), &number));
}

static void empty_text_is_not_no_text(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object list = value_of(fixture, "[\"\", null]");
    struct text text = {NULL, 7};
    assert_true(value_as_text(value_at(&list, 0), &text));
    assert_non_null(text.data);
    assert_int_equal(text.size, 0);
    assert_false(value_as_text(value_at(&list, 1), &text));
    assert_int_equal(value_text(text).type, MSGPACK_OBJECT_STR);
    assert_int_equal(value_text((struct text){NULL, 0}).type, MSGPACK_OBJECT_NIL);
}

static void bytes_come_from_bin_and_str(void **state)
{
    (void)state;
    msgpack_object bin = {.type = MSGPACK_OBJECT_BIN, .via.bin = {.size = 2, .ptr = "ab"}};
    msgpack_object string = value_string("cd");
    msgpack_object number = value_int(1);
    struct text bytes;
    assert_true(value_as_bytes(&bin, &bytes));
    assert_text_equal(bytes, "ab");
    assert_true(value_as_bytes(&string, &bytes));
    assert_text_equal(bytes, "cd");
    assert_false(value_as_bytes(&number, &bytes));
    assert_false(value_as_text(&bin, &bytes));
}

static void a_bigint_is_digits(void **state)
{
    (void)state;
    const char *good[] = {"1180591620717411303424", "-9223372036854775809", "0"};
    const char *bad[] = {"", "-", "1a", "--1", "1-", "\xff"};
    struct text digits;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        msgpack_object value = extension(VALUE_BIGINT, good[i]);
        assert_true(value_as_bigint(&value, &digits));
        assert_text_equal(digits, good[i]);
        assert_string_equal(value_type_name(&value), "int");
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        msgpack_object value = extension(VALUE_BIGINT, bad[i]);
        assert_false(value_as_bigint(&value, &digits));
        assert_string_equal(value_type_name(&value), "ExtType");
    }
    msgpack_object other = extension(5, "1");
    msgpack_object string = value_string("1");
    assert_false(value_as_bigint(&other, &digits));
    assert_false(value_as_bigint(&string, &digits));
    assert_false(value_as_bigint(NULL, &digits));
}

static void types_have_their_names_in_python(void **state)
{
    struct fixture *fixture = *state;
    const char *names[] = {"NoneType", "bool", "int", "int", "float", "str", "list", "dict"};
    msgpack_object list = value_of(fixture, "[null, true, 1, -1, 1.5, \"\", [], {}]");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_string_equal(value_type_name(value_at(&list, i)), names[i]);
    assert_string_equal(value_type_name(NULL), "NoneType");
}

static void nothing_counts_as_nil(void **state)
{
    (void)state;
    msgpack_object nil = value_nil();
    msgpack_object no = value_bool(false);
    assert_true(value_is_nil(&nil));
    assert_true(value_is_nil(NULL));
    assert_false(value_is_nil(&no));
}

static void makers_choose_the_sign_of_integers(void **state)
{
    (void)state;
    assert_int_equal(value_int(0).type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(value_int(-1).type, MSGPACK_OBJECT_NEGATIVE_INTEGER);
    assert_true(value_int(INT64_MIN).via.i64 == INT64_MIN);
    assert_true(value_uint(UINT64_MAX).via.u64 == UINT64_MAX);
}

static void makes_arrays_of_nil_and_maps_with_room(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object array;
    msgpack_object map;
    assert_true(value_array(&fixture->zone, 3, &array));
    assert_true(value_is_nil(value_at(&array, 2)));
    assert_true(value_array(&fixture->zone, 0, &array));
    assert_int_equal(array.via.array.size, 0);
    assert_true(value_map(&fixture->zone, 2, &map));
    assert_int_equal(map.via.map.size, 0);
    value_map_put(&map, "a", value_int(1));
    value_map_put(&map, "b", array);
    assert_int_equal(map.via.map.size, 2);
    assert_string_equal(value_type_name(value_get(&map, "b")), "list");
}

static void texts_compare_and_copy(void **state)
{
    struct fixture *fixture = *state;
    assert_true(text_equal(text_of("abc"), "abc"));
    assert_false(text_equal(text_of("abc"), "ab"));
    assert_false(text_equal(text_of("ab"), "abc"));
    assert_false(text_equal((struct text){NULL, 0}, ""));
    assert_string_equal(text_copy(&fixture->zone, (struct text){"abcdef", 3}), "abc");
    assert_string_equal(text_copy(&fixture->zone, (struct text){NULL, 0}), "");
}

static void only_so_much_of_a_text_is_quoted(void **state)
{
    (void)state;
    assert_int_equal(text_quoted_size(text_of("abc")), 3);
    assert_int_equal(text_quoted_size((struct text){"", SIZE_MAX}), 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(get_finds_the_last_of_equal_keys),
        FIXTURE_TEST(get_finds_nothing_where_nothing_is),
        FIXTURE_TEST(at_stays_inside_arrays),
        FIXTURE_TEST(integers_fit_or_are_refused),
        FIXTURE_TEST(doubles_come_from_floats_and_integers),
        FIXTURE_TEST(empty_text_is_not_no_text),
        cmocka_unit_test(bytes_come_from_bin_and_str),
        cmocka_unit_test(a_bigint_is_digits),
        FIXTURE_TEST(types_have_their_names_in_python),
        cmocka_unit_test(nothing_counts_as_nil),
        cmocka_unit_test(makers_choose_the_sign_of_integers),
        FIXTURE_TEST(makes_arrays_of_nil_and_maps_with_room),
        FIXTURE_TEST(texts_compare_and_copy),
        cmocka_unit_test(only_so_much_of_a_text_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
