/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/compression.h"
#include "codec/task_publish.h"

/* 2026-11-22T13:24:16.802253+00:00 */
static const int64_t now = INT64_C(1795353856802253);

struct call {
    msgpack_object args, kwargs, options, message;
};

static int publish(struct fixture *fixture, const char *options, struct call *call)
{
    call->args = value_of(fixture, "[2, \"b\"]");
    call->kwargs = value_of(fixture, "{\"k\": null}");
    call->options = value_of(fixture, options);
    const struct task_publish source = {.task = text_of("t.add"),
                                        .id = text_of("id-1"),
                                        .args = &call->args,
                                        .kwargs = &call->kwargs,
                                        .options = &call->options,
                                        .serializer = serializer_by_name("json"),
                                        .origin = text_of("gen1@h"),
                                        .now = now};
    buffer_clear(&fixture->buffer, SIZE_MAX);
    return task_publish_write(&source, &fixture->zone, &call->message, &fixture->buffer,
                              &fixture->reason);
}

static void assert_header(struct fixture *fixture, const struct call *call, const char *name,
                          const char *json)
{
    struct buffer buffer;
    buffer_init(&buffer, 4096);
    const msgpack_object *value = value_get(value_get(&call->message, "headers"), name);
    assert_non_null(value);
    assert_int_equal(json_encode(value, &buffer), 0);
    assert_int_equal(buffer_append(&buffer, "", 1), 0);
    assert_string_equal((const char *)buffer.data, json);
    buffer_done(&buffer);
    (void)fixture;
}

static void assert_property(const struct call *call, const char *name, const char *text)
{
    struct text value;
    assert_true(value_as_text(value_get(&call->message, name), &value));
    assert_text_equal(value, text);
}

static void writes_the_headers_and_the_body_of_celery(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    static const char *const headers[][2] = {
        {"task", "\"t.add\""},
        {"id", "\"id-1\""},
        {"shadow", "null"},
        {"eta", "null"},
        {"expires", "null"},
        {"group", "null"},
        {"group_index", "null"},
        {"retries", "0"},
        {"timelimit", "[null, null]"},
        {"root_id", "\"id-1\""},
        {"parent_id", "null"},
        {"argsrepr", "\"(2, 'b')\""},
        {"origin", "\"gen1@h\""},
        {"kwargsrepr", "\"{'k': None}\""},
        {"ignore_result", "false"},
        {"replaced_task_nesting", "0"},
        {"stamps", "{}"},
        {"stamped_headers", "null"},
    };
    assert_int_equal(publish(fixture, "{}", &call), 0);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_header(fixture, &call, headers[i][0], headers[i][1]);
    assert_null(value_get(value_get(&call.message, "headers"), "compression"));
    assert_property(&call, "content_type", "application/json");
    assert_property(&call, "content_encoding", "utf-8");
    assert_property(&call, "correlation_id", "id-1");
    assert_buffer_holds(&fixture->buffer,
                        "[[2, \"b\"], {\"k\": null}, {\"callbacks\": null, \"errbacks\": null, "
                        "\"chain\": null, \"chord\": null}]");
}

