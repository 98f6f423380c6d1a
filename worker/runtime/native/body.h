/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_BODY_H
#define CELERIAC_NATIVE_BODY_H

/* A JOB's body, opened as its request says. */

#include "codec/task_body.h"
#include "worker/runtime/native/request.h"

enum body_status {
    BODY_OPEN,
    BODY_UNDECODABLE, /* Celery acks and drops such a message */
    BODY_INVALID,     /* no task body, or of a kind that is not accepted: Celery rejects it */
    BODY_BAD_KWARGS,  /* a task body, but its keyword arguments are no object: the task fails */
};

/* `plain` holds what is decompressed; *ret borrows from it, from `body` and from the zone. `reason`
 * is written unless the status is BODY_OPEN. */
enum body_status body_open(const struct request *request, struct text body, struct buffer *plain,
                           msgpack_zone *zone, struct task_body *ret, struct codec_reason *reason);

#endif
