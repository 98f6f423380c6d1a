/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include <stdio.h>

#include "codec/compression.h"
#include "codec/task_message.h"

/* Reads a message with JSON headers (NULL: none) and a JSON body. */
static enum task_message_kind read(struct fixture *fixture, const char *headers, const char *body,
                                   struct task_message *ret)
{
    /* not on the stack: *ret borrows it */
    msgpack_object *map = msgpack_zone_malloc(&fixture->zone, sizeof(*map));
    assert_non_null(map);
    if (headers != NULL)
        *map = value_of(fixture, headers);
    struct task_message_source source = {.headers = headers != NULL ? map : NULL,
                                         .content_type = text_of("application/json"),
                                         .content_encoding = text_of("utf-8"),
                                         .body = bytes_of(body)};
    return task_message_read(&source, &fixture->zone, ret, &fixture->reason);
}

static void reads_the_headers_that_celery_sends(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(
        read(fixture,
             "{\"lang\": \"py\", \"task\": \"wtasks.add\", \"id\": \"i-1\", \"shadow\": \"s\","
             " \"eta\": \"2026-11-22T13:24:16.802253+00:00\", \"expires\": \"2030-01-01T12:00:00\","
             " \"group\": \"g\", \"group_index\": 3, \"retries\": 2, \"timelimit\": [10, 5.5],"
             " \"root_id\": \"r\", \"parent_id\": \"p\", \"argsrepr\": \"(2, 3)\","
             " \"kwargsrepr\": \"{}\", \"origin\": \"gen1@vm\", \"ignore_result\": true,"
             " \"compression\": \"application/zstd\", \"stamps\": {}, \"mine\": [1]}",
             "not opened", &message),
        TASK_MESSAGE_OK);
    assert_int_equal(message.protocol, 2);
    assert_text_equal(message.task, "wtasks.add");
    assert_text_equal(message.id, "i-1");
    assert_text_equal(message.shadow, "s");
    assert_text_equal(message.group, "g");
    assert_text_equal(message.root_id, "r");
    assert_text_equal(message.parent_id, "p");
    assert_text_equal(message.origin, "gen1@vm");
    assert_text_equal(message.argsrepr, "(2, 3)");
    assert_text_equal(message.kwargsrepr, "{}");
    assert_text_equal(message.compression, "application/zstd");
    assert_int_equal(message.retries, 2);
    assert_true(message.has_eta && message.eta == INT64_C(1795353856802253));
    assert_true(message.has_expires && message.expires == INT64_C(1893499200000000));
    assert_true(message.hard_limit == 10 && message.soft_limit == 5.5);
    assert_true(message.has_ignore_result && message.ignore_result);
    assert_non_null(value_get(&message.headers, "mine"));
    assert_bytes_equal(message.body, "not opened", 10);
    assert_text_equal(message.content_type, "application/json");
    assert_text_equal(message.content_encoding, "utf-8");
}

static void task_and_id_are_enough(void **state)
{
    struct fixture *fixture = *state;
    static const char *const headers[] = {
        "{\"task\": \"t\", \"id\": \"not a uuid\"}",
        ("{\"task\": \"t\", \"id\": \"not a uuid\", \"shadow\": null, \"eta\": null, \"group\": "
         "null,"
         " \"expires\": null, \"retries\": null, \"timelimit\": null, \"root_id\": null,"
         " \"parent_id\": null, \"argsrepr\": null, \"kwargsrepr\": null, \"origin\": null,"
         " \"ignore_result\": null, \"compression\": null}"),
        ("{\"task\": \"t\", \"id\": \"not a uuid\", \"eta\": \"\", \"expires\": \"\","
         " \"timelimit\": [null, 0]}"),
    };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct task_message message;
        assert_int_equal(read(fixture, headers[i], "", &message), TASK_MESSAGE_OK);
        assert_text_equal(message.id, "not a uuid");
        assert_null(message.shadow.data);
        assert_null(message.group.data);
        assert_int_equal(message.compression.size, 0);
        assert_int_equal(message.retries, 0);
        assert_false(message.has_eta || message.has_expires || message.has_ignore_result);
        assert_true(message.hard_limit == 0 && message.soft_limit == 0);
    }
}

