/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_CANVAS_H
#define CELERIAC_NATIVE_CANVAS_H

/* Signatures become messages: single calls, chains, groups and chords, as Celery's worker sends
 * them from within a task (celery-wire.md 5). */

#include "codec/error.h"
#include "codec/serializer.h"
#include "codec/subtask.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/follow.h"
#include "worker/runtime/native/library.h"

/* What one job sends, and from where. */
struct canvas {
    msgpack_zone *zone;            /* everything that is made */
    const struct library *library; /* what it says of its own tasks holds for calls of them */
    const struct follow *follow;
    struct text id, root_id; /* of the task that sends */
    struct text reply_to;    /* for what goes on with the task's work; may be without data */
    msgpack_object priority; /* that is passed on; nil: none */
    const struct serializer *serializer, *result_serializer;
    bool chords;             /* the backend has a place for them */
    msgpack_object children; /* result tuples of what was sent, in order */
    uint32_t children_room;
    struct failure failure; /* why the last call has returned false */
};

/* Sends one message. `options` as of task_publish.h; the ids are filled in if they are not there.
 * *ret_id is the message's task id. False, as all that follows: canvas->failure says why. */
MUST_CHECK bool canvas_publish(struct canvas *canvas, struct text task, const msgpack_object *args,
                               const msgpack_object *kwargs, const msgpack_object *options,
                               struct text *ret_id);

/* Calls a signature: `args` (an array) go before its own, unless it is immutable; `options` (a map,
 * may be NULL) over its own. What was sent becomes a child of the task. *ret is its result tuple.
 */
MUST_CHECK bool canvas_apply(struct canvas *canvas, const msgpack_object *signature,
                             const msgpack_object *args, const msgpack_object *options,
                             msgpack_object *ret);

/* Calls several at once, as one new group. */
MUST_CHECK bool canvas_apply_all(struct canvas *canvas, const msgpack_object *signatures,
                                 const msgpack_object *args, const msgpack_object *options);

/* Adds `list` to the signature's `link` or `link_error`, where Celery would put them: a chord's
 * body, a chain's last task (every task of it for link_error). */
MUST_CHECK bool canvas_link(struct canvas *canvas, struct subtask *subtask, const char *name,
                            const msgpack_object *list);

/* The id that the result of a signature will have; no text if that is not decided. */
struct text canvas_result_id(const struct subtask *subtask);

#endif
