/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_JSON_STRING_H
#define CELERIAC_CODEC_JSON_STRING_H

/* The inside of JSON strings, for json_decode.c and json_encode.c only. */

#include "codec/buffer.h"
#include "codec/value.h"

/* Looks for the closing quote of a string whose inside begins at `at`. Returns NULL, with the
 * quote's address in *ret_quote and whether there are escapes on the way in *ret_escaped; else
 * words for what is wrong with the byte at *ret_quote. */
const char *json_string_scan(const char *at, const char *end, const char **ret_quote,
                             bool *ret_escaped);
/* Resolves the escapes of a scanned inside into `ret`, which has room for inside.size bytes.
 * Returns the bytes written, or SIZE_MAX for an escape that JSON does not have. */
size_t json_string_unescape(struct text inside, char *ret);

/* Appends the text in quotes and in ASCII. CODEC_EINVALID if it is not UTF-8; lone surrogates are
 * written as they were read. */
MUST_CHECK int json_string_write(struct text text, struct buffer *buffer);

#endif
