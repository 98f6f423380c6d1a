/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/serializer.h"

static void finds_the_serializers_of_kombu(void **state)
{
    (void)state;
    const struct serializer *json = serializer_by_name("json");
    const struct serializer *msgpack = serializer_by_name("msgpack");
    assert_string_equal(json->content_type, "application/json");
    assert_string_equal(json->content_encoding, "utf-8");
    assert_string_equal(msgpack->content_type, "application/x-msgpack");
    assert_string_equal(msgpack->content_encoding, "binary");
    assert_ptr_equal(serializer_by_name("application/json"), json);
    assert_ptr_equal(serializer_by_content_type(text_of("application/json")), json);
    assert_ptr_equal(serializer_by_content_type(text_of("application/x-msgpack")), msgpack);
}

static void knows_no_serializer_that_runs_code(void **state)
{
    (void)state;
    static const char *const names[] = {
        "pickle", "yaml", "application/x-python-serialize", "application/x-yaml", "",
        "JSON",   "raw"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_null(serializer_by_name(names[i]));
        assert_null(serializer_by_content_type(text_of(names[i])));
    }
    assert_null(serializer_by_content_type((struct text){NULL, 0}));
    assert_null(serializer_by_content_type(text_of("json")));
}

static void each_reads_what_it_writes(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"json", "msgpack"};
    static const char text[] = "{\"a\": [1, -2, 1.5, null, true], \"b\": \"\\u00e9\"}";
    msgpack_object value = value_of(fixture, text);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct serializer *serializer = serializer_by_name(names[i]);
        struct buffer again;
        msgpack_object read;
        buffer_init(&again, 1000);
        buffer_clear(&fixture->buffer, SIZE_MAX);
        assert_int_equal(serializer->encode(&value, &fixture->buffer), 0);
        assert_int_equal(serializer->decode(buffer_bytes(&fixture->buffer), &fixture->zone, &read,
                                            &fixture->reason),
                         0);
        assert_int_equal(json_encode(&read, &again), 0);
        assert_buffer_holds(&again, text);
        buffer_done(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_serializers_of_kombu),
        cmocka_unit_test(knows_no_serializer_that_runs_code),
        FIXTURE_TEST(each_reads_what_it_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
