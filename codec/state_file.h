/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_STATE_FILE_H
#define CELERIAC_CODEC_STATE_FILE_H

/* The bytes of a --statedb file: a line that says whose it is, a line with the checksum of the
 * rest, and one msgpack map. Not Celery's file, which is a Python shelve. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/value.h"

/* Starts a file in an empty buffer; the caller appends the map and calls state_file_end.
 * CODEC_ENOMEM, CODEC_ETOOBIG. */
MUST_CHECK int state_file_begin(struct buffer *buffer);
void state_file_end(struct buffer *buffer);

/* The map in *ret, which borrows from `file` and `zone`. CODEC_EUNSUPPORTED: somebody else's file;
 * CODEC_EINVALID: ours, and damaged; CODEC_ENOMEM. */
MUST_CHECK int state_file_read(struct bytes file, msgpack_zone *zone, msgpack_object *ret,
                               struct codec_reason *reason);

#endif
