/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_APPSIGNAL_H
#define CELERIAC_CONSUMER_APPSIGNAL_H

/* Celery's signals that the app's code handles in the forkserver (PROTOCOL.md, "Signals"). Those
 * that HELLO does not list cost one test of a bit. */

#include <stdbool.h>

#include "codec/value.h"

struct consumer;
struct request;

enum appsignal {
    APPSIGNAL_WORKER_READY,
    APPSIGNAL_WORKER_SHUTTING_DOWN,
    APPSIGNAL_TASK_RECEIVED,
    APPSIGNAL_TASK_UNKNOWN,
    APPSIGNAL_TASK_REJECTED,
    APPSIGNAL_COUNT,
};

/* The bits (1 << kind) of those that HELLO's description lists. */
unsigned appsignal_wanted(const msgpack_object *description);
/* APPSIGNAL_COUNT: there is none of that name. */
enum appsignal appsignal_find(struct text name);

/* Nothing happens if it is not wanted. `arguments` is a map or NULL: none. */
void appsignal_send(struct consumer *consumer, enum appsignal kind,
                    const msgpack_object *arguments);
/* One of the task_ signals; `reason` may be NULL. The request has its delivery still. */
void appsignal_send_request(const struct request *request, enum appsignal kind, const char *reason);

#endif
