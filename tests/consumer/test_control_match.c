/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/control_match.h"

static enum control_match match(const char *pattern, const char *matcher)
{
    struct control_message message = {
        .destination = value_nil(),
        .pattern = {pattern, strlen(pattern)},
        .matcher = {matcher, strlen(matcher)},
    };
    return control_match("w1@example.com", &message);
}

static void destinations_come_first(void **state)
{
    (void)state;
    msgpack_object names[] = {value_string("w0@example.com"), value_string("w1@example.com")};
    struct control_message message = {
        .destination = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, names}},
        .pattern = {"nobody*", 7},
        .matcher = {"glob", 4},
    };
    assert_int_equal(control_match("w1@example.com", &message), CONTROL_OURS);
    assert_int_equal(control_match("w1@example", &message), CONTROL_OTHERS);
    message.destination = value_string("w1@example.com");
    assert_int_equal(control_match("w1@example.com", &message), CONTROL_OURS);
    assert_int_equal(control_match("w2@example.com", &message), CONTROL_OTHERS);
}

static void without_a_word_everybody_is_meant(void **state)
{
    (void)state;
    struct control_message message = {.destination = value_nil()};
    assert_int_equal(control_match("w1@example.com", &message), CONTROL_OURS);
    message.pattern = (struct text){"x", 1}; /* and no matcher */
    assert_int_equal(control_match("w1@example.com", &message), CONTROL_OURS);
}

static void patterns_match_as_in_celery(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *matcher;
        enum control_match answer;
    } rows[] = {
        {"w*", "glob", CONTROL_OURS},
        {"W*", "glob", CONTROL_OTHERS},
        {"w?@*.com", "glob", CONTROL_OURS},
        {"w[!2-9]@*", "glob", CONTROL_OURS},
        {"w\\1*", "glob", CONTROL_OTHERS},
        {"w", "glob", CONTROL_OTHERS},
        {"w", "pcre", CONTROL_OURS},
        {"1", "pcre", CONTROL_OTHERS},
        {"w\\d@.*?\\.com$", "pcre", CONTROL_OURS},
        {"w(?:2|1)@\\w+\\.(org|com)", "pcre", CONTROL_OURS},
        {"a|w1", "pcre", CONTROL_OURS},
        {"w\\D@", "pcre", CONTROL_OTHERS},
        {"(?=w)", "pcre", CONTROL_UNCLEAR},
        {"(?i)W", "pcre", CONTROL_UNCLEAR},
        {"(w)\\1", "pcre", CONTROL_UNCLEAR},
        {"((w{1000}){1000}){1000}", "pcre", CONTROL_UNCLEAR},
        {"w(", "pcre", CONTROL_UNCLEAR},
        {"w\\", "pcre", CONTROL_UNCLEAR},
        {"w", "regex", CONTROL_UNCLEAR},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(match(rows[i].pattern, rows[i].matcher), rows[i].answer);
}

static void a_long_pattern_is_not_tried(void **state)
{
    (void)state;
    char pattern[300];
    memset(pattern, 'w', sizeof(pattern) - 1);
    pattern[sizeof(pattern) - 1] = '\0';
    assert_int_equal(match(pattern, "pcre"), CONTROL_UNCLEAR);
    memset(pattern, '\\', sizeof(pattern) - 1);
    for (size_t i = 1; i < 255; i += 2)
        pattern[i] = 'D';
    pattern[254] = '\0';
    assert_int_equal(match(pattern, "pcre"), CONTROL_OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations_come_first),
        cmocka_unit_test(without_a_word_everybody_is_meant),
        cmocka_unit_test(patterns_match_as_in_celery),
        cmocka_unit_test(a_long_pattern_is_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
