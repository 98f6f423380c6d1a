/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/codec/support.h"

#include "codec/iso8601.h"

/* What Celery 5.6 makes of them: dateutil's isoparse, naive times taken as UTC. */
static void reads_what_celery_reads(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text;
        int64_t usec;
    } cases[] = {
        {"2026-11-22T13:24:16.802253+00:00", INT64_C(1795353856802253)},
        {"2030-01-01T12:00:00", INT64_C(1893499200000000)},
        {"2030-01-01T12:00:00.000500+02:00", INT64_C(1893492000000500)},
        {"2026", INT64_C(1767225600000000)},
        {"2026-11", INT64_C(1793491200000000)},
        {"20261122", INT64_C(1795305600000000)},
        {"2026-W47-7", INT64_C(1795305600000000)},
        {"2026W477", INT64_C(1795305600000000)},
        {"2026-W47", INT64_C(1794787200000000)},
        {"2026W47", INT64_C(1794787200000000)},
        {"2026-326", INT64_C(1795305600000000)},
        {"2026326", INT64_C(1795305600000000)},
        {"2026-11-22 13", INT64_C(1795352400000000)},
        {"2026-11-22x13:24", INT64_C(1795353840000000)},
        {"2026-11-22T1324", INT64_C(1795353840000000)},
        {"2026-11-22T132416", INT64_C(1795353856000000)},
        {"2026-11-22T13:24:16,5", INT64_C(1795353856500000)},
        {"2026-11-22T13:24:16.1234567", INT64_C(1795353856123456)},
        {"2026-11-22T13:24:16Z", INT64_C(1795353856000000)},
        {"2026-11-22T13:24:16z", INT64_C(1795353856000000)},
        {"2026-11-22T13:24:16+01", INT64_C(1795350256000000)},
        {"2026-11-22T13:24:16-0130", INT64_C(1795359256000000)},
        {"2026-11-22T13:24:16-01:30", INT64_C(1795359256000000)},
        {"2026-11-22T24:00", INT64_C(1795392000000000)},
        {"2026-11-22T24:00:00.000", INT64_C(1795392000000000)},
        {"1970-01-01T00:00:00", INT64_C(0)},
        {"1969-12-31T23:59:59.999999", INT64_C(-1)},
        {"0001-01-01", INT64_C(-62135596800000000)},
        {"9999-12-31T23:59:59.999999", INT64_C(253402300799999999)},
        {"2024-02-29", INT64_C(1709164800000000)},
        {"2000-02-29", INT64_C(951782400000000)},
        {"2020-W53-7", INT64_C(1609632000000000)},
        {"2015-W01-1", INT64_C(1419811200000000)},
        {"2016-366", INT64_C(1483142400000000)},
        {"2026-11-22T13Z", INT64_C(1795352400000000)},
        {"2026-11-22T13:24+05:30", INT64_C(1795334040000000)},
        {"20261122T132416.5-0800", INT64_C(1795382656500000)},
        {"1970-01-01T23:59:00+23:59", INT64_C(0)},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes text = exact_copy(fixture, cases[i].text, strlen(cases[i].text));
        int64_t usec = 42;
        assert_int_equal(iso8601_parse((struct text){text.data, text.size}, &usec, NULL), 0);
        if (usec != cases[i].usec)
            fail_msg("%s is %lld", cases[i].text, (long long)usec);
    }
}

static const char *const refused[] = {
    "",
    "x",
    "202",
    "20",
    "2026-",
    "2026-1",
    "202611",
    "2026-13",
    "2026-00-01",
    "2026-02-29",
    "1900-02-29",
    "2026-04-31",
    "2026-11-00",
    "2026-11-22T",
    "2026-11-22T1",
    "2026-11-22T25:00",
    "2026-11-22T24:01",
    "2026-11-22T24:00:00.1",
    "2026-11-22T13:60",
    "2026-11-22T13:24:60",
    "2026-11-22T13:2416",
    "2026-11-22T1324:16",
    "2026-11-22T13:24:16+24:00",
    "2026-11-22T13:24:16+01:60",
    "2026-11-22T13:24:16+1",
    "2026-11-22T13:24:16+01:3",
    "2026-11-22T13:24:16.",
    "2026-11-22T13:24.5",
    "2026-11-22T13:24:1",
    "2026-1122",
    "202611-22",
    "2026-W4",
    "2026-Wab",
    "2026-W54-1",
    "2026-W00-1",
    "2026-W47-8",
    "2026-W47-0",
    "2026-W47-",
    "2026-W477",
    "2026W47-7",
    "2026-366",
    "2025-000",
    "0000-01-01",
    "+2026-01-01",
    "-2026-01-01",
    "2026-11-22T13:24:16 +00:00",
    "2026-11-22T13:24:16+00:00x",
    "2026-11-22T13:24:16ZZ",
    "2026-11T10:00",
    "2026T10:00",
    "2026-W47T10:00",
    "2026-11-22T13:24:16+",
    " 2026-11-22",
    "2026-11-22 ",
    "tomorrow",
    "2026-11-22T13:24:16\n",
    "2026-11-2\xc2\xb2",
    "1795353856",
};

static void refuses_what_celery_refuses(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct bytes text = exact_copy(fixture, refused[i], strlen(refused[i]));
        int64_t usec = 42;
        if (iso8601_parse((struct text){text.data, text.size}, &usec, NULL) != CODEC_EINVALID)
            fail_msg("'%s' was accepted", refused[i]);
        assert_true(usec == 42);
    }
    int64_t usec;
    assert_int_equal(iso8601_parse((struct text){NULL, 0}, &usec, NULL), CODEC_EINVALID);
}

static void quotes_a_bounded_part_of_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    int64_t usec;
    char text[1000];
    memset(text, 'x', sizeof(text));
    text[0] = '\n';
    assert_int_equal(iso8601_parse((struct text){text, sizeof(text)}, &usec, &fixture->reason),
                     CODEC_EINVALID);
    assert_int_equal(strlen(fixture->reason.text), 80 + strlen("'' is no ISO 8601 time"));
    assert_int_equal(strncmp(fixture->reason.text, "'?xxx", 5), 0);
}

static void writes_six_digits_and_the_offset(void **state)
{
    (void)state;
    static const struct {
        int64_t usec;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000+00:00"},
        {-1, "1969-12-31T23:59:59.999999+00:00"},
        {INT64_C(1795353856802253), "2026-11-22T13:24:16.802253+00:00"},
        {INT64_C(1709164800000500), "2024-02-29T00:00:00.000500+00:00"},
        {INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000+00:00"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999+00:00"},
        {INT64_MIN, "0001-01-01T00:00:00.000000+00:00"},
        {INT64_MAX, "9999-12-31T23:59:59.999999+00:00"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[ISO8601_SIZE];
        iso8601_format(cases[i].usec, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void every_day_of_a_century_comes_back(void **state)
{
    (void)state;
    const int64_t day = INT64_C(86400000000);
    for (int64_t usec = -20000 * day + 1; usec < 20000 * day; usec += day) {
        char text[ISO8601_SIZE];
        int64_t again;
        iso8601_format(usec, text);
        assert_int_equal(iso8601_parse(text_of(text), &again, NULL), 0);
        assert_true(again == usec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(reads_what_celery_reads),
        FIXTURE_TEST(refuses_what_celery_refuses),
        FIXTURE_TEST(quotes_a_bounded_part_of_what_is_wrong),
        cmocka_unit_test(writes_six_digits_and_the_offset),
        cmocka_unit_test(every_day_of_a_century_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
