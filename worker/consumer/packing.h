/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_PACKING_H
#define CELERIAC_CONSUMER_PACKING_H

/* The maps of PROTOCOL.md that describe a request: to the child that runs or records it, and to the
 * forkserver that tells the app of it. Each appends one packed map. CODEC_ENOMEM, CODEC_ETOOBIG:
 * the buffer then holds a part of it. */

#include "backend/backend.h"
#include "codec/buffer.h"
#include "worker/consumer/failure.h"
#include "worker/consumer/request.h"

/* The request of a JOB; with what is to be recorded unless `record` is NULL. */
MUST_CHECK int packing_request(const struct request *request, const struct failure *record,
                               struct buffer *buffer);

/* The request of a JOB that ends the chord that the task was a part of; `parts` may be NULL where
 * there is an `error`. */
MUST_CHECK int packing_chord(const struct request *request, const struct backend_parts *parts,
                             const char *error, struct buffer *buffer);

/* The arguments of a signal about a request; `reason` may be NULL. */
MUST_CHECK int packing_signal(const struct request *request, const char *reason,
                              struct buffer *buffer);

#endif
