/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_CHORD_UNLOCK_H
#define CELERIAC_NATIVE_CHORD_UNLOCK_H

/* celery.chord_unlock (celery-wire.md 5.5): it looks after a chord whose parts nobody counts, and
 * comes again until all of them have ended. */

#include "worker/runtime/native/record.h"
#include "worker/runtime/native/task_state.h"

/* The task: asks for the results of the parts. */
int chord_unlock_run(struct celeriac_task *task);

/* True if this is a record of such a task. */
bool chord_unlock_is(const struct request *request);
/* The results are there, some of them or all: starts the body, fails it, or sends the task again.
 * *ret_body is the body's signature, *ret_failure what it has failed with. False: canvas->failure
 * says why nothing of that could be done. */
MUST_CHECK bool chord_unlock_end(const struct record *record, const msgpack_object **ret_body,
                                 struct failure *ret_failure);

#endif
