/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/consumer/delay.h"

static unsigned seconds_for(const struct delay *delay, double seconds)
{
    const struct delay_rung *rung = delay_find(delay, seconds);
    return rung != NULL ? rung->seconds : 0;
}

static void finds_the_longest_stay_that_is_not_too_long(void **state)
{
    (void)state;
    struct delay delay;
    delay_init(&delay, 300);
    assert_int_equal(seconds_for(&delay, 299.9), 0);
    assert_int_equal(seconds_for(&delay, 300), 300);
    assert_int_equal(seconds_for(&delay, 599), 300);
    assert_int_equal(seconds_for(&delay, 601), 600);
    assert_int_equal(seconds_for(&delay, 3600), 2400);
    assert_int_equal(seconds_for(&delay, 1e9), 76800);
}

static void a_month_takes_few_stays(void **state)
{
    (void)state;
    struct delay delay;
    delay_init(&delay, 300);
    double left = 30 * 86400.0;
    int stays = 0;
    for (; left > 300; stays++)
        left -= seconds_for(&delay, left);
    assert_in_range(stays, 1, 45);
}

static void every_hold_has_a_ladder(void **state)
{
    (void)state;
    struct delay delay;
    delay_init(&delay, 0.2);
    assert_int_equal(seconds_for(&delay, 1.1), 1);
    assert_int_equal(seconds_for(&delay, 5), 4);
    delay_init(&delay, 1e9);
    assert_int_equal(seconds_for(&delay, 2e9), 7 * 86400);
}

static void queues_say_how_long_and_where_to(void **state)
{
    (void)state;
    struct delay delay;
    int64_t ttl = 0;
    struct text exchange = {NULL, 1};
    delay_init(&delay, 300);
    const struct broker_queue *queue = &delay.rungs[1].queue;
    assert_string_equal(queue->name, "celeriac.delay.600");
    assert_string_equal(queue->exchange, "celeriac.delay.600");
    assert_string_equal(queue->exchange_type, "fanout");
    assert_true(queue->durable);
    assert_true(value_as_int(value_get(&queue->arguments, "x-message-ttl"), &ttl));
    assert_int_equal(ttl, 600000);
    assert_true(value_as_text(value_get(&queue->arguments, "x-dead-letter-exchange"), &exchange));
    assert_int_equal(exchange.size, 0);
    /* The sender's routing key is the way back. */
    assert_null(value_get(&queue->arguments, "x-dead-letter-routing-key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_longest_stay_that_is_not_too_long),
        cmocka_unit_test(a_month_takes_few_stays),
        cmocka_unit_test(every_hold_has_a_ladder),
        cmocka_unit_test(queues_say_how_long_and_where_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
