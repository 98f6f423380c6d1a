/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_JSON_H
#define CELERIAC_CODEC_JSON_H

/* JSON as Python's json module reads and writes it: NaN, Infinity and -Infinity are numbers,
 * integers have no upper bound (see VALUE_BIGINT), 5 and 5.0 differ, text is written in ASCII with
 * \uXXXX escapes and the separators ", " and ": ". kombu's typed envelopes ({"__type__": ...,
 * "__value__": ...}) are plain objects here and pass through. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

/* Levels of nesting that are read and written: more than anybody sends, less than a stack holds. */
enum { JSON_DEPTH_MAX = 512 };

/* Reads one JSON text. Strings of *ret that hold no escape point into `text`, which must outlive
 * it; all else is in `zone`. Errors: CODEC_EINVALID (names the offset), CODEC_EDEPTH, CODEC_ENOMEM.
 * Lone surrogates are read as Python reads them (WTF-8). */
MUST_CHECK int json_decode(struct bytes text, msgpack_zone *zone, msgpack_object *ret,
                           struct codec_reason *reason);

/* Appends `value` as JSON. Map keys that are not strings become strings as in Python (1 -> "1",
 * null -> "null", true -> "true"). bin becomes kombu's envelope: {"__type__": "bytes"} if it is
 * UTF-8, else "base64". Other EXT types are CODEC_ETYPE. */
MUST_CHECK int json_encode(const msgpack_object *value, struct buffer *buffer);

#endif
