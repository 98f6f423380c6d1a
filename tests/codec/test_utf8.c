/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/utf8.h"

static const struct {
    uint32_t code;
    const char *bytes;
} characters[] = {
    {0x41, "A"},
    {0x7f, "\x7f"},
    {0x80, "\xc2\x80"},
    {0x7ff, "\xdf\xbf"},
    {0x800, "\xe0\xa0\x80"},
    {0xd7ff, "\xed\x9f\xbf"},
    {0xd800, "\xed\xa0\x80"},
    {0xdfff, "\xed\xbf\xbf"},
    {0xe000, "\xee\x80\x80"},
    {0xffff, "\xef\xbf\xbf"},
    {0x10000, "\xf0\x90\x80\x80"},
    {0x10ffff, "\xf4\x8f\xbf\xbf"},
};

/* Well-formed by no reading of RFC 3629. */
static const char *const broken[] = {
    "\x80",
    "\xbf",
    "\xc0\x80",
    "\xc1\xbf",
    "\xc2",
    "\xc2\x41",
    "\xe0\x80\x80",
    "\xe0\x9f\xbf",
    "\xe0\xa0",
    "\xe2\x82\x41",
    "\xf0\x80\x80\x80",
    "\xf0\x8f\xbf\xbf",
    "\xf0\x90\x80",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\xff",
    "\xfe",
};

static void reads_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
        uint32_t code;
        size_t size = strlen(characters[i].bytes);
        assert_int_equal(utf8_read(characters[i].bytes, characters[i].bytes + size, &code), size);
        assert_int_equal(code, characters[i].code);
    }
}

static void writes_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
        char bytes[UTF8_CHAR_MAX];
        size_t size = utf8_write(characters[i].code, bytes);
        assert_int_equal(size, strlen(characters[i].bytes));
        assert_memory_equal(bytes, characters[i].bytes, size);
    }
}

static void refuses_what_is_broken(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct bytes copy = exact_copy(fixture, broken[i], strlen(broken[i]));
        const char *at = copy.data;
        uint32_t code;
        assert_int_equal(utf8_read(at, at + copy.size, &code), 0);
        assert_false(utf8_is_valid((struct text){at, copy.size}));
    }
}

static void finds_a_broken_byte_at_any_place(void **state)
{
    (void)state;
    char text[64];
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'x', sizeof(text));
        assert_true(utf8_is_valid((struct text){text, sizeof(text)}));
        text[at] = '\xff';
        assert_false(utf8_is_valid((struct text){text, sizeof(text)}));
        assert_int_equal(utf8_ascii_run(text, text + sizeof(text)), at);
    }
}

static void surrogates_are_read_but_not_valid(void **state)
{
    (void)state;
    assert_false(utf8_is_valid(text_of("a\xed\xa0\x80")));
    assert_true(utf8_is_surrogate(0xd800) && utf8_is_surrogate(0xdfff));
    assert_false(utf8_is_surrogate(0xd7ff) || utf8_is_surrogate(0xe000));
}

static void valid_text_is_valid(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(text_of("")));
    assert_true(utf8_is_valid((struct text){NULL, 0}));
    assert_true(utf8_is_valid(text_of("Gr\xc3\xb6\xc3\x9f"
                                      "e \xe2\x82\xac \xf0\x9f\x98\x80 twelve")));
}

static void repairs_byte_by_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text, *repaired;
    } cases[] = {
        {"", ""},
        {"plain \xc3\xa9", "plain \xc3\xa9"},
        {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff-\xed\xa0\x80-", "\xef\xbf\xbd-\xef\xbf\xbd-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char repaired[64];
        size_t size = utf8_repair(text_of(cases[i].text), repaired);
        assert_int_equal(size, strlen(cases[i].repaired));
        assert_memory_equal(repaired, cases[i].repaired, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(writes_every_form),
        FIXTURE_TEST(refuses_what_is_broken),
        cmocka_unit_test(finds_a_broken_byte_at_any_place),
        cmocka_unit_test(surrogates_are_read_but_not_valid),
        cmocka_unit_test(valid_text_is_valid),
        cmocka_unit_test(repairs_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
