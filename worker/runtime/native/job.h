/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_JOB_H
#define CELERIAC_NATIVE_JOB_H

/* One job after the other: body, task, outcome. What a job needs is kept for the next one. */

#include <stdbool.h>
#include <stdint.h>

#include "codec/buffer.h"
#include "codec/value.h"
#include "worker/runtime/native/follow.h"
#include "worker/runtime/native/library.h"

struct job_observer {
    /* The task begins, its body is open; not called for a body that cannot be opened, nor for a
     * record. */
    void (*on_start)(void *context);
    void *context;
    struct follow follow; /* what it sends */
};

struct job {
    const struct library *library;
    msgpack_zone zone;
    struct buffer plain;            /* the body, if it came compressed */
    struct buffer report, document; /* of the last job, until job_clear */
};

/* False: out of memory. */
MUST_CHECK bool job_init(struct job *job, const struct library *library);
void job_done(struct job *job);

/* Runs the job with this number; `request` and `body` are borrowed. False: out of memory, there is
 * no report. */
MUST_CHECK bool job_run(struct job *job, uint64_t number, const msgpack_object *request,
                        struct text body, const struct job_observer *observer);

/* Forgets the job, and gives back what only a large one needs. To be called after each. */
void job_clear(struct job *job);

#endif
