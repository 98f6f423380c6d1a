/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/route.h"

static void address_follows_celerys_rules(void **state)
{
    (void)state;
    static const struct {
        struct celeriac_client_config config;
        struct celeriac_call call;
        struct route route; /* queue, exchange, key */
    } cases[] = {
        {.route = {"celery", "", "celery"}},
        {.call = {.queue = "q"}, .route = {"q", "", "q"}},
        {.call = {.queue = ""}, .route = {"celery", "", "celery"}},
        {.config = {.task_default_queue = "d"}, .route = {"d", "", "d"}},
        {.call = {.exchange = "e", .routing_key = "k"}, .route = {"celery", "e", "k"}},
        {.call = {.routing_key = "k"}, .route = {"celery", "", "celery"}},
        {.call = {.exchange = "e", .queue = "q"}, .route = {"q", "", "q"}},
        {.config = {.task_default_exchange_type = "topic"},
         .route = {"celery", "celery", "celery"}},
        {.config = {.task_default_exchange_type = "topic", .task_default_exchange = "e"},
         .call = {.routing_key = "k"},
         .route = {"celery", "e", "k"}},
        {.config = {.task_default_exchange_type = "topic"},
         .call = {.queue = "q"},
         .route = {"q", "", "q"}},
        {.config = {.task_create_missing_queue_exchange_type = "fanout"},
         .call = {.queue = "q"},
         .route = {"q", "q", "q"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route route;
        route_find(&cases[i].config, &cases[i].call, &route);
        assert_string_equal(route.queue, cases[i].route.queue);
        assert_string_equal(route.exchange, cases[i].route.exchange);
        assert_string_equal(route.routing_key, cases[i].route.routing_key);
    }
}

static void assert_argument(const struct broker_queue *queue, const char *name, const char *text)
{
    struct text value;
    assert_true(value_as_text(value_get(&queue->arguments, name), &value));
    assert_true(text_equal(value, text));
}

static void queue_is_declared_as_the_settings_say(void **state)
{
    (void)state;
    const struct celeriac_client_config config = {
        .task_default_queue = "d",
        .task_default_exchange = "e",
        .task_default_exchange_type = "topic",
        .task_default_routing_key = "k",
        .task_default_queue_type = "quorum",
        .task_queue_max_priority = 9,
    };
    struct broker_queue queue;
    int64_t most;
    msgpack_zone *zone = msgpack_zone_new(1024);
    assert_true(route_queue(&config, "d", zone, &queue));
    assert_string_equal(queue.name, "d");
    assert_string_equal(queue.exchange, "e");
    assert_string_equal(queue.exchange_type, "topic");
    assert_string_equal(queue.routing_key, "k");
    assert_true(queue.durable && queue.declare_only);
    assert_argument(&queue, "x-queue-type", "quorum");
    assert_true(value_as_int(value_get(&queue.arguments, "x-max-priority"), &most) && most == 9);
    assert_true(route_queue(&config, "other", zone, &queue));
    assert_string_equal(queue.exchange, "other");
    assert_string_equal(queue.exchange_type, "direct");
    assert_null(value_get(&queue.arguments, "x-queue-type"));
    msgpack_zone_free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_follows_celerys_rules),
        cmocka_unit_test(queue_is_declared_as_the_settings_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
