/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_DOCUMENT_H
#define CELERIAC_NATIVE_DOCUMENT_H

/* Result documents and parts of chords, as this runtime leaves them. */

#include "codec/result_message.h"
#include "codec/subtask.h"
#include "codec/task_body.h"
#include "worker/runtime/native/failure.h"
#include "worker/runtime/native/request.h"

struct document {
    struct text task_id, group_id, parent_id;
    struct text state;
    const msgpack_object *result;   /* NULL: `failure` */
    const struct failure *failure;  /* NULL: `result` */
    const msgpack_object *children; /* NULL: none */
    /* Where the request asks for it, and there is one of the others, the document is an extended
     * one: of the request's task, or of a step of its chain, which never ran. */
    const struct request *request;
    const struct task_body *body;
    const struct subtask *step;
};

/* A document of this request's task, in that state. */
struct document document_of(const struct request *request, const char *state);

/* json or msgpack, by name; json for a name of any other. */
const struct serializer *document_serializer(struct text name, msgpack_zone *zone);

/* Appends it. Errors as result_message_write. */
MUST_CHECK int document_write(const struct document *document, const struct serializer *serializer,
                              msgpack_zone *zone, struct buffer *buffer);

/* What the chord's body is told of this part: [1, id, state, result]. Errors likewise. */
MUST_CHECK int document_write_member(const struct document *document,
                                     const struct serializer *serializer, msgpack_zone *zone,
                                     struct buffer *buffer);

/* True if errors of this request's task are to be stored. */
bool document_keeps_errors(const struct request *request);

#endif
