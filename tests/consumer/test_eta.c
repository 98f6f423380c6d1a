/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "worker/consumer/eta.h"

enum { COUNT = 1000 };

/* The same numbers on every run. */
static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525U + 1013904223U;
    return *random >> 8;
}

static void gives_entries_in_order_of_time(void **state)
{
    (void)state;
    struct eta_heap heap = {0};
    struct eta_entry entries[COUNT] = {0};
    uint32_t random = 7;
    for (size_t i = 0; i < COUNT; i++) {
        entries[i].due = next_random(&random) % 100;
        assert_true(eta_heap_add(&heap, &entries[i]));
    }
    int64_t last = -1;
    for (size_t i = 0; i < COUNT; i++) {
        struct eta_entry *first = eta_heap_first(&heap);
        assert_true(first->due >= last);
        last = first->due;
        eta_heap_remove(&heap, first);
    }
    assert_null(eta_heap_first(&heap));
    eta_heap_done(&heap);
}

static void any_entry_can_leave(void **state)
{
    (void)state;
    struct eta_heap heap = {0};
    struct eta_entry entries[COUNT] = {0};
    uint32_t random = 11;
    for (size_t i = 0; i < COUNT; i++) {
        entries[i].due = next_random(&random) % 100;
        entries[i].weight = i % 2 == 0 ? 5 : 7;
        assert_true(eta_heap_add(&heap, &entries[i]));
    }
    assert_int_equal(heap.weight, COUNT / 2 * (5 + 7));
    for (size_t i = 0; i < COUNT; i += 2)
        eta_heap_remove(&heap, &entries[i]);
    eta_heap_remove(&heap, &entries[0]); /* twice does nothing */
    assert_int_equal(heap.count, COUNT / 2);
    assert_int_equal(heap.weight, COUNT / 2 * 7);
    int64_t last = -1;
    while (heap.count > 0) {
        struct eta_entry *first = eta_heap_first(&heap);
        assert_int_equal((first - entries) % 2, 1);
        assert_true(first->due >= last);
        last = first->due;
        eta_heap_remove(&heap, first);
    }
    eta_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_entries_in_order_of_time),
        cmocka_unit_test(any_entry_can_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
