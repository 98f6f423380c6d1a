/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_RUN_H
#define CELERIAC_POOL_RUN_H

/* A job in a child, from its dispatch to its end. */

#include "worker/pool/internal.h"

/* Appends the job's JOB to the child's output; *ret_body is what is left of its body, to be sent
 * behind it. 0 or a CODEC_E*. */
MUST_CHECK int run_write(struct pool_child *child, struct pool_job *job, struct bytes *ret_body);
/* True if the child has to say that it begins. */
bool run_wants_started(const struct pool_job *job);
/* Sends the job to an idle child. If the child cannot take it, it is killed and the job comes back
 * by itself. */
void run_send(struct pool_child *child, struct pool_job *job);
/* The frame has been written to its last byte. */
void run_sent(struct pool_child *child);
/* STARTED and RESULT. False: the child may not send that now; link->reason is set. */
bool run_on_started(struct pool_child *child, const struct frame *frame);
bool run_on_result(struct pool_child *child, const struct frame *frame);
/* PUBLISH, STORE and CHORD; likewise. */
bool run_on_follow_up(struct pool_child *child, const struct frame *frame);
/* There is room again for those of its job. */
void run_listen(struct pool_child *child);
void run_kill(struct pool_child *child, int signal);
void run_signal(struct pool_child *child, int signal);
void run_expired(struct pool_child *child, double now);
/* The child has sent its last frame: jobs that it has not begun need not wait for its status. */
void run_give_back(struct pool_child *child);
/* All is known that ever will be: whatever job there still is has ended. */
void run_dropped(struct pool_child *child);

#endif
