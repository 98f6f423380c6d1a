/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

static void every_error_has_words(void **state)
{
    (void)state;
    for (int error = CODEC_ETYPE; error <= CODEC_OK; error++)
        assert_string_not_equal(codec_strerror(error), "unknown error");
    assert_string_equal(codec_strerror(CODEC_ETYPE - 1), "unknown error");
    assert_string_equal(codec_strerror(1), "unknown error");
}

static void fail_writes_a_sentence_and_returns_the_error(void **state)
{
    (void)state;
    struct codec_reason reason;
    assert_int_equal(codec_fail(&reason, CODEC_ETYPE, "%s is no %s", "x", "int"), CODEC_ETYPE);
    assert_string_equal(reason.text, "x is no int");
    assert_int_equal(codec_fail(NULL, CODEC_EINVALID, "nobody reads this"), CODEC_EINVALID);
}

static void a_sentence_stays_on_one_line(void **state)
{
    (void)state;
    struct codec_reason reason;
    codec_fail(&reason, CODEC_EINVALID, "%s", "a\nb\x1b[31m\x7f");
    assert_string_equal(reason.text, "a?b?[31m?");
}

static void a_long_sentence_is_cut(void **state)
{
    (void)state;
    struct codec_reason reason;
    codec_fail(&reason, CODEC_EINVALID, "%0500d", 0);
    assert_int_equal(strlen(reason.text), CODEC_REASON_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_words),
        cmocka_unit_test(fail_writes_a_sentence_and_returns_the_error),
        cmocka_unit_test(a_sentence_stays_on_one_line),
        cmocka_unit_test(a_long_sentence_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