static void other_headers_pass_by(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    msgpack_object headers = value_of(
        fixture, "{\"\": 1, \"a header with a rather long name\": 1, \"it\": 1, \"tasks\": 1,"
                 " \"number\": 1, \"task\": \"t\", \"id\": \"i\"}");
    headers.via.map.ptr[4].key = value_int(4);
    struct task_message_source source = {.headers = &headers};
    assert_int_equal(task_message_read(&source, &fixture->zone, &message, &fixture->reason),
                     TASK_MESSAGE_OK);
    assert_text_equal(message.task, "t");
    assert_null(message.group.data);
}

static void of_equal_headers_the_last_counts(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(read(fixture,
                          "{\"task\": \"a\", \"id\": \"1\", \"task\": \"b\", \"id\": \"2\"}", "",
                          &message),
                     TASK_MESSAGE_OK);
    assert_text_equal(message.task, "b");
    assert_text_equal(message.id, "2");
}

static const struct {
    const char *headers, *reason;
} bad_headers[] = {
    {"\"task\": \"t\"", "header 'id' is missing or empty"},
    {"\"task\": \"t\", \"id\": null", "header 'id' is missing or empty"},
    {"\"task\": \"t\", \"id\": \"\"", "header 'id' is missing or empty"},
    {"\"task\": \"t\", \"id\": 5", "header 'id' is no str: 5"},
    {"\"task\": null, \"id\": \"i\"", "header 'task' is missing or empty"},
    {"\"task\": \"\", \"id\": \"i\"", "header 'task' is missing or empty"},
    {"\"task\": [], \"id\": \"i\"", "header 'task' is no str: []"},
    {"\"task\": \"t\", \"id\": \"i\", \"eta\": \"soon\"",
     "header 'eta' is no ISO 8601 time: 'soon'"},
    {"\"task\": \"t\", \"id\": \"i\", \"eta\": 1795353856", "header 'eta' is no str: 1795353856"},
    {"\"task\": \"t\", \"id\": \"i\", \"expires\": \"2026-02-30\"",
     "header 'expires' is no ISO 8601 time: '2026-02-30'"},
    {"\"task\": \"t\", \"id\": \"i\", \"expires\": {}", "header 'expires' is no str: {}"},
    {"\"task\": \"t\", \"id\": \"i\", \"retries\": -1", "header 'retries' is no int from 0 on: -1"},
    {"\"task\": \"t\", \"id\": \"i\", \"retries\": \"1\"",
     "header 'retries' is no int from 0 on: '1'"},
    {"\"task\": \"t\", \"id\": \"i\", \"retries\": 9223372036854775808",
     "header 'retries' is no int from 0 on: 9223372036854775808"},
    {"\"task\": \"t\", \"id\": \"i\", \"retries\": 1.0",
     "header 'retries' is no int from 0 on: 1.0"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": 5",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: 5"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": [1]",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: [1]"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": [1, 2, 3]",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: [1, 2, 3]"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": [-1, null]",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: [-1, None]"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": [null, -0.5]",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: [None, -0.5]"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": [NaN, null]",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: [nan, None]"},
    {"\"task\": \"t\", \"id\": \"i\", \"timelimit\": [\"1\", null]",
     "header 'timelimit' is no list of two limits [hard, soft] from 0 on: ['1', None]"},
    {"\"task\": \"t\", \"id\": \"i\", \"ignore_result\": 1",
     "header 'ignore_result' is no bool: 1"},
    {"\"task\": \"t\", \"id\": \"i\", \"shadow\": 1", "header 'shadow' is no str: 1"},
    {"\"task\": \"t\", \"id\": \"i\", \"group\": [1]", "header 'group' is no str: [1]"},
    {"\"task\": \"t\", \"id\": \"i\", \"root_id\": 1", "header 'root_id' is no str: 1"},
    {"\"task\": \"t\", \"id\": \"i\", \"parent_id\": true", "header 'parent_id' is no str: True"},
    {"\"task\": \"t\", \"id\": \"i\", \"origin\": 1", "header 'origin' is no str: 1"},
    {"\"task\": \"t\", \"id\": \"i\", \"argsrepr\": [2]", "header 'argsrepr' is no str: [2]"},
    {"\"task\": \"t\", \"id\": \"i\", \"kwargsrepr\": {}", "header 'kwargsrepr' is no str: {}"},
    {"\"task\": \"t\", \"id\": \"i\", \"compression\": 1", "header 'compression' is no str: 1"},
    {"\"task\": \"t\", \"id\": \"i\", \"shadow\": 1, \"eta\": 1", "header 'shadow' is no str: 1"},
};

