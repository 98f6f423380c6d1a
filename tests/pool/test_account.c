/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept of a long account. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/pool/account.h"

enum { SIZE = 16 };

static const struct {
    const char *text, *kept;
} cases[] = {
    {"", ""},
    {"\n", ""},
    {"short", "short"},
    {"two\nlines\n", "two\nlines"},
    {"123456789012345", "123456789012345"}, /* fits with its end */
    {"123456789012345\r\n\n", "123456789012345"},
    {"1234567890123456", "...\n67890123456"}, /* one line: the end of it */
    {"first line\nlast line", "...\nlast line"},
    {"first\nsecond\nlast", "...\nsecond\nlast"}, /* just fits */
    {"first\nseconds\nlast", "...\nlast"},
    {"first\nand the last line", "...\ne last line"},
    /* no half of a letter */
    {"first and last \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
     "...\n\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"},
};

static void keeps_the_end_of_what_is_too_long(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy = malloc(strlen(cases[i].text) + 1), kept[SIZE]; /* the sanitizers watch */
        size_t size = strlen(cases[i].text);
        memcpy(copy, cases[i].text, size);
        char *text = realloc(copy, size > 0 ? size : 1);
        account_keep((struct text){text, size}, kept, sizeof(kept));
        assert_string_equal(kept, cases[i].kept);
        free(text);
    }
}

static void takes_nothing_for_an_empty_account(void **state)
{
    (void)state;
    char kept[SIZE] = "x";
    account_keep((struct text){NULL, 0}, kept, sizeof(kept));
    assert_string_equal(kept, "");
}

static void ends_at_a_zero_byte(void **state)
{
    (void)state;
    char kept[SIZE];
    account_keep((struct text){"a\0bcdefghijklmnopqrst", 21}, kept, sizeof(kept));
    assert_string_equal(kept, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_end_of_what_is_too_long),
        cmocka_unit_test(takes_nothing_for_an_empty_account),
        cmocka_unit_test(ends_at_a_zero_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
