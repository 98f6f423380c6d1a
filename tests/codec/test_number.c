/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

#include "codec/number.h"

static double double_of(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof(number));
    return number;
}

/* Each line of doubles.txt is the bits of a double and what Python's repr makes of it. */
static size_t for_each_double(void (*check)(uint64_t bits, const char *repr))
{
    FILE *file = fopen(VECTORS "/doubles.txt", "r");
    assert_non_null(file);
    size_t count = 0;
    char line[80];
    while (fgets(line, sizeof(line), file) != NULL) {
        char *repr;
        uint64_t bits = strtoull(line, &repr, 16);
        repr[strcspn(repr, "\n")] = '\0';
        check(bits, repr + 1);
        count++;
    }
    fclose(file);
    return count;
}

static void check_format(uint64_t bits, const char *repr)
{
    char text[NUMBER_SIZE];
    assert_int_equal(number_format_double(double_of(bits), text), strlen(repr));
    assert_string_equal(text, repr);
}

static void check_parse(uint64_t bits, const char *repr)
{
    double number;
    double expected = double_of(bits);
    assert_true(number_parse_double(text_of(repr), &number));
    assert_memory_equal(&number, &expected, sizeof(number));
}

static void writes_doubles_as_python_does(void **state)
{
    (void)state;
    assert_in_range(for_each_double(check_format), 1000, 100000);
}

static void reads_doubles_as_python_does(void **state)
{
    (void)state;
    assert_in_range(for_each_double(check_parse), 1000, 100000);
}

static void writes_what_is_no_number(void **state)
{
    (void)state;
    char text[NUMBER_SIZE];
    assert_int_equal(number_format_double(NAN, text), 3);
    assert_string_equal(text, "nan");
    number_format_double(-NAN, text);
    assert_string_equal(text, "nan");
    number_format_double(INFINITY, text);
    assert_string_equal(text, "inf");
    number_format_double(-INFINITY, text);
    assert_string_equal(text, "-inf");
}

/* Halfway between two doubles, and a digit more far behind: only the whole text decides. */
static void rounds_long_texts_by_all_their_digits(void **state)
{
    (void)state;
    char text[2000];
    double number;
    int size = snprintf(text, sizeof(text), "1.00000000000000011102230246251565404%0*d", 1500, 0);
    assert_true(number_parse_double((struct text){text, (size_t)size}, &number));
    assert_true(number == 1.0);
    size = snprintf(text, sizeof(text),
                    "1.00000000000000011102230246251565404236316680908203125%0*d1", 1500, 0);
    assert_true(number_parse_double((struct text){text, (size_t)size}, &number));
    assert_true(number > 1.0);
}

static void writes_integers(void **state)
{
    (void)state;
    char text[NUMBER_SIZE];
    assert_int_equal(number_format_uint(0, text), 1);
    assert_string_equal(text, "0");
    assert_int_equal(number_format_uint(UINT64_MAX, text), 20);
    assert_string_equal(text, "18446744073709551615");
    assert_int_equal(number_format_int(INT64_MIN, text), 20);
    assert_string_equal(text, "-9223372036854775808");
    number_format_int(INT64_MAX, text);
    assert_string_equal(text, "9223372036854775807");
}

static void a_locale_with_a_comma_changes_nothing(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "de_DE"};
    const char *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(locales) && found == NULL; i++)
        found = setlocale(LC_ALL, locales[i]);
    if (found == NULL)
        skip();
    char text[NUMBER_SIZE];
    double number = 0;
    number_format_double(1234.0625e-10, text);
    assert_true(number_parse_double(text_of("0.12345678901234567"), &number));
    setlocale(LC_ALL, "C");
    assert_string_equal(text, "1.2340625e-07");
    assert_true(number == 0.12345678901234567);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_doubles_as_python_does),
        cmocka_unit_test(reads_doubles_as_python_does),
        cmocka_unit_test(writes_what_is_no_number),
        cmocka_unit_test(rounds_long_texts_by_all_their_digits),
        cmocka_unit_test(writes_integers),
        cmocka_unit_test(a_locale_with_a_comma_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