static void names_the_header_that_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad_headers); i++) {
        struct task_message message;
        char headers[200];
        snprintf(headers, sizeof(headers), "{%s}", bad_headers[i].headers);
        assert_int_equal(read(fixture, headers, "", &message), TASK_MESSAGE_INVALID);
        assert_string_equal(fixture->reason.text, bad_headers[i].reason);
    }
}

static void a_bad_message_is_still_named(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(read(fixture, "{\"eta\": 1, \"id\": \"i\", \"task\": \"t\"}", "", &message),
                     TASK_MESSAGE_INVALID);
    assert_text_equal(message.task, "t");
    assert_text_equal(message.id, "i");
    assert_int_equal(read(fixture, "{\"id\": \"i\", \"task\": 5}", "", &message),
                     TASK_MESSAGE_INVALID);
    assert_null(message.task.data);
    assert_text_equal(message.id, "i");
    assert_int_equal(read(fixture, NULL, "{\"id\": \"i\", \"task\": \"t\", \"args\": 1}", &message),
                     TASK_MESSAGE_INVALID);
    assert_text_equal(message.task, "t");
    assert_text_equal(message.id, "i");
}

static void endless_limits_are_cut(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(read(fixture,
                          "{\"task\": \"t\", \"id\": \"i\", \"timelimit\": [Infinity, 1e300]}", "",
                          &message),
                     TASK_MESSAGE_OK);
    assert_true(message.hard_limit == 1e9 && message.soft_limit == 1e9);
}

static void turns_protocol_1_into_protocol_2(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(
        read(fixture, "{\"x-mine\": 1}",
             "{\"task\": \"t\", \"id\": \"i\", \"args\": [1, \"\xc3\xa9\"], \"kwargs\": {\"a\": "
             "5.0},"
             " \"group\": null, \"group_index\": 1, \"retries\": 3, \"eta\": "
             "\"2030-01-01T12:00:00\","
             " \"expires\": null, \"utc\": true, \"callbacks\": [{\"task\": \"c\"}],"
             " \"errbacks\": null, \"timelimit\": [2, 1], \"taskset\": \"g\", \"chord\": {}}",
             &message),
        TASK_MESSAGE_OK);
    assert_int_equal(message.protocol, 1);
    assert_text_equal(message.task, "t");
    assert_text_equal(message.id, "i");
    assert_text_equal(message.group, "g");
    assert_int_equal(message.retries, 3);
    assert_true(message.has_eta && message.eta == INT64_C(1893499200000000));
    assert_false(message.has_expires);
    assert_true(message.hard_limit == 2 && message.soft_limit == 1);
    assert_null(message.argsrepr.data);
    static const char body[] =
        "[[1, \"\\u00e9\"], {\"a\": 5.0}, {\"callbacks\": [{\"task\": \"c\"}], "
        "\"errbacks\": null, \"chain\": null, \"chord\": {}}]";
    assert_bytes_equal(message.body, body, sizeof(body) - 1);
    assert_int_equal(json_encode(&message.headers, &fixture->buffer), 0);
    assert_buffer_holds(&fixture->buffer,
                        "{\"task\": \"t\", \"id\": \"i\", \"eta\": \"2030-01-01T12:00:00\", "
                        "\"expires\": null, \"group\": null, \"group_index\": 1, \"retries\": 3, "
                        "\"timelimit\": [2, 1], \"group\": \"g\", \"x-mine\": 1}");
}

static void own_headers_beat_the_fields_of_the_body(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(read(fixture, "{\"id\": \"header\", \"retries\": 7, \"group\": null}",
                          "{\"task\": \"t\", \"id\": \"body\", \"retries\": 1, \"taskset\": \"g\"}",
                          &message),
                     TASK_MESSAGE_OK);
    assert_text_equal(message.task, "t");
    assert_text_equal(message.id, "header");
    assert_int_equal(message.retries, 7);
    assert_null(message.group.data);
    assert_int_equal(message.headers.via.map.size, 4);
}

static void missing_arguments_are_empty(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bodies[] = {
        "{\"task\": \"t\", \"id\": \"i\"}",
        "{\"task\": \"t\", \"id\": \"i\", \"args\": null, \"kwargs\": null}",
    };
    static const char expected[] = "[[], {}, {\"callbacks\": null, \"errbacks\": null, "
                                   "\"chain\": null, \"chord\": null}]";
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct task_message message;
        assert_int_equal(read(fixture, NULL, bodies[i], &message), TASK_MESSAGE_OK);
        assert_bytes_equal(message.body, expected, sizeof(expected) - 1);
    }
}

