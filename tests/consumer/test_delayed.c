/* SPDX-License-Identifier: BSD-3-Clause */
/* The delay line as Celery 5.6.3 declares it (celery-wire.md 1.8). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/delayed.h"

enum { KNOWN = 3, CONSUMED = 2 };

static const struct broker_queue known[KNOWN] = {
    {.name = "jobs", .exchange = "jobs", .exchange_type = "topic", .routing_key = "job"},
    {.name = "celery", .exchange = "celery", .exchange_type = "direct", .routing_key = "celery"},
    {.name = "all", .exchange = "all", .exchange_type = "topic", .routing_key = "#.all"},
};

static struct delayed line_of(msgpack_zone *zone, const char *queue_type)
{
    struct delayed delayed;
    assert_true(delayed_make(zone, queue_type, known, KNOWN, CONSUMED, &delayed));
    return delayed;
}

static const struct broker_queue *queue_named(const struct delayed *delayed, const char *name)
{
    for (size_t i = CONSUMED; i < delayed->queue_count; i++)
        if (strcmp(delayed->queues[i].name, name) == 0)
            return &delayed->queues[i];
    return NULL;
}

static bool is_linked(const struct delayed *delayed, const char *source, const char *name,
                      const char *key)
{
    for (size_t i = 0; i < delayed->exchange_count; i++) {
        const struct broker_exchange *one = &delayed->exchanges[i];
        if (strcmp(one->source, source) == 0 && strcmp(one->name, name) == 0 &&
            strcmp(one->source_key, key) == 0)
            return one->late;
    }
    return false;
}

static void assert_argument(const struct broker_queue *queue, const char *key, const char *value)
{
    struct text text = {NULL, 0};
    value_as_text(value_get(&queue->arguments, key), &text);
    assert_true(text_equal(text, value));
}

static void each_level_is_twice_as_long_and_leads_to_the_next(void **state)
{
    (void)state;
    msgpack_zone *zone = msgpack_zone_new(1024);
    struct delayed delayed = line_of(zone, "quorum");
    static const struct {
        const char *name, *key, *next;
        int64_t ttl;
    } rows[] = {
        {"celery_delayed_27", "1.#", "celery_delayed_26", INT64_C(134217728000)},
        {"celery_delayed_26", "*.1.#", "celery_delayed_25", INT64_C(67108864000)},
        {"celery_delayed_0", "*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.1.#",
         "celery_delayed_delivery", 1000},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct broker_queue *queue = queue_named(&delayed, rows[i].name);
        int64_t ttl = 0;
        assert_non_null(queue);
        assert_string_equal(queue->exchange, rows[i].name);
        assert_string_equal(queue->exchange_type, "topic");
        assert_string_equal(queue->routing_key, rows[i].key);
        assert_true(queue->durable && queue->late && queue->declare_only);
        assert_true(value_as_int(value_get(&queue->arguments, "x-message-ttl"), &ttl));
        assert_int_equal(ttl, rows[i].ttl);
        assert_argument(queue, "x-dead-letter-exchange", rows[i].next);
        assert_argument(queue, "x-queue-type", "quorum");
        assert_argument(queue, "x-overflow", "reject-publish");
        assert_argument(queue, "x-dead-letter-strategy", "at-least-once");
        assert_int_equal(queue->arguments.via.map.size, 5);
    }
    assert_true(is_linked(&delayed, "celery_delayed_27", "celery_delayed_26", "0.#"));
    assert_true(is_linked(&delayed, "celery_delayed_26", "celery_delayed_25", "*.0.#"));
    assert_true(is_linked(&delayed, "celery_delayed_0", "celery_delayed_delivery",
                          "*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.0.#"));
    msgpack_zone_free(zone);
}

static void classic_levels_have_no_strategy(void **state)
{
    (void)state;
    msgpack_zone *zone = msgpack_zone_new(1024);
    struct delayed delayed = line_of(zone, "classic");
    const struct broker_queue *queue = queue_named(&delayed, "celery_delayed_9");
    assert_argument(queue, "x-queue-type", "classic");
    assert_int_equal(queue->arguments.via.map.size, 4);
    msgpack_zone_free(zone);
}

static void task_queues_are_bound_unless_their_exchange_is_direct(void **state)
{
    (void)state;
    msgpack_zone *zone = msgpack_zone_new(1024);
    struct delayed delayed = line_of(zone, "quorum");
    assert_int_equal(delayed.queue_count, CONSUMED + DELAYED_LEVELS + 2);
    assert_int_equal(delayed.exchange_count, DELAYED_LEVELS + 2);
    assert_memory_equal(delayed.queues, known, CONSUMED * sizeof(*known));
    assert_string_equal(queue_named(&delayed, "jobs")->routing_key, "#.job");
    assert_true(queue_named(&delayed, "jobs")->bind_only);
    assert_string_equal(queue_named(&delayed, "all")->routing_key, "#.all");
    assert_null(queue_named(&delayed, "celery"));
    assert_true(is_linked(&delayed, "celery_delayed_delivery", "jobs", "#.job"));
    assert_true(is_linked(&delayed, "celery_delayed_delivery", "all", "#.all"));
    msgpack_zone_free(zone);
}

static void one_quorum_queue_asks_for_the_line(void **state)
{
    (void)state;
    msgpack_object_kv pair = {value_string("x-queue-type"), value_string("quorum")};
    struct broker_queue queues[] = {known[0], known[1]};
    assert_false(delayed_is_wanted(queues, ARRAY_LEN(queues)));
    queues[1].arguments = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
    assert_true(delayed_is_wanted(queues, ARRAY_LEN(queues)));
    pair.val = value_string("stream");
    assert_false(delayed_is_wanted(queues, ARRAY_LEN(queues)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_level_is_twice_as_long_and_leads_to_the_next),
        cmocka_unit_test(classic_levels_have_no_strategy),
        cmocka_unit_test(task_queues_are_bound_unless_their_exchange_is_direct),
        cmocka_unit_test(one_quorum_queue_asks_for_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
