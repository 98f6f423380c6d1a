/* SPDX-License-Identifier: BSD-3-Clause */
/* How an exception is named and worded. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/utf8.h"
#include "worker/runtime/native/failure.h"

static msgpack_zone zone;

static int set_up(void **state)
{
    (void)state;
    return msgpack_zone_init(&zone, 1024) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    msgpack_zone_destroy(&zone);
    return 0;
}

static void splits_the_module_from_the_type(void **state)
{
    static const struct {
        const char *type, *module, *name;
    } cases[] = {
        {"ValueError", "builtins", "ValueError"},
        {"kombu.exceptions.EncodeError", "kombu.exceptions", "EncodeError"},
        {"mine.Oops", "mine", "Oops"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct failure failure = {.raised = false};
        failure_raise(&failure, &zone, cases[i].type, "%s", "x");
        assert_true(failure.raised);
        assert_true(text_equal(failure.module, cases[i].module));
        assert_true(text_equal(failure.type, cases[i].name));
    }
}

static void text_is_what_python_shows(void **state)
{
    /* From Python 3.11: repr(ValueError(...)). */
    static const struct {
        const char *message, *text;
    } cases[] = {
        {"plain", "ValueError('plain')"},
        {"", "ValueError('')"},
        {"it's", "ValueError(\"it's\")"},
        {"say \"hi\"", "ValueError('say \"hi\"')"},
        {"it's \"both\"", "ValueError('it\\'s \"both\"')"},
        {"two\nlines", "ValueError('two\\nlines')"},
        {"\xc3\xbc", "ValueError('\xc3\xbc')"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct failure failure = {.raised = false};
        char text[FAILURE_TEXT_SIZE];
        failure_raise(&failure, &zone, "ValueError", "%s", cases[i].message);
        failure_text(&failure, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

static void exception_without_arguments_has_empty_brackets(void **state)
{
    struct failure failure = {.raised = false};
    char text[FAILURE_TEXT_SIZE];
    (void)state;
    failure_raise_bare(&failure, "billiard.exceptions.SoftTimeLimitExceeded");
    failure_text(&failure, text, sizeof(text));
    assert_string_equal(text, "SoftTimeLimitExceeded()");
}

static void long_message_is_cut_to_valid_text(void **state)
{
    struct failure failure = {.raised = false};
    char message[2 * FAILURE_MESSAGE_MAX], text[FAILURE_TEXT_SIZE];
    struct text kept;
    (void)state;
    /* Characters of two bytes at odd offsets, so that every even cut would split one. */
    message[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof(message); i += 2)
        memcpy(message + i, "\xc3\xbc", 3);
    failure_raise(&failure, &zone, "ValueError", "%s", message);
    assert_true(value_as_text(&failure.message, &kept));
    assert_in_range(kept.size, FAILURE_MESSAGE_MAX - 4, FAILURE_MESSAGE_MAX);
    assert_true(utf8_is_valid(kept));
    failure_text(&failure, text, sizeof(text));
    assert_true(utf8_is_valid((struct text){text, strlen(text)}));
    assert_string_equal(text + strlen(text) - 1, ")");
}

static void bytes_that_are_no_text_are_mended(void **state)
{
    struct failure failure = {.raised = false};
    struct text message;
    (void)state;
    failure_raise(&failure, &zone, "ValueError", "a%cb%c", 0xff, 0xc3);
    assert_true(value_as_text(&failure.message, &message));
    assert_true(text_equal(message, "a?b?"));
}

static void traceback_names_the_place(void **state)
{
    struct failure failure = {.raised = false};
    (void)state;
    failure_raise(&failure, &zone, "ValueError", "no row %d", 7);
    assert_true(text_equal(failure_traceback(&failure, &zone),
                           "Traceback (most recent call last):\nValueError: no row 7\n"));
    failure.untraced = true;
    assert_null(failure_traceback(&failure, &zone).data);
    failure.untraced = false;
    failure.file = "rows.c";
    failure.function = "find";
    failure.line = 12;
    assert_true(text_equal(failure_traceback(&failure, &zone),
                           "Traceback (most recent call last):\n"
                           "  File \"rows.c\", line 12, in find\n"
                           "ValueError: no row 7\n"));
}

static void traceback_names_the_module_of_a_foreign_class(void **state)
{
    struct failure failure = {.raised = false};
    (void)state;
    failure_raise(&failure, &zone, "my.Oops", "x");
    failure.file = "a.c";
    failure.function = "f";
    failure.line = 1;
    assert_true(text_equal(failure_traceback(&failure, &zone),
                           "Traceback (most recent call last):\n"
                           "  File \"a.c\", line 1, in f\n"
                           "my.Oops: x\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_the_module_from_the_type),
        cmocka_unit_test(text_is_what_python_shows),
        cmocka_unit_test(exception_without_arguments_has_empty_brackets),
        cmocka_unit_test(long_message_is_cut_to_valid_text),
        cmocka_unit_test(bytes_that_are_no_text_are_mended),
        cmocka_unit_test(traceback_names_the_place),
        cmocka_unit_test(traceback_names_the_module_of_a_foreign_class),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
