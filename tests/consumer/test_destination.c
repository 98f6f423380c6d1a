/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/destination.h"

#define BITS_5   "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.1."
#define BITS_MAX "1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1."

enum { QUEUES = 6, CONSUMED = 2, MADE_MAX = 1024 };

static const struct broker_binding bindings[] = {
    {.exchange = "many", .exchange_type = "topic", .routing_key = "a.*"},
    {.exchange = "many", .exchange_type = "topic", .routing_key = "b.#"},
};

static const struct broker_queue queues[QUEUES] = {
    {.name = "celery", .exchange = "celery", .exchange_type = "direct", .routing_key = "celery"},
    {.name = "feeds", .exchange = "feeds", .exchange_type = "topic", .routing_key = "feed.#"},
    {.name = "bcast.1",
     .alias = "all",
     .exchange = "all",
     .exchange_type = "fanout",
     .routing_key = "celery",
     .no_declare = true},
    {.name = "bare", .exchange = "", .exchange_type = "topic", .routing_key = ""},
    {.name = "one", .exchange = "ones", .exchange_type = "topic", .routing_key = "one"},
    {.name = "many",
     .exchange = "celery",
     .exchange_type = "direct",
     .routing_key = "celery",
     .bindings = bindings,
     .binding_count = ARRAY_LEN(bindings)},
};

static const struct broker_queue missing = {.exchange_type = "direct", .durable = true};

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static struct destinations made_with(bool delayed, const struct broker_queue *template)
{
    struct destinations destinations;
    destinations_init(&destinations, &(struct destination_rules){.queues = queues,
                                                                 .queue_count = QUEUES,
                                                                 .consumed_count = CONSUMED,
                                                                 .missing = template,
                                                                 .delayed = delayed});
    return destinations;
}

static void assert_at(const struct destination *destination, const char *exchange, const char *key)
{
    assert_true(text_equal(destination->exchange, exchange));
    assert_true(text_equal(destination->routing_key, key));
}

static void a_queue_is_reached_as_its_exchange_has_it(void **state)
{
    (void)state;
    static const struct {
        const char *queue, *key, *exchange, *routing_key;
        bool declared;
    } rows[] = {
        {"celery", "", "", "celery", false}, /* consumed: it is there */
        {"celery", "other", "", "celery", false},
        {"feeds", "", "feeds", "feed.#", false},
        {"feeds", "feed.x", "feeds", "feed.x", false},
        {"all", "", "all", "celery", false}, /* each worker declares its own */
        {"bare", "", "", "bare", true},
        {"one", "", "ones", "one", true},
        {"many", "", "", "many", true},
        {"new", "", "", "new", true},
    };
    struct destinations destinations = made_with(false, &missing);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct destination found;
        assert_int_equal(destination_of_queue(&destinations, text_of(rows[i].queue),
                                              text_of(rows[i].key), &found),
                         0);
        assert_at(&found, rows[i].exchange, rows[i].routing_key);
        assert_int_equal(found.declare != NULL, rows[i].declared);
    }
    destinations_done(&destinations);
}

static void a_missing_queue_is_made_once_and_stays_where_it_is(void **state)
{
    (void)state;
    struct destinations destinations = made_with(false, &missing);
    struct destination first, again;
    assert_int_equal(destination_of_queue(&destinations, text_of("q0"), text_of(""), &first), 0);
    assert_string_equal(first.declare->name, "q0");
    assert_string_equal(first.declare->exchange, "q0");
    assert_string_equal(first.declare->routing_key, "q0");
    assert_true(first.declare->durable);
    for (int i = 0; i < MADE_MAX; i++) {
        char name[16];
        snprintf(name, sizeof(name), "q%d", i);
        assert_int_equal(destination_of_queue(&destinations, text_of(name), text_of(""), &again),
                         0);
    }
    assert_int_equal(destination_of_queue(&destinations, text_of("q0"), text_of(""), &again), 0);
    assert_ptr_equal(again.declare, first.declare);
    assert_int_equal(destination_of_queue(&destinations, text_of("last"), text_of(""), &again),
                     DESTINATION_EFULL);
    destinations_done(&destinations);
}

