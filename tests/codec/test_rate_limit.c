/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/rate_limit.h"

static void reads_what_celery_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double per_second;
    } rows[] = {
        {"10/s", 10}, {"120/m", 2}, {"7200/h", 2}, {"10", 10},   {"0.5/s", 0.5},
        {" 3 /s", 3}, {"0/s", 0},   {"", 0},       {"inf/s", 0}, {"1e3/m", 1000.0 / 60},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const msgpack_object value = value_string(rows[i].text);
        double rate = -1;
        assert_int_equal(rate_limit_read(&value, &rate, NULL), 0);
        assert_true(fabs(rate - rows[i].per_second) < 1e-9);
    }
}

static void numbers_are_a_seconds_and_none_is_no_limit(void **state)
{
    (void)state;
    const msgpack_object values[] = {value_int(4), value_double(0.25), value_nil(), value_int(0)};
    const double rates[] = {4, 0.25, 0, 0};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        double rate = -1;
        assert_int_equal(rate_limit_read(&values[i], &rate, NULL), 0);
        assert_true(rate == rates[i]);
    }
    double rate = -1;
    assert_int_equal(rate_limit_read(NULL, &rate, NULL), 0);
    assert_true(rate == 0);
}

static void says_what_is_wrong_as_celery_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        const char *reason;
    } rows[] = {
        {"x/s", CODEC_EINVALID, "ValueError(\"could not convert string to float: 'x'\")"},
        {"/s", CODEC_EINVALID, "ValueError(\"could not convert string to float: ''\")"},
        {"1/d", CODEC_EUNSUPPORTED, "KeyError('d')"},
        {"1/s/s", CODEC_EUNSUPPORTED, "KeyError('s/s')"},
        {"-1/s", CODEC_EINVALID, "ValueError('a rate cannot be negative')"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const msgpack_object value = value_string(rows[i].text);
        struct codec_reason reason;
        double rate = 42;
        assert_int_equal(rate_limit_read(&value, &rate, &reason), rows[i].error);
        assert_string_equal(reason.text, rows[i].reason);
        assert_true(rate == 42);
    }
    const msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY};
    double rate;
    assert_int_equal(rate_limit_read(&list, &rate, NULL), CODEC_ETYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_celery_reads),
        cmocka_unit_test(numbers_are_a_seconds_and_none_is_no_limit),
        cmocka_unit_test(says_what_is_wrong_as_celery_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
