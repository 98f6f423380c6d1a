/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_UTF8_H
#define CELERIAC_CODEC_UTF8_H

/* UTF-8 as RFC 3629 has it. Lone surrogates, which Python's JSON can carry, are three bytes each
 * here (WTF-8) and are told apart by utf8_is_surrogate. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/value.h"

enum { UTF8_CHAR_MAX = 4 }; /* bytes of one character */

/* Reads the character at `at`, which is before `end`: its bytes (1 to 4), or 0 if it is broken or
 * cut. Surrogates are read. */
size_t utf8_read(const char *at, const char *end, uint32_t *ret);
/* Writes a character and returns its bytes. */
size_t utf8_write(uint32_t code, char ret[UTF8_CHAR_MAX]);

/* Bytes of ASCII at the front. */
size_t utf8_ascii_run(const char *at, const char *end);
/* True if the whole text is UTF-8, surrogates refused. */
bool utf8_is_valid(struct text text);

enum { UTF8_REPAIR_GROWTH = 3 }; /* U+FFFD has three bytes */
/* Copies the text with U+FFFD for each byte that is none of a character, and for each surrogate.
 * `ret` has room for text.size * UTF8_REPAIR_GROWTH bytes; returns those used. */
size_t utf8_repair(struct text text, char *ret);

static inline bool utf8_is_surrogate(uint32_t code)
{
    return code >= 0xd800 && code <= 0xdfff;
}

#endif
