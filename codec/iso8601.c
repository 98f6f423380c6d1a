/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the forms of ISO 8601 that Celery's clients send, and the one that we send. Knows no clock.
 */

#include "codec/iso8601.h"

#include <string.h>
#include <time.h>

enum { YEAR_MAX = 9999, HOUR = 3600, DAY = 86400 };
#define USEC_PER_SEC INT64_C(1000000)
#define EPOCH_DAYS   INT64_C(719162) /* from 0001-01-01 to 1970-01-01 */

struct cursor {
    const char *at, *end;
};

static bool at_end(const struct cursor *cursor)
{
    return cursor->at == cursor->end;
}

static bool take(struct cursor *cursor, char c)
{
    if (at_end(cursor) || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static bool is_digit(const struct cursor *cursor)
{
    return !at_end(cursor) && *cursor->at >= '0' && *cursor->at <= '9';
}

static size_t digits_ahead(struct cursor cursor)
{
    const char *start = cursor.at;
    while (is_digit(&cursor))
        cursor.at++;
    return (size_t)(cursor.at - start);
}

static bool take_number(struct cursor *cursor, int digits, int *ret)
{
    int number = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit(cursor))
            return false;
        number = number * 10 + (*cursor->at++ - '0');
    }
    *ret = number;
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January. */
static int64_t year_days(int year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400 - EPOCH_DAYS;
}

static bool month_date(int year, int month, int day, int64_t *ret)
{
    static const int starts[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (month < 1 || month > 12)
        return false;
    int leap = is_leap(year) ? 1 : 0;
    int length = starts[month] - starts[month - 1] + (month == 2 ? leap : 0);
    if (day < 1 || day > length)
        return false;
    *ret = year_days(year) + starts[month - 1] + (month > 2 ? leap : 0) + day - 1;
    return true;
}

static bool ordinal_date(int year, int day, int64_t *ret)
{
    if (day < 1 || day > (is_leap(year) ? 366 : 365))
        return false;
    *ret = year_days(year) + day - 1;
    return true;
}

/* The first ISO week is the one with the fourth of January in it, and begins on its Monday. */
static bool week_date(int year, int week, int day, int64_t *ret)
{
    if (week < 1 || week > 53 || day < 1 || day > 7)
        return false;
    int64_t fourth = year_days(year) + 3;
    int64_t weekday = (fourth + EPOCH_DAYS) % 7; /* Monday is 0: so was 0001-01-01 */
    *ret = fourth - weekday + (int64_t)(week - 1) * 7 + day - 1;
    return true;
}

static bool parse_week(struct cursor *cursor, int year, bool dashes, int64_t *ret)
{
    int week;
    int day = 1;
    if (!take_number(cursor, 2, &week))
        return false;
    if (!at_end(cursor) && (take(cursor, '-') != dashes || !take_number(cursor, 1, &day)))
        return false;
    return week_date(year, week, day, ret);
}

/* A date that lacks its day, YYYY or YYYY-MM, must be all there is. */
static bool parse_date(struct cursor *cursor, int64_t *ret)
{
    int year;
    int month = 1;
    int day = 1;
    if (!take_number(cursor, 4, &year) || year < 1)
        return false;
    if (at_end(cursor))
        return month_date(year, month, day, ret);
    bool dashes = take(cursor, '-');
    if (take(cursor, 'W'))
        return parse_week(cursor, year, dashes, ret);
    size_t digits = digits_ahead(*cursor);
    if (digits == 3 || (dashes && digits > 3))
        return take_number(cursor, 3, &day) && ordinal_date(year, day, ret);
    if (!take_number(cursor, 2, &month))
        return false;
    if (dashes && at_end(cursor))
        return month_date(year, month, day, ret);
    if (dashes && !take(cursor, '-'))
        return false;
    return take_number(cursor, 2, &day) && month_date(year, month, day, ret);
}

static bool at_zone(const struct cursor *cursor)
{
    return at_end(cursor) || *cursor->at == 'Z' || *cursor->at == 'z' || *cursor->at == '+' ||
           *cursor->at == '-';
}

static bool parse_zone(struct cursor *cursor, int *ret_seconds)
{
    int hours;
    int minutes = 0;
    *ret_seconds = 0;
    if (at_end(cursor) || take(cursor, 'Z') || take(cursor, 'z'))
        return at_end(cursor);
    int sign = take(cursor, '-') ? -1 : 1;
    if (sign > 0 && !take(cursor, '+'))
        return false;
    if (!take_number(cursor, 2, &hours) || hours > 23)
        return false;
    if (!at_end(cursor)) {
        take(cursor, ':');
        if (!take_number(cursor, 2, &minutes) || minutes > 59)
            return false;
    }
    *ret_seconds = sign * (hours * HOUR + minutes * 60);
    return at_end(cursor);
}

static int parse_fraction(struct cursor *cursor)
{
    struct cursor ahead = *cursor;
    if ((!take(&ahead, '.') && !take(&ahead, ',')) || !is_digit(&ahead))
        return 0;
    int usec = 0;
    for (int weight = 100000; is_digit(&ahead); weight /= 10)
        usec += weight * (*ahead.at++ - '0');
    *cursor = ahead;
    return usec;
}

/* HH, HHMM, HHMMSS, or with colons, up to the zone. */
static bool parse_clock(struct cursor *cursor, int64_t *ret_usec)
{
    static const int limits[] = {24, 59, 59};
    int parts[3] = {0, 0, 0};
    bool colons = false;
    for (size_t i = 0; i < ARRAY_LEN(parts) && (i == 0 || !at_zone(cursor)); i++) {
        bool colon = i > 0 && take(cursor, ':');
        if (i == 1)
            colons = colon;
        if ((i > 0 && colon != colons) || !take_number(cursor, 2, &parts[i]) ||
            parts[i] > limits[i])
            return false;
        if (i == 2)
            *ret_usec = parse_fraction(cursor);
    }
    *ret_usec += (parts[0] * HOUR + parts[1] * 60 + parts[2]) * USEC_PER_SEC;
    return *ret_usec <= DAY * USEC_PER_SEC; /* 24:00 is the next midnight, and nothing is later */
}

static bool parse(struct text text, int64_t *ret_usec)
{
    struct cursor cursor = {text.data, text.data + text.size};
    int64_t days;
    int64_t usec = 0;
    int zone = 0;
    if (!parse_date(&cursor, &days))
        return false;
    if (!at_end(&cursor)) {
        cursor.at++; /* any separator will do */
        if (!parse_clock(&cursor, &usec) || !parse_zone(&cursor, &zone))
            return false;
    }
    *ret_usec = (days * DAY - zone) * USEC_PER_SEC + usec;
    return true;
}

int iso8601_parse(struct text text, int64_t *ret_usec, struct codec_reason *reason)
{
    int64_t usec;
    if (text.size == 0 || !parse(text, &usec))
        return codec_fail(reason, CODEC_EINVALID, "'%.*s' is no ISO 8601 time",
                          text_quoted_size(text), text.data);
    *ret_usec = usec;
    return 0;
}

/* Writes a number of `digits` digits and the byte behind it. */
static char *put(char *at, int number, int digits, char behind)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    at[digits] = behind;
    return at + digits + 1;
}

void iso8601_format(int64_t usec, char ret[ISO8601_SIZE])
{
    int64_t first = year_days(1) * DAY * USEC_PER_SEC;
    int64_t last = year_days(YEAR_MAX + 1) * DAY * USEC_PER_SEC - 1;
    usec = usec < first ? first : usec > last ? last : usec;
    int64_t fraction = (usec % USEC_PER_SEC + USEC_PER_SEC) % USEC_PER_SEC;
    time_t seconds = (time_t)((usec - fraction) / USEC_PER_SEC);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char *at = put(ret, utc.tm_year + 1900, 4, '-');
    at = put(at, utc.tm_mon + 1, 2, '-');
    at = put(at, utc.tm_mday, 2, 'T');
    at = put(at, utc.tm_hour, 2, ':');
    at = put(at, utc.tm_min, 2, ':');
    at = put(at, utc.tm_sec, 2, '.');
    at = put(at, (int)fraction, 6, '+');
    memcpy(at, "00:00", 6);
}
