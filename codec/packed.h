/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_PACKED_H
#define CELERIAC_CODEC_PACKED_H

/* msgpack bytes from strangers and for Python: text is UTF-8, nothing follows the value, and the
 * memory that reading takes is bounded by the bytes that came, whatever sizes they announce. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

enum {
    PACKED_DECODE_DEPTH_MAX = 32,  /* levels of containers; msgpack-c reads no more */
    PACKED_ENCODE_DEPTH_MAX = 512, /* what Python's msgpack writes; it reads 1024 */
};

/* Strings of *ret point into `packed`, which must outlive it. Errors: CODEC_EINVALID (names the
 * offset), CODEC_EDEPTH, CODEC_ENOMEM. */
MUST_CHECK int packed_decode(struct bytes packed, msgpack_zone *zone, msgpack_object *ret,
                             struct codec_reason *reason);

/* Appends `value`. CODEC_ETYPE for VALUE_BIGINT, CODEC_EINVALID for text that is not UTF-8 (put
 * bytes into bin), CODEC_EDEPTH. On failure the buffer is as it was. */
MUST_CHECK int packed_encode(const msgpack_object *value, struct buffer *buffer);

#endif