static void options_go_where_celery_puts_them(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    assert_int_equal(
        publish(fixture,
                "{\"shadow\": \"s\", \"group_id\": \"g\", \"group_index\": 3, \"retries\": 2, "
                "\"time_limit\": 30, \"soft_time_limit\": 12.5, \"root_id\": \"r\", "
                "\"parent_id\": \"p\", \"ignore_result\": true, \"replaced_task_nesting\": 1, "
                "\"stamped_headers\": [\"a\"], \"a\": \"A\", \"headers\": {\"mine\": 1, \"id\": "
                "\"theirs\"}, \"queue\": \"q\", \"reply_to\": \"o\", \"priority\": 7, "
                "\"link\": {\"task\": \"c\"}, \"link_error\": [{\"task\": \"e\"}], "
                "\"chain\": [], \"chord\": {\"task\": \"b\"}}",
                &call),
        0);
    static const char *const headers[][2] = {
        {"shadow", "\"s\""},
        {"group", "\"g\""},
        {"group_index", "3"},
        {"retries", "2"},
        {"root_id", "\"r\""},
        {"parent_id", "\"p\""},
        {"ignore_result", "true"},
        {"replaced_task_nesting", "1"},
        {"stamps", "{\"a\": \"A\"}"},
        {"stamped_headers", "[\"a\"]"},
        {"mine", "1"},
        {"id", "\"theirs\""},
        {"timelimit", "[30, 12.5]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_header(fixture, &call, headers[i][0], headers[i][1]);
    assert_property(&call, "queue", "q");
    assert_property(&call, "reply_to", "o");
    int64_t priority;
    assert_true(value_as_int(value_get(&call.message, "priority"), &priority) && priority == 7);
    assert_buffer_holds(&fixture->buffer,
                        "[[2, \"b\"], {\"k\": null}, {\"callbacks\": [{\"task\": \"c\"}], "
                        "\"errbacks\": [{\"task\": \"e\"}], \"chain\": [], "
                        "\"chord\": {\"task\": \"b\"}}]");
}

static void times_are_instants_or_seconds_from_now(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *options, *eta, *expires, *expiration;
    } cases[] = {
        {"{\"countdown\": 10}", "\"2026-11-22T13:24:26.802253+00:00\"", "null", NULL},
        {"{\"countdown\": 0}", "null", "null", NULL},
        {"{\"countdown\": 9, \"eta\": \"2030-01-01T12:00:00\"}", "\"2030-01-01T12:00:00\"", "null",
         NULL},
        {"{\"eta\": {\"__type__\": \"datetime\", \"__value__\": \"2030-01-01T12:00:00\"}}",
         "\"2030-01-01T12:00:00\"", "null", NULL},
        {"{\"expires\": 60}", "null", "\"2026-11-22T13:25:16.802253+00:00\"", "60000"},
        {"{\"expires\": \"2026-11-22T13:24:17.802253+00:00\"}", "null",
         "\"2026-11-22T13:24:17.802253+00:00\"", "1000"},
        {"{\"expires\": \"2020-01-01T00:00:00\"}", "null", "\"2020-01-01T00:00:00\"", "0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call call;
        assert_int_equal(publish(fixture, cases[i].options, &call), 0);
        assert_header(fixture, &call, "eta", cases[i].eta);
        assert_header(fixture, &call, "expires", cases[i].expires);
        if (cases[i].expiration != NULL)
            assert_property(&call, "expiration", cases[i].expiration);
        else
            assert_null(value_get(&call.message, "expiration"));
    }
}

static void a_body_may_be_packed_and_compressed(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    assert_int_equal(publish(fixture, "{\"serializer\": \"msgpack\"}", &call), 0);
    assert_property(&call, "content_type", "application/x-msgpack");
    assert_property(&call, "content_encoding", "binary");
    static const char head[] = "\x93\x92\x02\xa1"
                               "b\x81\xa1k\xc0\x84\xa9"
                               "callbacks\xc0";
    assert_memory_equal(fixture->buffer.data, head, sizeof(head) - 1);
    if (compression_find(text_of("zlib")) == NULL)
        return;
    assert_int_equal(publish(fixture, "{\"compression\": \"gzip\"}", &call), 0);
    assert_header(fixture, &call, "compression", "\"application/x-gzip\"");
    struct buffer plain;
    buffer_init(&plain, 4096);
    assert_int_equal(
        compression_find(text_of("zlib"))->decompress(buffer_bytes(&fixture->buffer), &plain), 0);
    assert_memory_equal(plain.data, "[[2, \"b\"], {\"k\": null}, ", 24);
    buffer_done(&plain);
}

static void refuses_what_cannot_be_sent(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *options;
        int error;
    } cases[] = {
        {"{\"eta\": \"tomorrow\"}", CODEC_ETYPE},
        {"{\"eta\": []}", CODEC_ETYPE},
        {"{\"countdown\": \"x\"}", CODEC_ETYPE},
        {"{\"countdown\": 1e300}", CODEC_ETYPE},
        {"{\"expires\": NaN}", CODEC_ETYPE},
        {"{\"serializer\": \"pickle\"}", CODEC_EUNSUPPORTED},
        {"{\"compression\": \"rar\"}", CODEC_EUNSUPPORTED},
        {"{\"serializer\": \"msgpack\", \"chain\": [36893488147419103232]}", CODEC_ETYPE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call call;
        assert_int_equal(publish(fixture, cases[i].options, &call), cases[i].error);
        assert_true(strlen(fixture->reason.text) > 0);
        assert_int_equal(fixture->buffer.size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(writes_the_headers_and_the_body_of_celery),
        FIXTURE_TEST(options_go_where_celery_puts_them),
        FIXTURE_TEST(times_are_instants_or_seconds_from_now),
        FIXTURE_TEST(a_body_may_be_packed_and_compressed),
        FIXTURE_TEST(refuses_what_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
