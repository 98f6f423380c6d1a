/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the way between doubles and decimal digits. libc does the arithmetic; what a locale would
 * change is kept away from it. */

#include "codec/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS_SAFE = 15, /* so many digits always survive the way through a double */
    DIGITS_MAX = 17,  /* so many always tell one double from the next */
    POWER_MAX = 22,   /* powers of ten up to here are doubles without rounding */
    EXPONENT_FIXED_MIN =
        -4, /* Python's repr turns to 1e-05 below, and to 1e+16 from EXPONENT_FIXED_END on */
    EXPONENT_FIXED_END = 16,
};

/* A positive finite number: 0.DIGITS times ten to the power of `point`. */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int size, point;
};

static double parse_terminated(const char *text)
{
    /* glibc hands out its built-in locale here: nothing is allocated, nothing can fail. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double number = strtod_l(text, NULL, plain);
    freelocale(plain);
    return number;
}

/* Numbers of few digits, nearly all there are, need one exact multiplication or division. */
static bool parse_short(struct text text, double *ret)
{
    static const double powers[POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    size_t at = text.data[0] == '-' ? 1 : 0;
    if (text.size - at > DIGITS_SAFE + 1)
        return false;
    uint64_t digits = 0;
    size_t point = text.size;
    for (size_t i = at; i < text.size; i++) {
        char c = text.data[i];
        if (c == '.')
            point = i + 1;
        else if (c >= '0' && c <= '9')
            digits = digits * 10 + (uint64_t)(c - '0');
        else
            return false;
    }
    if (digits >= UINT64_C(1000000000000000))
        return false;
    double number = (double)digits / powers[text.size - point];
    *ret = at == 1 ? -number : number;
    return true;
}

bool number_parse_double(struct text text, double *ret)
{
    char small[128];
    if (parse_short(text, ret))
        return true;
    char *copy = text.size < sizeof(small) ? small : malloc(text.size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ret = parse_terminated(copy);
    if (copy != small)
        free(copy);
    return true;
}

/* Rounds `number` to `size` digits. The bytes of the locale's radix character are no digits and are
 * left out. */
static void round_to_digits(double number, int size, struct decimal *ret)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*e", size - 1, number);
    const char *at = text;
    ret->size = 0;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9')
            ret->digits[ret->size++] = *at;
    }
    ret->digits[ret->size] = '\0';
    ret->point = (int)strtol(at + 1, NULL, 10) + 1;
}

static bool reads_back(const struct decimal *decimal, double number)
{
    char text[64];
    snprintf(text, sizeof(text), "%se%d", decimal->digits, decimal->point - decimal->size);
    return parse_terminated(text) == number;
}

/* The next decimal of as many digits. 99..9 becomes 00..0, which reads back as nothing: its true
 * successor is shorter and was tried before. */
static void increment(struct decimal *decimal)
{
    for (int i = decimal->size - 1; i >= 0; i--) {
        if (decimal->digits[i] != '9') {
            decimal->digits[i]++;
            return;
        }
        decimal->digits[i] = '0';
    }
}

static void shortest(double number, struct decimal *ret)
{
    /* Below DBL_MIN precision fades, so that even one digit may do. */
    for (int size = number < DBL_MIN ? 1 : DIGITS_SAFE; size <= DIGITS_MAX; size++) {
        round_to_digits(number, size, ret);
        if (reads_back(ret, number))
            break;
        /* Doubles are denser below a power of two than above, so the farther of two neighbours can
         * be the one that fits. */
        increment(ret);
        if (reads_back(ret, number))
            break;
    }
    while (ret->size > 1 && ret->digits[ret->size - 1] == '0')
        ret->size--;
    ret->digits[ret->size] = '\0';
}

static size_t write_digits(uint64_t number, char *ret)
{
    char reversed[20];
    size_t size = 0;
    do {
        reversed[size++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < size; i++)
        ret[i] = reversed[size - 1 - i];
    ret[size] = '\0';
    return size;
}

static size_t write_fixed(const struct decimal *decimal, char *ret)
{
    int size = decimal->size;
    int point = decimal->point;
    if (point <= 0)
        return (size_t)sprintf(ret, "0.%.*s%s", -point, "0000", decimal->digits);
    if (point >= size)
        return (size_t)sprintf(ret, "%s%.*s.0", decimal->digits, point - size, "0000000000000000");
    return (size_t)sprintf(ret, "%.*s.%s", point, decimal->digits, decimal->digits + point);
}

static size_t write_scientific(const struct decimal *decimal, char *ret)
{
    return (size_t)sprintf(ret, "%c%s%se%+03d", decimal->digits[0], decimal->size > 1 ? "." : "",
                           decimal->digits + 1, decimal->point - 1);
}

static size_t format_positive(double number, char *ret)
{
    if (isinf(number)) {
        memcpy(ret, "inf", 4);
        return 3;
    }
    if (number < 1e15 && number == (double)(uint64_t)number) {
        size_t size = write_digits((uint64_t)number, ret);
        memcpy(ret + size, ".0", 3);
        return size + 2;
    }
    struct decimal decimal;
    shortest(number, &decimal);
    int exponent = decimal.point - 1;
    if (exponent < EXPONENT_FIXED_MIN || exponent >= EXPONENT_FIXED_END)
        return write_scientific(&decimal, ret);
    return write_fixed(&decimal, ret);
}

size_t number_format_double(double number, char ret[NUMBER_SIZE])
{
    if (isnan(number)) {
        memcpy(ret, "nan", 4);
        return 3;
    }
    if (!signbit(number))
        return format_positive(number, ret);
    ret[0] = '-';
    return 1 + format_positive(-number, ret + 1);
}

size_t number_format_uint(uint64_t number, char ret[NUMBER_SIZE])
{
    return write_digits(number, ret);
}

size_t number_format_int(int64_t number, char ret[NUMBER_SIZE])
{
    if (number >= 0)
        return write_digits((uint64_t)number, ret);
    ret[0] = '-';
    return 1 + write_digits(0 - (uint64_t)number, ret + 1);
}
