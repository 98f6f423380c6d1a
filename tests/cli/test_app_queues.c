/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "worker/cli/queues.h"

static char error[QUEUES_ERROR_SIZE];

/* Reads the queues from text that is overwritten before they are looked at. */
static int read_text(const char *text, struct queues *ret)
{
    msgpack_zone *zone = msgpack_zone_new(1024);
    msgpack_object described;
    char *copy = strdup(text);
    size_t size = strlen(copy);
    assert_int_equal(json_decode((struct bytes){copy, size}, zone, &described, NULL), 0);
    int rc = queues_read(&described, NULL, ret, error);
    memset(copy, 'x', size);
    free(copy);
    msgpack_zone_free(zone);
    return rc;
}

static void a_queue_has_what_the_app_gave_it(void **state)
{
    (void)state;
    struct queues queues;
    int64_t number;
    assert_int_equal(
        read_text("[{\"name\": \"fast\", \"routing_key\": \"task.#\", \"exchange\": \"tasks\", "
                  "\"exchange_type\": \"topic\", \"durable\": false, \"auto_delete\": true, "
                  "\"exclusive\": true, \"exchange_durable\": false, "
                  "\"exchange_auto_delete\": true, \"arguments\": {\"x-max-priority\": 5}, "
                  "\"exchange_arguments\": {\"a\": 1}, \"binding_arguments\": {\"b\": 2}, "
                  "\"consumer_arguments\": {\"c\": 3}, \"no_declare\": true}]",
                  &queues),
        0);
    assert_int_equal(queues.count, 1);
    const struct broker_queue *queue = &queues.items[0];
    assert_string_equal(queue->name, "fast");
    assert_string_equal(queue->exchange, "tasks");
    assert_string_equal(queue->exchange_type, "topic");
    assert_string_equal(queue->routing_key, "task.#");
    assert_false(queue->durable);
    assert_true(queue->auto_delete && queue->exclusive && queue->no_declare);
    assert_true(queue->exchange_transient && queue->exchange_auto_delete);
    assert_true(value_as_int(value_get(&queue->arguments, "x-max-priority"), &number));
    assert_int_equal(number, 5);
    assert_true(value_as_int(value_get(&queue->exchange_arguments, "a"), &number));
    assert_true(value_as_int(value_get(&queue->binding_arguments, "b"), &number));
    assert_true(value_as_int(value_get(&queue->consumer_arguments, "c"), &number));
    assert_int_equal(queue->binding_count, 0);
    assert_null(queue->bindings);
    queues_done(&queues);
}

static void what_is_left_out_is_as_in_celery(void **state)
{
    (void)state;
    struct queues queues;
    assert_int_equal(
        read_text("[{\"name\": \"a\"}, {\"name\": \"b\", \"arguments\": null}]", &queues), 0);
    assert_int_equal(queues.count, 2);
    assert_string_equal(queues.items[0].exchange, "");
    assert_string_equal(queues.items[0].exchange_type, "direct");
    assert_true(queues.items[0].durable);
    assert_false(queues.items[0].exchange_transient || queues.items[0].no_declare);
    assert_true(value_is_nil(&queues.items[1].arguments));
    queues_done(&queues);
}

static void several_bindings_are_kept(void **state)
{
    (void)state;
    struct queues queues;
    assert_int_equal(read_text("[{\"name\": \"a\", \"bindings\": ["
                               "{\"exchange\": \"one\", \"exchange_type\": \"topic\", "
                               "\"routing_key\": \"k.*\", \"arguments\": {\"x\": 1}}, "
                               "{\"exchange\": \"two\", \"exchange_durable\": false, "
                               "\"exchange_auto_delete\": true, \"exchange_no_declare\": true, "
                               "\"exchange_arguments\": {\"y\": 1}}]}]",
                               &queues),
                     0);
    const struct broker_queue *queue = &queues.items[0];
    assert_int_equal(queue->binding_count, 2);
    assert_string_equal(queue->bindings[0].exchange, "one");
    assert_string_equal(queue->bindings[0].exchange_type, "topic");
    assert_string_equal(queue->bindings[0].routing_key, "k.*");
    assert_non_null(value_get(&queue->bindings[0].arguments, "x"));
    assert_false(queue->bindings[0].exchange_transient || queue->bindings[0].exchange_auto_delete ||
                 queue->bindings[0].exchange_no_declare);
    assert_string_equal(queue->bindings[1].exchange, "two");
    assert_true(value_is_nil(&queue->bindings[1].arguments));
    assert_true(queue->bindings[1].exchange_transient && queue->bindings[1].exchange_auto_delete &&
                queue->bindings[1].exchange_no_declare);
    assert_non_null(value_get(&queue->bindings[1].exchange_arguments, "y"));
    queues_done(&queues);
}

static void other_queues_are_known_behind_the_consumed_ones(void **state)
{
    (void)state;
    struct queues queues;
    msgpack_zone *zone = msgpack_zone_new(1024);
    msgpack_object consumed, others;
    const char *text = "[{\"name\": \"a\"}]", *other = "[{\"name\": \"b\"}, {\"name\": \"c\"}]";
    assert_int_equal(json_decode((struct bytes){text, strlen(text)}, zone, &consumed, NULL), 0);
    assert_int_equal(json_decode((struct bytes){other, strlen(other)}, zone, &others, NULL), 0);
    assert_int_equal(queues_read(&consumed, &others, &queues, error), 0);
    assert_int_equal(queues.count, 1);
    assert_int_equal(queues.known, 3);
    assert_string_equal(queues.items[0].name, "a");
    assert_string_equal(queues.items[2].name, "c");
    queues_done(&queues);
    msgpack_zone_free(zone);
}

static void what_cannot_be_a_queue_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[]", "-X"},
        {"{}", "-X"},
        {"[{}]", "without a name"},
        {"[1]", "without a name"},
        {"[{\"name\": 3}]", "number 1"},
        {"[{\"name\": \"a\"}, {\"name\": \"b\", \"durable\": 1}]", "b (number 2)"},
        {"[{\"name\": \"a\", \"arguments\": []}]", "a (number 1)"},
        {"[{\"name\": \"a\", \"bindings\": {}}]", "a (number 1)"},
        {"[{\"name\": \"a\", \"bindings\": [{\"exchange\": 1}]}]", "a (number 1)"},
    };
    struct queues queues;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_text(cases[i].text, &queues), -1);
        assert_non_null(strstr(error, cases[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_has_what_the_app_gave_it),
        cmocka_unit_test(what_is_left_out_is_as_in_celery),
        cmocka_unit_test(several_bindings_are_kept),
        cmocka_unit_test(other_queues_are_known_behind_the_consumed_ones),
        cmocka_unit_test(what_cannot_be_a_queue_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
