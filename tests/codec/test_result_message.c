/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/result_message.h"

static int write(struct fixture *fixture, const struct result_message *message, const char *name)
{
    return result_message_write(message, serializer_by_name(name), &fixture->buffer);
}

static void writes_a_success_as_celery_does(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object result = value_int(2);
    struct result_message message = {.task_id = text_of("6045ae98"),
                                     .status = "SUCCESS",
                                     .result = &result,
                                     .group_id = text_of("7c95f8e3"),
                                     .parent_id = text_of("p"),
                                     .date_done = INT64_C(1795353856802253)};
    assert_int_equal(write(fixture, &message, "json"), 0);
    assert_buffer_holds(&fixture->buffer,
                        "{\"status\": \"SUCCESS\", \"result\": 2, \"traceback\": null, "
                        "\"children\": [], \"date_done\": \"2026-11-22T13:24:16.802253+00:00\", "
                        "\"group_id\": \"7c95f8e3\", \"parent_id\": \"p\", "
                        "\"task_id\": \"6045ae98\"}");
}

static void leaves_out_ids_that_are_not_there(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object result = value_of(fixture, "{\"pid\": 7, \"hostname\": \"w1@vm\"}");
    struct result_message message = {
        .task_id = text_of("i"), .status = "STARTED", .result = &result};
    assert_int_equal(write(fixture, &message, "json"), 0);
    assert_buffer_holds(&fixture->buffer,
                        "{\"status\": \"STARTED\", \"result\": {\"pid\": 7, \"hostname\": "
                        "\"w1@vm\"}, \"traceback\": null, \"children\": [], \"date_done\": null, "
                        "\"task_id\": \"i\"}");
}

static void writes_children_and_what_extended_results_have(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object result = value_int(2);
    msgpack_object children = value_of(fixture, "[[[\"c\", null], null]]");
    msgpack_object args = value_of(fixture, "[1]"), kwargs = value_of(fixture, "{\"k\": 1}");
    msgpack_object stamped = value_of(fixture, "[\"mine\"]");
    msgpack_object stamps = value_of(fixture, "{\"mine\": 7}");
    struct result_extended extended = {.name = text_of("t"),
                                       .worker = text_of("w1@h"),
                                       .queue = text_of("q"),
                                       .args = &args,
                                       .kwargs = &kwargs,
                                       .stamped_headers = &stamped,
                                       .stamps = &stamps,
                                       .retries = 3};
    struct result_message message = {.task_id = text_of("i"),
                                     .status = "SUCCESS",
                                     .result = &result,
                                     .children = &children,
                                     .extended = &extended};
    assert_int_equal(write(fixture, &message, "json"), 0);
    assert_buffer_holds(&fixture->buffer,
                        "{\"status\": \"SUCCESS\", \"result\": 2, \"traceback\": null, "
                        "\"children\": [[[\"c\", null], null]], \"date_done\": null, "
                        "\"name\": \"t\", \"args\": [1], \"kwargs\": {\"k\": 1}, "
                        "\"worker\": \"w1@h\", \"retries\": 3, \"queue\": \"q\", "
                        "\"stamped_headers\": [\"mine\"], \"mine\": 7, "
                        "\"task_id\": \"i\"}");
}

static struct result_exception exception_of(struct fixture *fixture, const char *arguments)
{
    return (struct result_exception){.type = text_of("ValueError"),
                                     .module = text_of("builtins"),
                                     .arguments = value_of(fixture, arguments)};
}

static void writes_a_failure_as_celery_does(void **state)
{
    struct fixture *fixture = *state;
    struct result_exception exception = exception_of(fixture, "[\"bad thing\", 1]");
    struct result_message message = {.task_id = text_of("i"),
                                     .status = "FAILURE",
                                     .exception = &exception,
                                     .traceback = text_of("Traceback:\n  x\n")};
    assert_int_equal(write(fixture, &message, "json"), 0);
    assert_buffer_holds(&fixture->buffer,
                        "{\"status\": \"FAILURE\", \"result\": {\"exc_type\": \"ValueError\", "
                        "\"exc_message\": [\"bad thing\", 1], \"exc_module\": \"builtins\"}, "
                        "\"traceback\": \"Traceback:\\n  x\\n\", \"children\": [], "
                        "\"date_done\": null, \"task_id\": \"i\"}");
}

