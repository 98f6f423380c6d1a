/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_TASK_STATE_H
#define CELERIAC_NATIVE_TASK_STATE_H

/* What stands behind the struct celeriac_task of include/celeriac/task.h: one run of one task. Seen
 * by job.c, which makes it, and by the api_*.c files. */

#include "codec/value.h"
#include "include/celeriac/task.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/library.h"
#include "worker/runtime/native/request.h"

struct celeriac_task {
    const struct library_task *task;
    const struct request *request;
    msgpack_zone *zone; /* everything that is made for this run */
    const msgpack_object *args, *kwargs;
    const msgpack_object **bound; /* by parameter of the signature; NULL if there is none */
    msgpack_object result;
    struct failure failure;
    const struct celeriac_request *public_request; /* made when first asked for */
};

#endif
