/* SPDX-License-Identifier: BSD-3-Clause */
/* Which channel is next, and whose a delivery is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/lanes.h"

enum { BODY_MAX = 1024 };

static void start(struct lanes *lanes)
{
    struct delivery_store *store = delivery_store_new();
    assert_non_null(store);
    assert_true(lanes_init(lanes, store, BODY_MAX));
}

static void end(struct lanes *lanes)
{
    struct delivery_store *store = lanes->store;
    lanes_done(lanes);
    delivery_store_free(store);
}

static void deliver(struct lane *lane, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(settle_delivered(&lane->settle, ++lane->last_tag));
}

static void settle(struct lane *lane, uint64_t first, uint64_t last)
{
    struct settle_op op;
    for (uint64_t tag = first; tag <= last; tag++)
        settle_mark(&lane->settle, tag, BROKER_ACK);
    while (settle_next(&lane->settle, &op))
        continue;
}

static void moves_when_enough_will_last(void **state)
{
    struct lanes lanes;
    (void)state;
    start(&lanes);
    deliver(lanes.current, LANE_FULL + 99);
    assert_false(lanes_full(&lanes, 0));
    assert_false(lanes_full(&lanes, LANE_FULL - 1));
    assert_true(lanes_full(&lanes, LANE_FULL));
    struct lane *next = lanes_next(&lanes);
    assert_ptr_not_equal(next, lanes.current);
    assert_false(next->open);
    lanes.current = next;
    assert_false(lanes_full(&lanes, LANE_FULL));
    deliver(next, 100);
    assert_false(lanes_full(&lanes, LANE_FULL));
    assert_int_equal(lanes_unsettled(&lanes), LANE_FULL + 199);
    end(&lanes);
}

static void no_lane_has_the_channel_of_topology_or_control(void **state)
{
    struct lanes lanes;
    (void)state;
    start(&lanes);
    assert_true(lanes.current->open);
    for (amqp_channel_t channel = 0; channel < 10; channel++) {
        struct lane *lane = lanes_of_channel(&lanes, channel);
        assert_ptr_equal(lane, channel == 1 ? lanes.current : NULL);
    }
    deliver(lanes.current, LANE_FULL);
    assert_int_equal(lanes_next(&lanes)->channel, 4);
    assert_ptr_equal(lanes_of_channel(&lanes, 4), lanes.all[1]);
    end(&lanes);
}

static void a_name_leads_to_its_lane_and_tag(void **state)
{
    struct lanes lanes;
    uint64_t tag = 0;
    (void)state;
    start(&lanes);
    deliver(lanes.current, LANE_FULL);
    struct lane *second = lanes_next(&lanes);
    assert_int_equal(lanes_name(lanes.all[0], 7), 7);
    assert_true(lanes_name(second, 7) != 7);
    assert_ptr_equal(lanes_of_name(&lanes, lanes_name(second, 7), &tag), second);
    assert_int_equal(tag, 7);
    end(&lanes);
}

static void lanes_that_are_nearly_empty_are_used_again(void **state)
{
    struct lanes lanes;
    (void)state;
    start(&lanes);
    deliver(lanes.all[0], LANE_FULL);
    lanes.current = lanes_next(&lanes);
    deliver(lanes.all[1], LANE_FULL);
    settle(lanes.all[0], 1, LANE_FULL - 3);
    assert_ptr_equal(lanes_next(&lanes), lanes.all[0]);
    assert_int_equal(lanes.count, 2);
    end(&lanes);
}

static void stays_where_it_is_when_all_are_full(void **state)
{
    struct lanes lanes;
    (void)state;
    start(&lanes);
    lanes_limit(&lanes, 0);
    lanes_limit(&lanes, 10);
    for (size_t i = 0; i < 8; i++) {
        deliver(lanes.current, LANE_FULL);
        struct lane *next = lanes_next(&lanes);
        assert_true((i < 7) == (next != NULL));
        if (next) {
            assert_in_range(next->channel, 4, 10);
            lanes.current = next;
        }
    }
    settle(lanes.all[3], 1, LANE_FULL - 100);
    assert_ptr_equal(lanes_next(&lanes), lanes.all[3]);
    end(&lanes);
}

static void a_lost_connection_empties_all(void **state)
{
    struct lanes lanes;
    (void)state;
    start(&lanes);
    deliver(lanes.current, LANE_FULL);
    lanes.current = lanes_next(&lanes);
    lanes.current->open = true;
    deliver(lanes.current, 5);
    settle_mark(&lanes.current->settle, 2, BROKER_ACK);
    assert_true(lanes_pending(&lanes));
    lanes_clear(&lanes);
    assert_ptr_equal(lanes.current, lanes.all[0]);
    assert_true(lanes.all[0]->open);
    assert_false(lanes.all[1]->open);
    assert_int_equal(lanes_unsettled(&lanes), 0);
    assert_false(lanes_pending(&lanes));
    deliver(lanes.all[1], 1); /* tags start at 1 again */
    end(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_when_enough_will_last),
        cmocka_unit_test(no_lane_has_the_channel_of_topology_or_control),
        cmocka_unit_test(a_name_leads_to_its_lane_and_tag),
        cmocka_unit_test(lanes_that_are_nearly_empty_are_used_again),
        cmocka_unit_test(stays_where_it_is_when_all_are_full),
        cmocka_unit_test(a_lost_connection_empties_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
