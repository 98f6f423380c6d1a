/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/uuid.h"

static void has_the_layout_of_version_4(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char uuid[UUID_SIZE];
        uuid_make(uuid);
        assert_int_equal(strlen(uuid), 36);
        assert_int_equal(strspn(uuid, "0123456789abcdef-"), 36);
        assert_true(uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-');
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
    }
}

static int compare(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void does_not_repeat_itself(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    static char uuids[COUNT][UUID_SIZE];
    for (int i = 0; i < COUNT; i++)
        uuid_make(uuids[i]);
    qsort(uuids, COUNT, UUID_SIZE, compare);
    for (int i = 1; i < COUNT; i++)
        assert_string_not_equal(uuids[i - 1], uuids[i]);
}

/* Each of the 122 random bits must be seen both as 0 and as 1. */
static void every_random_bit_changes(void **state)
{
    (void)state;
    unsigned seen[UUID_SIZE] = {0};
    for (int i = 0; i < 1000; i++) {
        char uuid[UUID_SIZE];
        uuid_make(uuid);
        for (int k = 0; k < 36; k++) {
            char digit[] = {uuid[k], '\0'};
            if (uuid[k] != '-')
                seen[k] |= 1u << strtol(digit, NULL, 16);
        }
    }
    for (int k = 0; k < 36; k++) {
        if (k != 8 && k != 13 && k != 14 && k != 18 && k != 19 && k != 23)
            assert_int_equal(seen[k], 0xffff);
    }
    assert_int_equal(seen[14], 1u << 4);
    assert_int_equal(seen[19], 0x0f00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_layout_of_version_4),
        cmocka_unit_test(does_not_repeat_itself),
        cmocka_unit_test(every_random_bit_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
