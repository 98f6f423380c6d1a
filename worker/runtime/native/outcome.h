/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_OUTCOME_H
#define CELERIAC_NATIVE_OUTCOME_H

/* What came of a job, on its way out: the report and the log line. */

#include <stdbool.h>

#include "codec/buffer.h"
#include "codec/value.h"
#include "worker/runtime/native/after.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/request.h"

enum outcome_state {
    OUTCOME_SUCCESS,
    OUTCOME_FAILURE,
    OUTCOME_RETRY,
    OUTCOME_IGNORED,
    OUTCOME_REJECTED,
    OUTCOME_UNDECODABLE,
    OUTCOME_INVALID,
};

struct outcome {
    enum outcome_state state;
    double runtime;         /* seconds */
    msgpack_object result;  /* OUTCOME_SUCCESS */
    struct failure failure; /* OUTCOME_FAILURE; OUTCOME_RETRY: the cause, if one was raised */
    const char *reason;     /* OUTCOME_UNDECODABLE, OUTCOME_INVALID */
    double countdown;       /* OUTCOME_RETRY: seconds */
    bool requeue;           /* OUTCOME_REJECTED */
    struct after_part part; /* of a chord, which the main process is to add */
    struct bytes member;
};

/* Turns the outcome into a failure with kombu's EncodeError. */
void outcome_fail_encoding(struct outcome *outcome, const char *serializer, int error,
                           msgpack_zone *zone);

/* The report will name this part, with what the document says of it. False: canvas->failure says
 * why it cannot. */
MUST_CHECK bool outcome_set_part(struct outcome *outcome, const struct after_part *part,
                                 const struct document *document, struct canvas *canvas);
/* If the end that the document tells of is a part of a chord, the report will say so. False
 * likewise. */
MUST_CHECK bool outcome_take_part(struct outcome *outcome, const struct request *request,
                                  const struct task_body *body, const struct document *document,
                                  struct canvas *canvas);

/* Appends the report as one msgpack map. False: out of memory. */
MUST_CHECK bool outcome_report(const struct outcome *outcome, msgpack_zone *zone,
                               struct buffer *report);

/* The line that Celery logs in the child. Nothing for a body that was not opened: the main process
 * tells of those. */
void outcome_log(const struct outcome *outcome, const struct request *request, msgpack_zone *zone);

#endif
