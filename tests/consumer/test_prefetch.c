/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces of work in, windows out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/base.h"
#include "worker/consumer/prefetch.h"

enum { CHILDREN = 2 };

static uint32_t window_of(const struct prefetch *prefetch)
{
    return prefetch_window(prefetch, &(struct prefetch_hand){0});
}

static uint32_t window_with(const struct prefetch *prefetch, size_t held, size_t parking)
{
    return prefetch_window(prefetch, &(struct prefetch_hand){.held = held, .parking = parking});
}

static struct prefetch automatic(void)
{
    struct prefetch prefetch;
    prefetch_init(&prefetch, CHILDREN, 0, true, 0, false);
    return prefetch;
}

/* So many tasks of one length on all children; `gap` is lost between two of them. The time after
 * them. */
static double run(struct prefetch *prefetch, double now, unsigned count, double length, double gap)
{
    for (unsigned i = 0; i < count; i++) {
        now += (length + gap) / CHILDREN;
        prefetch_arrived(prefetch, false);
        prefetch_ended(prefetch, now, length);
    }
    return now;
}

static void a_number_is_celerys(void **state)
{
    (void)state;
    struct prefetch prefetch;
    prefetch_init(&prefetch, CHILDREN, 8, false, 0, false);
    assert_int_equal(window_of(&prefetch), 8);
    run(&prefetch, 1, 1000, 0.0001, 0);
    assert_int_equal(window_of(&prefetch), 8);
    assert_int_equal(window_with(&prefetch, 100, 0), 108);
    prefetch_init(&prefetch, CHILDREN, 0, false, 0, false);
    assert_int_equal(window_with(&prefetch, 100, 7), 0);
}

static void settles_by_the_length_of_tasks(void **state)
{
    (void)state;
    static const struct {
        double length, gap;
        uint32_t least, most;
    } cases[] = {
        {0.00002, 0, 256, 256},   {0.00002, 0.001, 256, 256}, {0.001, 0.001, 32, 64},
        {0.010, 0.001, 4, 8},     {0.1, 0.002, 2, 2},         {10, 0, 2, 2},
        {0.00002, 0.1, 256, 256}, /* a broker far away */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct prefetch prefetch = automatic();
        assert_int_equal(window_of(&prefetch), CHILDREN);
        run(&prefetch, 1, 2000, cases[i].length, cases[i].gap);
        assert_in_range(window_of(&prefetch), cases[i].least, cases[i].most);
    }
}

static void grows_by_no_more_than_twice_a_sample(void **state)
{
    (void)state;
    struct prefetch prefetch = automatic();
    double now = 1;
    uint32_t before = window_of(&prefetch);
    for (int i = 0; i < 1000; i++) {
        now = run(&prefetch, now, 1, 0.00002, 0);
        assert_true(window_of(&prefetch) <= 2 * before);
        before = window_of(&prefetch);
    }
}

static void long_tasks_behind_short_ones_shrink_it_before_the_first_ends(void **state)
{
    (void)state;
    struct prefetch prefetch = automatic();
    double now = run(&prefetch, 1, 2000, 0.00002, 0);
    assert_int_equal(window_of(&prefetch), 256);
    assert_true(prefetch_restless(&prefetch));
    prefetch_look(&prefetch, now + 0.05, true);
    assert_int_equal(window_of(&prefetch), 256);
    prefetch_look(&prefetch, now + 0.1, true);
    assert_int_equal(window_of(&prefetch), CHILDREN);
    assert_false(prefetch_restless(&prefetch));
}

static void forgets_what_it_learned_when_idle(void **state)
{
    (void)state;
    struct prefetch prefetch = automatic();
    double now = run(&prefetch, 1, 2000, 0.00002, 0);
    prefetch_look(&prefetch, now + 0.9, false);
    assert_int_equal(window_of(&prefetch), 256);
    prefetch_look(&prefetch, now + 1.1, false);
    assert_int_equal(window_of(&prefetch), CHILDREN);
}

static void what_is_held_takes_no_place(void **state)
{
    (void)state;
    struct prefetch prefetch = automatic();
    assert_int_equal(window_with(&prefetch, 1000, 0), 1002);
    assert_int_equal(window_with(&prefetch, 60000, 0), 60002);
    assert_int_equal(window_with(&prefetch, 100000, 0), 65535);
    assert_int_equal(window_with(&prefetch, 10, 5), 17);
    assert_int_equal(window_with(&prefetch, 0, 100000), CHILDREN + 1024);
}

static void a_run_of_held_messages_makes_room_ahead(void **state)
{
    (void)state;
    struct prefetch prefetch = automatic();
    size_t held = 0;
    unsigned trips = 0;
    for (; held < 60000; trips++) {
        size_t room = window_with(&prefetch, held, 0);
        for (; held < room; held++)
            prefetch_arrived(&prefetch, true);
    }
    assert_in_range(trips, 2, 150);
    prefetch_arrived(&prefetch, false);
    assert_int_equal(window_with(&prefetch, held, 0), CHILDREN + held);
}

static void the_room_ahead_goes_when_no_more_come(void **state)
{
    (void)state;
    struct prefetch prefetch = automatic();
    for (int i = 0; i < 100; i++)
        prefetch_arrived(&prefetch, true);
    assert_int_equal(window_with(&prefetch, 100, 0), 202);
    prefetch_look(&prefetch, 1, false);
    assert_int_equal(window_with(&prefetch, 100, 0), 202);
    prefetch_look(&prefetch, 1.05, false);
    assert_int_equal(window_with(&prefetch, 100, 0), 102);
    assert_false(prefetch_restless(&prefetch));
}

static void the_limit_for_etas_bounds_the_raise_only(void **state)
{
    (void)state;
    struct prefetch prefetch;
    prefetch_init(&prefetch, CHILDREN, 8, false, 20, false);
    assert_int_equal(window_with(&prefetch, 5, 0), 13);
    assert_int_equal(window_with(&prefetch, 500, 500), 20);
    prefetch_init(&prefetch, CHILDREN, 8, false, 3, false);
    assert_int_equal(window_with(&prefetch, 500, 0), 8);
}

static void beyond_the_limit_there_is_room_to_park(void **state)
{
    (void)state;
    struct prefetch prefetch;
    prefetch_init(&prefetch, CHILDREN, 8, false, 20, true);
    assert_int_equal(window_with(&prefetch, 20, 0), 28);
    assert_int_equal(window_with(&prefetch, 500, 0), 28);
    assert_int_equal(window_with(&prefetch, 20, 100), 128);
    assert_int_equal(window_with(&prefetch, 20, 100000), 28 + 1024);
    prefetch_init(&prefetch, CHILDREN, 8, false, 0, true);
    assert_int_equal(window_with(&prefetch, 60000, 100), 60108);
    assert_int_equal(window_with(&prefetch, 100000, 100), 65535);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_celerys),
        cmocka_unit_test(settles_by_the_length_of_tasks),
        cmocka_unit_test(grows_by_no_more_than_twice_a_sample),
        cmocka_unit_test(long_tasks_behind_short_ones_shrink_it_before_the_first_ends),
        cmocka_unit_test(forgets_what_it_learned_when_idle),
        cmocka_unit_test(what_is_held_takes_no_place),
        cmocka_unit_test(a_run_of_held_messages_makes_room_ahead),
        cmocka_unit_test(the_room_ahead_goes_when_no_more_come),
        cmocka_unit_test(the_limit_for_etas_bounds_the_raise_only),
        cmocka_unit_test(beyond_the_limit_there_is_room_to_park),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
