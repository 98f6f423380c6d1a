/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_OUTCOME_H
#define CELERIAC_NATIVE_OUTCOME_H

/* What came of a job, on its way out: the report, the result document and the log line. */

#include <stdbool.h>

#include "codec/buffer.h"
#include "codec/value.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/request.h"

enum outcome_state {
    OUTCOME_SUCCESS,
    OUTCOME_FAILURE,
    OUTCOME_UNDECODABLE,
    OUTCOME_INVALID,
};

struct outcome {
    enum outcome_state state;
    double runtime;         /* seconds */
    msgpack_object result;  /* OUTCOME_SUCCESS */
    struct failure failure; /* OUTCOME_FAILURE */
    const char *reason;     /* OUTCOME_UNDECODABLE, OUTCOME_INVALID */
};

/* Appends the result document, or nothing if there is none to be stored. A result that cannot be
 * encoded turns the outcome into a failure with kombu's EncodeError. False: not even that one can.
 */
MUST_CHECK bool outcome_document(struct outcome *outcome, const struct request *request,
                                 msgpack_zone *zone, struct buffer *document);

/* Appends the report as one msgpack map. False: out of memory. */
MUST_CHECK bool outcome_report(const struct outcome *outcome, msgpack_zone *zone,
                               struct buffer *report);

/* The line that Celery logs in the child. Nothing for a body that was not opened: the main process
 * tells of those. */
void outcome_log(const struct outcome *outcome, const struct request *request, msgpack_zone *zone);

#endif
