/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/base.h"
#include "worker/consumer/delay.h"

static const struct broker_queue home = {.name = "celery"};

static void stays_end_early(void **state)
{
    (void)state;
    static const struct {
        double left;
        unsigned stay;
    } cases[] = {
        {-5, 0},
        {0, 0},
        {1.9, 0},
        {2, 1},
        {2.9, 1},
        {3, 2},
        {9, 8},
        {17, 8},
        {18, 16},
        {285.9, 128},
        {286, 256},
        {3600, 2048},
        {86400, 65536},
        {2097181, 1048576},
        {2097182, 2097152},
        {1e12, 2097152},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(delay_stay(cases[i].left), cases[i].stay);
}

static void a_year_takes_few_stays(void **state)
{
    (void)state;
    double left = 365 * 86400.0;
    int stays = 0;
    for (; left > 300; stays++)
        left -= delay_stay(left);
    assert_in_range(stays, 15, 35);
    assert_in_range((unsigned)left, 1, 300);
}

static void each_queue_and_priority_has_places_of_its_own(void **state)
{
    (void)state;
    static const struct broker_queue other = {.name = "p3.celery"};
    struct delay delay = {0};
    struct delay_place *plain = delay_place(&delay, &home, -1, 256);
    assert_non_null(plain);
    assert_ptr_equal(delay_place(&delay, &home, -1, 256), plain);
    assert_string_equal(plain->name, "celeriac.delay.256.celery");
    assert_string_equal(delay_place(&delay, &home, 3, 256)->name, "celeriac.delay.256p3.celery");
    assert_string_equal(delay_place(&delay, &home, 0, 256)->name, "celeriac.delay.256p0.celery");
    assert_string_equal(delay_place(&delay, &other, -1, 256)->name, "celeriac.delay.256.p3.celery");
    assert_string_equal(delay_place(&delay, &home, -1, 1)->name, "celeriac.delay.1.celery");
    assert_int_equal(delay.count, 5);
    delay_done(&delay);
    assert_int_equal(delay.count, 0);
}

static void queues_say_how_long_and_where_to(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"x-queue-type", "quorum"},
        {"x-dead-letter-exchange", ""},
        {"x-dead-letter-routing-key", "celery"},
        {"x-dead-letter-strategy", "at-least-once"},
        {"x-overflow", "reject-publish"},
    };
    struct delay delay = {0};
    int64_t ttl = 0;
    const struct broker_queue *queue = &delay_place(&delay, &home, -1, 2097152)->queue;
    assert_string_equal(queue->name, "celeriac.delay.2097152.celery");
    assert_true(queue->durable && !queue->auto_delete && !queue->exclusive);
    assert_string_equal(queue->exchange, queue->name);
    assert_string_equal(queue->exchange_type, "fanout");
    assert_true(value_as_int(value_get(&queue->arguments, "x-message-ttl"), &ttl));
    assert_int_equal(ttl, 2097152000);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct text text = {NULL, 1};
        assert_true(value_as_text(value_get(&queue->arguments, texts[i][0]), &text));
        assert_true(text_equal(text, texts[i][1]));
    }
    assert_int_equal(queue->arguments.via.map.size, 6);
    delay_done(&delay);
}

static void a_name_that_is_too_long_has_no_place(void **state)
{
    (void)state;
    char name[256];
    struct broker_queue queue = {.name = name};
    struct delay delay = {0};
    memset(name, 'q', sizeof(name) - 1);
    name[255 - strlen("celeriac.delay.1024.")] = '\0';
    assert_non_null(delay_place(&delay, &queue, -1, 1024));
    assert_null(delay_place(&delay, &queue, -1, 16384));
    assert_null(delay_place(&delay, &queue, 0, 1024));
    delay_done(&delay);
}

static void places_are_bounded(void **state)
{
    (void)state;
    static struct broker_queue queues[DELAY_PLACES_MAX];
    struct delay delay = {0};
    for (size_t i = 0; i < DELAY_PLACES_MAX; i++) {
        queues[i].name = "q";
        assert_non_null(delay_place(&delay, &queues[i], -1, 1));
    }
    assert_null(delay_place(&delay, &home, -1, 1));
    assert_non_null(delay_place(&delay, &queues[0], -1, 1));
    delay_done(&delay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_end_early),
        cmocka_unit_test(a_year_takes_few_stays),
        cmocka_unit_test(each_queue_and_priority_has_places_of_its_own),
        cmocka_unit_test(queues_say_how_long_and_where_to),
        cmocka_unit_test(a_name_that_is_too_long_has_no_place),
        cmocka_unit_test(places_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
