/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_CONTROL_COMMANDS_H
#define CELERIAC_CONSUMER_CONTROL_COMMANDS_H

/* The remote control commands (celery-wire.md 6.3, 6.6): a table of methods, one function each.
 * What a handler cannot do it answers as Celery does, with the exception as Python prints it. */

#include <stdbool.h>

#include "codec/base.h"
#include "codec/value.h"

struct consumer;

/* A text in a reply is cut beyond it. */
enum { CONTROL_TEXT_SIZE = 8 * 1024 };

struct control_call {
    struct consumer *consumer;
    struct text method;
    const msgpack_object *arguments; /* a map */
    msgpack_zone *zone;              /* for the reply, which may also borrow from the call */
    msgpack_object reply;            /* nil until somebody sets it */
    char text[CONTROL_TEXT_SIZE];
};

/* Runs the method; the reply is in the call. */
void control_run(struct control_call *call);

/* {"ok": text} and {"error": text}. The text is cut to CONTROL_TEXT_SIZE. */
void control_ok(struct control_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
void control_error(struct control_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
/* NULL: not given, or None. */
const msgpack_object *control_argument(const struct control_call *call, const char *name);
/* As in Python: None, False, 0 and what is empty is not. */
bool control_truth(const msgpack_object *value);

/* The handlers of control_revoke.c. */
void control_revoke(struct control_call *call);
void control_terminate(struct control_call *call);
void control_revoke_by_stamped_headers(struct control_call *call);
void control_revoked(struct control_call *call);

#endif
