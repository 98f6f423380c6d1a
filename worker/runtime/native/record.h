/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_RECORD_H
#define CELERIAC_NATIVE_RECORD_H

/* Jobs that run nothing: what the main process knows of a task, written down (PROTOCOL.md,
 * "Records"). */

#include "worker/runtime/native/outcome.h"

struct record {
    const struct request *request;
    const struct task_body *body;
    struct canvas *canvas;
    struct bytes packed_body; /* as it came */
};

/* What the request's record says, as an outcome for RESULT: SUCCESS when it is done, its document
 * appended if there is one to be stored; or FAILURE, and why. */
void record_write(const struct record *record, struct outcome *ret, struct buffer *document);

#endif
