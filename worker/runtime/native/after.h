/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_AFTER_H
#define CELERIAC_NATIVE_AFTER_H

/* What follows a task's end: callbacks, the rest of its chain, errbacks, its part of a chord
 * (celery-wire.md 5.2, 5.4). */

#include "codec/task_body.h"
#include "worker/runtime/native/canvas.h"
#include "worker/runtime/native/document.h"
#include "worker/runtime/native/request.h"

/* A part of a chord. */
struct after_part {
    struct text group; /* without data: there is none */
    msgpack_object index;
    struct text task_id;
    const msgpack_object *chord; /* the body's signature */
    msgpack_object results;      /* an array: the ids of all parts, of a chord that nobody counts */
};

/* The part that the end of this task is: its own, or, when it has failed, that of the last task of
 * its chain, which will never run. */
struct after_part after_part_of(const struct request *request, const struct task_body *body,
                                bool failed);

/* The part that this signature's task was to be. False: it is none. */
bool after_part_of_signature(const msgpack_object *signature, struct after_part *ret);

/* Sends what a success is followed by. False: canvas->failure says why, and the task has failed. */
MUST_CHECK bool after_success(struct canvas *canvas, const struct task_body *body,
                              const msgpack_object *result);

/* True if a failure of the task has anything that follows it, besides its part of a chord. */
bool after_failure_matters(const struct task_body *body);
/* Stores the failure for what the chain will not run, if errors are stored at all, and calls the
 * errbacks. `document` is the task's own. False: canvas->failure says why. */
MUST_CHECK bool after_failure(struct canvas *canvas, const struct task_body *body,
                              const struct document *document);

/* Calls these errbacks for the failure of that task. */
MUST_CHECK bool after_call_errbacks(struct canvas *canvas, const msgpack_object *errbacks,
                                    struct text task_id);

/* Stores a document of its own. */
MUST_CHECK bool after_store(struct canvas *canvas, const struct document *document);

#endif
