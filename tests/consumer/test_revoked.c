/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/revoked.h"

static const int64_t SECOND = 1000000;

static struct text key_of(int number)
{
    static char name[32];
    int size = snprintf(name, sizeof(name), "task-%d", number);
    return (struct text){name, (size_t)size};
}

static void finds_what_was_added_and_nothing_else(void **state)
{
    (void)state;
    struct revoked revoked;
    revoked_init(&revoked, 5000, 0);
    assert_false(revoked_has(&revoked, key_of(1)));
    for (int i = 0; i < 2000; i++)
        assert_true(revoked_add(&revoked, key_of(i), i));
    for (int i = 0; i < 2000; i++)
        assert_true(revoked_has(&revoked, key_of(i)));
    assert_false(revoked_has(&revoked, key_of(2000)));
    assert_false(revoked_has(&revoked, (struct text){NULL, 0}));
    assert_int_equal(revoked.count, 2000);
    revoked_done(&revoked);
    assert_false(revoked_has(&revoked, key_of(1)));
}

static void a_full_set_forgets_its_oldest(void **state)
{
    (void)state;
    struct revoked revoked;
    revoked_init(&revoked, 3, 0);
    for (int i = 0; i < 5; i++)
        assert_true(revoked_add(&revoked, key_of(i), i));
    assert_int_equal(revoked.count, 3);
    assert_false(revoked_has(&revoked, key_of(1)));
    assert_true(revoked_has(&revoked, key_of(2)));
    assert_true(revoked_has(&revoked, key_of(4)));
    revoked_done(&revoked);
}

static void one_that_is_revoked_again_is_the_newest(void **state)
{
    (void)state;
    struct revoked revoked;
    revoked_init(&revoked, 3, 0);
    for (int i = 0; i < 3; i++)
        assert_true(revoked_add(&revoked, key_of(i), i));
    assert_true(revoked_add(&revoked, key_of(0), 10));
    assert_int_equal(revoked.count, 3);
    assert_true(revoked_add(&revoked, key_of(3), 11));
    assert_true(revoked_has(&revoked, key_of(0)));
    assert_false(revoked_has(&revoked, key_of(1)));
    revoked_done(&revoked);
}

static void what_has_expired_goes_when_there_is_no_room(void **state)
{
    (void)state;
    struct revoked revoked;
    revoked_init(&revoked, 4, 60);
    for (int i = 0; i < 4; i++)
        assert_true(revoked_add(&revoked, key_of(i), (int64_t)i * 20 * SECOND));
    assert_true(revoked_add(&revoked, key_of(1), 1000 * SECOND));
    assert_int_equal(revoked.count, 4); /* there was room: the old ones still hold */
    assert_true(revoked_has(&revoked, key_of(0)));
    assert_true(revoked_add(&revoked, key_of(4), 1001 * SECOND));
    assert_int_equal(revoked.count, 2);
    assert_false(revoked_has(&revoked, key_of(2)));
    assert_false(revoked_has(&revoked, key_of(3)));
    assert_true(revoked_has(&revoked, key_of(1)));
    revoked_done(&revoked);
}

static void what_comes_late_takes_its_place(void **state)
{
    (void)state;
    static const int64_t times[] = {30, 10, 20};
    static const int order[] = {1, 2, 0};
    struct revoked revoked;
    revoked_init(&revoked, 3, 0);
    for (int i = 0; i < 3; i++)
        assert_true(revoked_add(&revoked, key_of(i), times[i]));
    const struct revoked_entry *entry = revoked.oldest;
    for (int i = 0; i < 3; i++, entry = entry->newer) {
        assert_int_equal(entry->size, key_of(order[i]).size);
        assert_memory_equal(entry->key, key_of(order[i]).data, entry->size);
    }
    assert_null(entry);
    revoked_done(&revoked);
}

static void a_long_key_is_refused(void **state)
{
    (void)state;
    static char name[REVOKED_KEY_MAX + 1];
    struct revoked revoked;
    revoked_init(&revoked, 3, 0);
    memset(name, 'x', sizeof(name));
    assert_false(revoked_add(&revoked, (struct text){name, sizeof(name)}, 0));
    assert_true(revoked_add(&revoked, (struct text){name, REVOKED_KEY_MAX}, 0));
    revoked_done(&revoked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_and_nothing_else),
        cmocka_unit_test(a_full_set_forgets_its_oldest),
        cmocka_unit_test(one_that_is_revoked_again_is_the_newest),
        cmocka_unit_test(what_has_expired_goes_when_there_is_no_room),
        cmocka_unit_test(what_comes_late_takes_its_place),
        cmocka_unit_test(a_long_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
