/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_TASK_STATE_H
#define CELERIAC_NATIVE_TASK_STATE_H

/* What stands behind the struct celeriac_task of include/celeriac/task.h: one run of one task. Seen
 * by invoke.c, which makes it, and by those who act for the task: api_*.c, builtin.c, retry.c. */

#include "codec/task_body.h"
#include "codec/value.h"
#include "include/celeriac/task.h"
#include "worker/runtime/native/after.h"
#include "worker/runtime/native/canvas.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/library.h"
#include "worker/runtime/native/request.h"

/* What a task has decided before it returned; nothing that it says afterwards counts. */
enum task_verdict {
    TASK_RUNS,
    TASK_RETRIES,
    TASK_IGNORED,
    TASK_REJECTED,
};

struct celeriac_task {
    const struct library *library;
    const struct library_task *task;
    const struct request *request;
    const struct task_body *body;
    struct canvas *canvas; /* what it sends */
    msgpack_zone *zone;    /* everything that is made for this run */
    const msgpack_object *args, *kwargs;
    const msgpack_object **bound; /* by parameter of the signature; NULL if there is none */
    msgpack_object result;
    struct failure failure;
    enum task_verdict verdict;
    double countdown;                              /* TASK_RETRIES: seconds */
    bool requeue;                                  /* TASK_REJECTED */
    struct after_part awaited;                     /* what celery.chord_unlock looks after */
    const struct celeriac_request *public_request; /* made when first asked for */
};

#endif