static void an_unknown_queue_is_an_error_where_none_is_made(void **state)
{
    (void)state;
    struct destinations destinations = made_with(false, NULL);
    struct destination found;
    assert_int_equal(destination_of_queue(&destinations, text_of("new"), text_of(""), &found),
                     DESTINATION_UNKNOWN);
    assert_non_null(strstr(destination_strerror(DESTINATION_UNKNOWN), "task_queues"));
    destinations_done(&destinations);
}

static void delays_go_where_the_line_leads_back(void **state)
{
    (void)state;
    static const struct {
        const char *exchange, *key;
        int64_t seconds;
        const char *delayed; /* NULL: it is not */
    } rows[] = {
        {"feeds", "feed.x.y", 5, BITS_5 "feed.x.y"},
        {"feeds", "feed", 5, BITS_5 "feed"},
        {"feeds", "other", 5, NULL}, /* nothing is bound for that key */
        {"feeds", "feed.x", 0, NULL},
        {"feeds", "feed.x", (1 << 28) - 1, BITS_MAX "feed.x"},
        {"feeds", "feed.x", 1 << 28, NULL},
        {"many", "a.x", 5, BITS_5 "a.x"},
        {"many", "a.x.y", 5, NULL},
        {"many", "b", 5, BITS_5 "b"},
        {"many", "b.x.y", 5, BITS_5 "b.x.y"},
        {"celery", "celery", 5, NULL}, /* direct */
        {"", "celery", 5, NULL},
        {"unknown", "feed.x", 5, NULL},
        /* What has come through it. */
        {"celery_delayed_delivery", BITS_5 "feed.x", 5, BITS_5 "feed.x"},
        {"celery_delayed_3", BITS_MAX "one", 5, BITS_5 "one"},
    };
    struct destinations destinations = made_with(true, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct destination found;
        destination_of_exchange(text_of(rows[i].exchange), text_of(rows[i].key), &found);
        destination_delay(&destinations, rows[i].seconds, &found);
        if (rows[i].delayed != NULL)
            assert_at(&found, "celery_delayed_27", rows[i].delayed);
        else
            assert_at(&found, rows[i].exchange, rows[i].key);
    }
    destinations_done(&destinations);
}

static void a_retry_without_delay_leaves_the_line(void **state)
{
    (void)state;
    struct destinations destinations = made_with(true, NULL);
    struct destination found;
    destination_of_exchange(text_of("celery_delayed_0"), text_of(BITS_5 "feed.x"), &found);
    destination_delay(&destinations, 0, &found);
    assert_at(&found, "celery_delayed_delivery", "feed.x");
    destinations_done(&destinations);
}

static void there_is_no_delay_without_a_line(void **state)
{
    (void)state;
    struct destinations destinations = made_with(false, NULL);
    struct destination found;
    destination_of_exchange(text_of("feeds"), text_of("feed.x"), &found);
    destination_delay(&destinations, 5, &found);
    assert_at(&found, "feeds", "feed.x");
    destinations_done(&destinations);
}

static void a_key_that_would_be_too_long_is_not_delayed(void **state)
{
    (void)state;
    struct destinations destinations = made_with(true, NULL);
    char key[201] = "feed.";
    struct destination found;
    memset(key + 5, 'x', 195); /* 200 and 56 are one too many */
    destination_of_exchange(text_of("feeds"), text_of(key), &found);
    destination_delay(&destinations, 5, &found);
    assert_at(&found, "feeds", key);
    key[199] = '\0';
    destination_of_exchange(text_of("feeds"), text_of(key), &found);
    destination_delay(&destinations, 5, &found);
    assert_int_equal(found.routing_key.size, 255);
    destinations_done(&destinations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_is_reached_as_its_exchange_has_it),
        cmocka_unit_test(a_missing_queue_is_made_once_and_stays_where_it_is),
        cmocka_unit_test(an_unknown_queue_is_an_error_where_none_is_made),
        cmocka_unit_test(delays_go_where_the_line_leads_back),
        cmocka_unit_test(a_retry_without_delay_leaves_the_line),
        cmocka_unit_test(there_is_no_delay_without_a_line),
        cmocka_unit_test(a_key_that_would_be_too_long_is_not_delayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
