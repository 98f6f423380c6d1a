/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_REVOKING_H
#define CELERIAC_CONSUMER_REVOKING_H

/* Revocation of tasks: by id, or by a stamp that a message bears (header and value). A message that
 * is revoked is not run: it is recorded as REVOKED and acknowledged, at once if it is held here and
 * no child has begun it, else wherever it is met. A running task goes on unless it is terminated.
 */

#include <stdbool.h>

#include "codec/value.h"

struct consumer;
struct request;

/* In words: "{'header': 'value'}", for Celery's log line. */
enum { REVOKING_STAMP_SIZE = 256 };

/* True if the request's id or one of its stamps is revoked; *ret_stamp is "" unless it was a stamp.
 */
bool revoking_has(const struct request *request, char ret_stamp[REVOKING_STAMP_SIZE]);

/* True if the request has expired or is revoked: it has been dealt with (rows J, K). */
bool revoking_check(struct request *request);

/* What becomes of what was asked for. */
enum revoking_fate {
    REVOKING_UNKNOWN,    /* nobody here has it, or it has ended */
    REVOKING_WITHDRAWN,  /* it was held here and will not run */
    REVOKING_TERMINATED, /* the signal is on its way */
    REVOKING_RUNNING,    /* and goes on: no signal was named */
};

/* Remembers the id. False: it cannot be remembered. */
MUST_CHECK bool revoking_add_id(struct consumer *consumer, struct text id);
/* Withdraws what has the id. `signal`: 0, or what ends it if it runs. */
enum revoking_fate revoking_apply_id(struct consumer *consumer, struct text id, int signal);

/* Remembers a header's value. False: it cannot be remembered. */
MUST_CHECK bool revoking_add_stamp(struct consumer *consumer, struct text header,
                                   const msgpack_object *value);
/* Withdraws everything that bears a revoked stamp and has not begun; with a signal also ends what
 * runs and bears one of `headers` (header -> value or array of values). `met` is called with
 * each of `headers` that one of those bears. */
void revoking_apply_stamps(struct consumer *consumer, const msgpack_object *headers, int signal,
                           void (*met)(void *context, struct text header,
                                       const msgpack_object *value),
                           void *context);

#endif