static void classifies_what_is_no_protocol_1(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *body;
        enum task_message_kind kind;
        const char *reason;
    } cases[] = {
        {"", TASK_MESSAGE_UNDECODABLE, "JSON: the text ends at byte 0"},
        {"{\"task\"", TASK_MESSAGE_UNDECODABLE, "JSON: no ':' at byte 7"},
        {"null", TASK_MESSAGE_NOT_A_TASK,
         "neither a header nor a body names a task (the body is NoneType)"},
        {"[[], {}, {}]", TASK_MESSAGE_NOT_A_TASK,
         "neither a header nor a body names a task (the body is list)"},
        {"\"task\"", TASK_MESSAGE_NOT_A_TASK,
         "neither a header nor a body names a task (the body is str)"},
        {"{\"id\": \"i\"}", TASK_MESSAGE_NOT_A_TASK,
         "neither a header nor a body names a task (the body is dict)"},
        {"{\"task\": null, \"id\": \"i\"}", TASK_MESSAGE_INVALID,
         "header 'task' is missing or empty"},
        {"{\"task\": \"t\"}", TASK_MESSAGE_INVALID, "header 'id' is missing or empty"},
        {"{\"task\": \"t\", \"id\": \"i\", \"args\": {}}", TASK_MESSAGE_INVALID,
         "args is no list but dict"},
        {"{\"task\": \"t\", \"id\": \"i\", \"kwargs\": []}", TASK_MESSAGE_INVALID,
         "kwargs is no dict but list"},
        {"{\"task\": \"t\", \"id\": \"i\", \"eta\": \"x\"}", TASK_MESSAGE_INVALID,
         "header 'eta' is no ISO 8601 time: 'x'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct task_message message;
        assert_int_equal(read(fixture, i % 2 == 0 ? NULL : "{}", cases[i].body, &message),
                         cases[i].kind);
        assert_string_equal(fixture->reason.text, cases[i].reason);
    }
}

/* A body that is as deep as it may be, in a place that is one level deeper in protocol 2. */
static void protocol_1_can_be_too_deep_to_rewrite(void **state)
{
    struct fixture *fixture = *state;
    enum { LEVELS = JSON_DEPTH_MAX - 1 };
    static const char head[] = "{\"task\": \"t\", \"id\": \"i\", \"callbacks\": ";
    char body[sizeof(head) + (size_t)LEVELS * 2 + 1];
    memcpy(body, head, sizeof(head) - 1);
    memset(body + sizeof(head) - 1, '[', LEVELS);
    memset(body + sizeof(head) - 1 + LEVELS, ']', LEVELS);
    body[sizeof(body) - 2] = '}';
    body[sizeof(body) - 1] = '\0';
    struct task_message message;
    assert_int_equal(read(fixture, NULL, body, &message), TASK_MESSAGE_UNDECODABLE);
    assert_string_equal(fixture->reason.text,
                        "the body cannot be written as protocol 2: nested too deeply");
}

static void protocol_1_with_an_odd_compression_is_undecodable(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(read(fixture, "{\"compression\": 5}", "{}", &message),
                     TASK_MESSAGE_UNDECODABLE);
    assert_string_equal(fixture->reason.text, "header 'compression' is no str but int");
}

static void protocol_1_needs_a_content_type_that_we_read(void **state)
{
    struct fixture *fixture = *state;
    struct task_message_source source = {.content_type = text_of("application/x-python-serialize"),
                                         .body = bytes_of("x")};
    struct task_message message;
    assert_int_equal(task_message_read(&source, &fixture->zone, &message, &fixture->reason),
                     TASK_MESSAGE_UNDECODABLE);
    assert_string_equal(fixture->reason.text,
                        "content type 'application/x-python-serialize' is not supported");
}

