/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_RETRY_H
#define CELERIAC_NATIVE_RETRY_H

/* Retries (celery-wire.md 3.3): who may have one, after how long, and the message. */

#include "worker/runtime/native/task_state.h"

/* The task asks for a retry in `countdown` seconds (negative: the task's own delay), `max_retries`
 * as in the definition (0: the definition's). When they are used up the task has failed instead,
 * with the exception that was raised before, or with MaxRetriesExceededError. */
void retry_ask(struct celeriac_task *task, double countdown, int max_retries);

/* Asks for one if the task has failed with an exception that it is to be retried for. */
void retry_after_failure(struct celeriac_task *task);

/* Sends the message again, with the body as it came, and stores the state RETRY. False:
 * canvas->failure says why. */
MUST_CHECK bool retry_send(const struct celeriac_task *task, struct bytes body);

#endif
