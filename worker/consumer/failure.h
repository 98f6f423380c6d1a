/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_FAILURE_H
#define CELERIAC_CONSUMER_FAILURE_H

/* Ends of tasks that only the main process knows of: over the time limit, lost, expired, not
 * registered. A child writes them down, if the runtime takes records (PROTOCOL.md). */

#include <stdbool.h>

#include "codec/value.h"

struct failure {
    const char *event;           /* of a record: "failure", "revoked", "unknown" */
    const char *status, *module; /* of a document: "FAILURE", "RETRY"; its exception's module */
    const char *type;            /* of its exception; outlives the request */
    const char *message;         /* the constructor's one argument, or NULL: none */
    double number;               /* the argument, if message is NULL and has_number */
    bool has_number;
    int signum; /* of a record "revoked": the signal that ended it; 0: none */
};

/* The constructor's argument; nil if it has none. Borrows the message. */
msgpack_object failure_argument(const struct failure *failure);

#endif