/* Opens a compressed protocol 1 message; `size` bytes of spaces follow the object. */
static enum task_message_kind read_compressed(struct fixture *fixture, size_t size,
                                              struct task_message *ret)
{
    static const char object[] = "{\"task\": \"t\", \"id\": \"i\", \"args\": [1]}";
    const struct compression *zlib = compression_find(text_of("zlib"));
    char *plain = malloc(sizeof(object) + size);
    assert_non_null(plain);
    memcpy(plain, object, sizeof(object) - 1);
    memset(plain + sizeof(object) - 1, ' ', size);
    assert_int_equal(
        zlib->compress((struct bytes){plain, sizeof(object) - 1 + size}, &fixture->buffer), 0);
    free(plain);
    msgpack_object headers =
        value_of(fixture, "{\"compression\": \"application/x-gzip\", \"mine\": 1}");
    struct task_message_source source = {.headers = &headers,
                                         .content_type = text_of("application/json"),
                                         .body = buffer_bytes(&fixture->buffer)};
    return task_message_read(&source, &fixture->zone, ret, &fixture->reason);
}

static void a_compressed_protocol_1_body_is_rewritten_plain(void **state)
{
    struct fixture *fixture = *state;
    if (compression_find(text_of("zlib")) == NULL)
        skip();
    struct task_message message;
    assert_int_equal(read_compressed(fixture, 10, &message), TASK_MESSAGE_OK);
    buffer_clear(&fixture->buffer, 0); /* the zone holds what the message needs */
    assert_int_equal(message.compression.size, 0);
    assert_null(value_get(&message.headers, "compression"));
    assert_non_null(value_get(&message.headers, "mine"));
    assert_memory_equal(message.body.data, "[[1], {}, {", 11);
    assert_text_equal(message.id, "i");
}

static void a_protocol_1_bomb_is_not_opened(void **state)
{
    struct fixture *fixture = *state;
    if (compression_find(text_of("zlib")) == NULL)
        skip();
    struct task_message message;
    assert_int_equal(read_compressed(fixture, TASK_MESSAGE_V1_MAX, &message),
                     TASK_MESSAGE_UNDECODABLE);
    assert_string_equal(fixture->reason.text,
                        "the body cannot be decompressed with zlib: too large");
}

static void a_large_protocol_1_body_is_not_opened(void **state)
{
    struct fixture *fixture = *state;
    static const char object[] = "{\"task\": \"t\", \"id\": \"i\"}";
    char *body = malloc(TASK_MESSAGE_V1_MAX + 1);
    assert_non_null(body);
    memset(body, ' ', TASK_MESSAGE_V1_MAX + 1);
    memcpy(body, object, sizeof(object) - 1);
    struct task_message_source source = {.content_type = text_of("application/json"),
                                         .body = {body, TASK_MESSAGE_V1_MAX + 1}};
    struct task_message message;
    assert_int_equal(task_message_read(&source, &fixture->zone, &message, &fixture->reason),
                     TASK_MESSAGE_UNDECODABLE);
    assert_string_equal(fixture->reason.text, "the body has more than 8388608 bytes");
    source.body.size = TASK_MESSAGE_V1_MAX;
    assert_int_equal(task_message_read(&source, &fixture->zone, &message, &fixture->reason),
                     TASK_MESSAGE_OK);
    free(body);
}

static void headers_that_are_no_map_are_no_headers(void **state)
{
    struct fixture *fixture = *state;
    struct task_message message;
    assert_int_equal(read(fixture, "[\"task\"]", "{\"task\": \"t\", \"id\": \"i\"}", &message),
                     TASK_MESSAGE_OK);
    assert_int_equal(message.protocol, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(reads_the_headers_that_celery_sends),
        FIXTURE_TEST(task_and_id_are_enough),
        FIXTURE_TEST(other_headers_pass_by),
        FIXTURE_TEST(of_equal_headers_the_last_counts),
        FIXTURE_TEST(names_the_header_that_is_wrong),
        FIXTURE_TEST(a_bad_message_is_still_named),
        FIXTURE_TEST(endless_limits_are_cut),
        FIXTURE_TEST(turns_protocol_1_into_protocol_2),
        FIXTURE_TEST(own_headers_beat_the_fields_of_the_body),
        FIXTURE_TEST(missing_arguments_are_empty),
        FIXTURE_TEST(classifies_what_is_no_protocol_1),
        FIXTURE_TEST(protocol_1_can_be_too_deep_to_rewrite),
        FIXTURE_TEST(protocol_1_with_an_odd_compression_is_undecodable),
        FIXTURE_TEST(protocol_1_needs_a_content_type_that_we_read),
        FIXTURE_TEST(a_compressed_protocol_1_body_is_rewritten_plain),
        FIXTURE_TEST(a_protocol_1_bomb_is_not_opened),
        FIXTURE_TEST(a_large_protocol_1_body_is_not_opened),
        FIXTURE_TEST(headers_that_are_no_map_are_no_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
