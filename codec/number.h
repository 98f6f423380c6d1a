/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_NUMBER_H
#define CELERIAC_CODEC_NUMBER_H

/* Numbers as text, correctly rounded and the same in every locale (user code that runs beside us
 * may have set one). */

#include <stdint.h>

#include "codec/value.h"

enum { NUMBER_SIZE = 32 }; /* bytes for any formatted number with its null */

/* `text` must be a JSON number (sign, digits, fraction, exponent); too large ones become infinite,
 * as in Python. False when out of memory. */
MUST_CHECK bool number_parse_double(struct text text, double *ret);

/* Each returns the length. Doubles look like Python's repr: the fewest digits that read back the
 * same, "5.0", "1e+300", "1e-07", "inf", "nan". */
size_t number_format_double(double number, char ret[NUMBER_SIZE]);
size_t number_format_uint(uint64_t number, char ret[NUMBER_SIZE]);
size_t number_format_int(int64_t number, char ret[NUMBER_SIZE]);

#endif
