/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_FAILURE_H
#define CELERIAC_CONSUMER_FAILURE_H

/* Ends of tasks that only the main process knows of: over the time limit, lost, expired, not
 * registered. Where the runtime takes records (PROTOCOL.md) a child writes them down, else we do,
 * as a result document. */

#include <stdbool.h>

#include "codec/value.h"

struct request;

struct failure {
    const char *event;  /* of a record: "failure", "revoked", "unknown"; NULL: there is none */
    const char *status; /* of the document: "FAILURE", "REVOKED", "RETRY" */
    const char *type, *module; /* of its exception; outlive the request */
    const char *message;       /* the constructor's one argument, or NULL: none */
    double number;             /* the argument, if message is NULL and has_number */
    bool has_number;
};

/* The constructor's argument; nil if it has none. Borrows the message. */
msgpack_object failure_argument(const struct failure *failure);

/* Makes what failure_finish will write down. Copies what it needs; the request is not in the pool.
 */
void failure_prepare(struct request *request, const struct failure *failure);
/* Writes it down, then settles with request->verb. The request may be gone. */
void failure_finish(struct request *request);

/* Both. */
void failure_end(struct request *request, const struct failure *failure);

#endif
