/* SPDX-License-Identifier: BSD-3-Clause */
/* What real Celery sent, against what it was asked to send. */

#include "tests/codec/vectors.h"

#include "codec/compression.h"
#include "codec/task_body.h"

enum { LIMIT = 1 << 20, VECTORS_AT_LEAST = 80 };

static void check_text(const struct vector *vector, const char *key, struct text actual)
{
    struct text expected = vector_text(vector->expected, key);
    if (actual.size != expected.size ||
        (expected.size > 0 && memcmp(actual.data, expected.data, expected.size) != 0))
        fail_msg("%s: %s is '%.*s', not '%.*s'", vector->path, key, (int)actual.size, actual.data,
                 (int)expected.size, expected.data);
}

static void check_number(const struct vector *vector, const char *key, double actual)
{
    double expected = 0;
    (void)value_as_double(value_get(vector->expected, key), &expected);
    if (actual != expected)
        fail_msg("%s: %s is %f, not %f", vector->path, key, actual, expected);
}

static void check_json(const struct vector *vector, const char *key, const msgpack_object *actual)
{
    struct buffer json;
    buffer_init(&json, LIMIT);
    assert_int_equal(json_encode(actual, &json), 0);
    check_text(vector, key, (struct text){(const char *)json.data, json.size});
    buffer_done(&json);
}

/* The names of the tasks in a list of signatures. */
static void check_signatures(const struct vector *vector, const char *key,
                             const msgpack_object *actual)
{
    const msgpack_object *expected = value_get(vector->expected, key);
    if (value_is_nil(expected)) {
        assert_true(value_is_nil(actual));
        return;
    }
    assert_int_equal(actual->type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(actual->via.array.size, expected->via.array.size);
    for (size_t i = 0; i < expected->via.array.size; i++) {
        struct text name;
        struct text task = vector_text(value_at(actual, i), "task");
        assert_true(value_as_text(value_at(expected, i), &name));
        assert_int_equal(task.size, name.size);
        assert_memory_equal(task.data, name.data, name.size);
    }
}

static void check_headers(const struct vector *vector, const struct task_message *message)
{
    check_text(vector, "task", message->task);
    check_text(vector, "id", message->id);
    check_text(vector, "shadow", message->shadow);
    check_text(vector, "group", message->group);
    check_text(vector, "compression", message->compression);
    if (value_get(vector->expected, "root_id") != NULL) {
        check_text(vector, "root_id", message->root_id);
        check_text(vector, "parent_id", message->parent_id);
    }
    check_number(vector, "protocol", message->protocol);
    check_number(vector, "retries", (double)message->retries);
    check_number(vector, "hard", message->hard_limit);
    check_number(vector, "soft", message->soft_limit);
    check_number(vector, "eta", message->has_eta ? (double)message->eta : 0);
    check_number(vector, "expires", message->has_expires ? (double)message->expires : 0);
}

static void check_body(struct fixture *fixture, const struct vector *vector,
                       const struct task_message *message)
{
    struct task_body body;
    struct task_body_source source = {.content_type = message->content_type,
                                      .content_encoding = message->content_encoding,
                                      .compression = message->compression,
                                      .body = message->body,
                                      .limit = LIMIT};
    assert_int_equal(
        task_body_read(&source, &fixture->buffer, &fixture->zone, &body, &fixture->reason), 0);
    check_json(vector, "args_json", &body.args);
    check_json(vector, "kwargs_json", &body.kwargs);
    check_signatures(vector, "callbacks", &body.callbacks);
    check_signatures(vector, "errbacks", &body.errbacks);
    check_signatures(vector, "chain", &body.chain);
    check_text(vector, "chord", vector_text(&body.chord, "task"));
}

static bool is_built_in(const struct vector *vector)
{
    struct text name = vector_text(vector->source.headers, "compression");
    return name.size == 0 || compression_find(name) != NULL;
}

static void check(struct fixture *fixture, const struct vector *vector)
{
    struct task_message message;
    if (!is_built_in(vector))
        return;
    enum task_message_kind kind =
        task_message_read(&vector->source, &fixture->zone, &message, &fixture->reason);
    if (kind != TASK_MESSAGE_OK)
        fail_msg("%s: %s", vector->path, fixture->reason.text);
    check_headers(vector, &message);
    check_body(fixture, vector, &message);
}

static void every_recorded_message_reads_as_it_was_sent(void **state)
{
    (void)state;
    assert_in_range(for_each_vector(check), VECTORS_AT_LEAST, 1000);
}

/* JSON that was read and written again has the very bytes that Python wrote. */
static void check_bytes(struct fixture *fixture, const struct vector *vector)
{
    msgpack_object body;
    if (!text_equal(vector->source.content_type, "application/json") ||
        value_get(vector->source.headers, "compression") != NULL)
        return;
    assert_int_equal(json_decode(vector->source.body, &fixture->zone, &body, NULL), 0);
    assert_int_equal(json_encode(&body, &fixture->buffer), 0);
    assert_bytes_equal(buffer_bytes(&fixture->buffer), vector->source.body.data,
                       vector->source.body.size);
}

static void json_is_written_as_it_was_read(void **state)
{
    (void)state;
    assert_in_range(for_each_vector(check_bytes), VECTORS_AT_LEAST, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_message_reads_as_it_was_sent),
        cmocka_unit_test(json_is_written_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