static void an_exception_without_a_module_has_null(void **state)
{
    struct fixture *fixture = *state;
    struct result_exception exception = exception_of(fixture, "[]");
    exception.module = (struct text){NULL, 0};
    struct result_message message = {
        .task_id = text_of("i"), .status = "FAILURE", .exception = &exception};
    assert_int_equal(write(fixture, &message, "json"), 0);
    assert_int_equal(buffer_append(&fixture->buffer, "", 1), 0);
    assert_non_null(
        strstr((const char *)fixture->buffer.data, "\"exc_message\": [], \"exc_module\": null}"));
}

static void writes_msgpack_too(void **state)
{
    struct fixture *fixture = *state;
    static const char expected[] = "\x86\xa6status\xa7SUCCESS\xa6result\x05\xa9traceback\xc0\xa8"
                                   "children\x90\xa9"
                                   "date_done\xc0\xa7task_id\xa1i";
    msgpack_object result = value_int(5);
    struct result_message message = {
        .task_id = text_of("i"), .status = "SUCCESS", .result = &result};
    assert_int_equal(write(fixture, &message, "msgpack"), 0);
    assert_bytes_equal(buffer_bytes(&fixture->buffer), expected, sizeof(expected) - 1);
}

static void the_words_of_a_failure_are_repaired(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"json", "msgpack"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct result_exception exception = exception_of(fixture, "[\"\", 1]");
        exception.arguments.via.array.ptr[0] = value_string("cut \xe2\x82");
        struct result_message message = {.task_id = text_of("i"),
                                         .status = "FAILURE",
                                         .exception = &exception,
                                         .traceback = text_of("\xff")};
        buffer_clear(&fixture->buffer, SIZE_MAX);
        assert_int_equal(write(fixture, &message, names[i]), 0);
        msgpack_object document;
        assert_int_equal(serializer_by_name(names[i])->decode(buffer_bytes(&fixture->buffer),
                                                              &fixture->zone, &document, NULL),
                         0);
        struct text text;
        assert_true(value_as_text(value_get(&document, "traceback"), &text));
        assert_text_equal(text, "\xef\xbf\xbd");
        const msgpack_object *arguments = value_get(value_get(&document, "result"), "exc_message");
        assert_true(value_as_text(value_at(arguments, 0), &text));
        assert_text_equal(text, "cut \xef\xbf\xbd\xef\xbf\xbd");
        assert_true(value_at(arguments, 1)->via.u64 == 1);
    }
}

static void a_failure_leaves_the_buffer_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    msgpack_object bigint = value_of(fixture, "18446744073709551616");
    msgpack_object broken = value_string("\xff");
    msgpack_object fine = value_int(1);
    struct result_message message = {.task_id = text_of("i"), .status = "SUCCESS"};
    assert_int_equal(buffer_append(&fixture->buffer, "abc", 3), 0);
    message.result = &bigint;
    assert_int_equal(write(fixture, &message, "msgpack"), CODEC_ETYPE);
    message.result = &broken;
    assert_int_equal(write(fixture, &message, "json"), CODEC_EINVALID);
    assert_int_equal(write(fixture, &message, "msgpack"), CODEC_EINVALID);
    message.result = &fine;
    fixture->buffer.limit = 50;
    assert_int_equal(write(fixture, &message, "json"), CODEC_ETOOBIG);
    struct result_exception exception = exception_of(fixture, "[]");
    message.result = NULL;
    message.exception = &exception;
    message.traceback = text_of("\xff");
    fixture->buffer.limit = 150;
    assert_int_equal(write(fixture, &message, "json"), CODEC_ETOOBIG);
    assert_bytes_equal(buffer_bytes(&fixture->buffer), "abc", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(writes_a_success_as_celery_does),
        FIXTURE_TEST(leaves_out_ids_that_are_not_there),
        FIXTURE_TEST(writes_children_and_what_extended_results_have),
        FIXTURE_TEST(writes_a_failure_as_celery_does),
        FIXTURE_TEST(an_exception_without_a_module_has_null),
        FIXTURE_TEST(writes_msgpack_too),
        FIXTURE_TEST(the_words_of_a_failure_are_repaired),
        FIXTURE_TEST(a_failure_leaves_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
