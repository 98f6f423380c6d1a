/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/control.h"

static const struct text json = {"application/json", 16};

static int read_text(const char *body, msgpack_zone *zone, struct control_message *ret,
                     struct codec_reason *reason)
{
    return control_read(json, (struct bytes){body, strlen(body)}, zone, ret, reason);
}

static void reads_a_command_of_celerys(void **state)
{
    (void)state;
    static const char body[] =
        "{\"method\": \"revoke\", \"arguments\": {\"task_id\": \"a\", \"terminate\": true}, "
        "\"destination\": [\"w1@vm\"], \"pattern\": null, \"matcher\": null, \"ticket\": \"t-1\", "
        "\"reply_to\": {\"exchange\": \"reply.celery.pidbox\", \"routing_key\": \"k-1\"}}";
    msgpack_zone zone;
    struct control_message message;
    assert_true(msgpack_zone_init(&zone, 2048));
    assert_int_equal(read_text(body, &zone, &message, NULL), 0);
    assert_true(text_equal(message.method, "revoke"));
    assert_int_equal(message.arguments.via.map.size, 2);
    assert_int_equal(message.destination.type, MSGPACK_OBJECT_ARRAY);
    assert_null(message.pattern.data);
    struct text ticket;
    assert_true(value_as_text(&message.ticket, &ticket));
    assert_true(text_equal(ticket, "t-1"));
    assert_true(text_equal(message.reply_exchange, "reply.celery.pidbox"));
    assert_true(text_equal(message.reply_key, "k-1"));
    msgpack_zone_destroy(&zone);
}

static void what_is_empty_counts_as_missing(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"method\": \"ping\"}",
        "{\"method\": \"ping\", \"arguments\": null, \"destination\": [], \"reply_to\": null}",
        "{\"method\": \"ping\", \"arguments\": {}, \"destination\": \"\", \"reply_to\": {}}",
        "{\"method\": \"ping\", \"arguments\": []}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        msgpack_zone zone;
        struct control_message message;
        assert_true(msgpack_zone_init(&zone, 2048));
        assert_int_equal(read_text(bodies[i], &zone, &message, NULL), 0);
        assert_int_equal(message.arguments.type, MSGPACK_OBJECT_MAP);
        assert_int_equal(message.arguments.via.map.size, 0);
        assert_true(value_is_nil(&message.destination));
        assert_true(value_is_nil(&message.ticket));
        assert_null(message.reply_key.data);
        msgpack_zone_destroy(&zone);
    }
}

static void refuses_what_is_no_command(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "[]",
        "{}",
        "{\"method\": 5}",
        "{\"method\": \"ping\", \"arguments\": [1]}",
        "{\"method\": \"ping\", \"destination\": 5}",
        "{\"method\": \"ping\", \"reply_to\": \"queue\"}",
        "{\"method\": \"ping\", \"reply_to\": {\"exchange\": \"e\"}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        msgpack_zone zone;
        struct control_message message;
        struct codec_reason reason = {""};
        assert_true(msgpack_zone_init(&zone, 2048));
        assert_int_equal(read_text(bodies[i], &zone, &message, &reason), CODEC_ETYPE);
        assert_true(reason.text[0] != '\0');
        msgpack_zone_destroy(&zone);
    }
}

static void opens_neither_pickle_nor_what_is_too_large(void **state)
{
    (void)state;
    msgpack_zone zone;
    struct control_message message;
    assert_true(msgpack_zone_init(&zone, 2048));
    char *large = malloc(CONTROL_BODY_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', CONTROL_BODY_MAX + 1);
    assert_int_equal(
        control_read(json, (struct bytes){large, CONTROL_BODY_MAX + 1}, &zone, &message, NULL),
        CODEC_ETOOBIG);
    free(large);
    static const struct text pickle = {"application/x-python-serialize", 30};
    assert_int_equal(control_read(pickle, (struct bytes){"x", 1}, &zone, &message, NULL),
                     CODEC_EUNSUPPORTED);
    msgpack_zone_destroy(&zone);
}

static void a_reply_bears_the_nodes_name(void **state)
{
    (void)state;
    struct buffer buffer;
    const msgpack_object value = value_string("pong");
    buffer_init(&buffer, 1024);
    assert_int_equal(control_write_reply("w1@vm", &value, serializer_by_name("json"), &buffer), 0);
    static const char expected[] = "{\"w1@vm\": \"pong\"}";
    assert_int_equal(buffer.size, strlen(expected));
    assert_memory_equal(buffer.data, expected, buffer.size);
    buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_command_of_celerys),
        cmocka_unit_test(what_is_empty_counts_as_missing),
        cmocka_unit_test(refuses_what_is_no_command),
        cmocka_unit_test(opens_neither_pickle_nor_what_is_too_large),
        cmocka_unit_test(a_reply_bears_the_nodes_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
