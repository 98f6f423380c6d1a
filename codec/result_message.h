/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_RESULT_MESSAGE_H
#define CELERIAC_CODEC_RESULT_MESSAGE_H

/* Result documents (celery-wire.md 4.2, 4.3) as Celery's clients of any version read them. */

#include "codec/buffer.h"
#include "codec/error.h"
#include "codec/serializer.h"
#include "codec/value.h"

enum { RESULT_STAMPS_MAX = 32 };

/* An exception as clients rebuild it. */
struct result_exception {
    struct text type;         /* class name: "ValueError" */
    struct text module;       /* "builtins", "celery.exceptions", "billiard.exceptions" ... */
    msgpack_object arguments; /* an array: the constructor's arguments */
};

/* What `result_extended` adds. */
struct result_extended {
    struct text name, worker, queue;
    const msgpack_object *args, *kwargs; /* NULL: null */
    int64_t retries;
    /* The headers of these names, NULL where there are none: each stamp, up to
     * RESULT_STAMPS_MAX of them, has its own key. */
    const msgpack_object *stamped_headers, *stamps;
};

struct result_message {
    struct text task_id;
    const char *status;                       /* Celery's state: "SUCCESS", "FAILURE" ... */
    const msgpack_object *result;             /* the value; NULL if `exception` is set */
    const struct result_exception *exception; /* NULL if `result` is set */
    struct text traceback;                    /* none: null */
    struct text group_id, parent_id;          /* left out of the document where there are none */
    int64_t date_done;              /* microseconds UTC; 0: null (state is not a ready one) */
    const msgpack_object *children; /* an array of result tuples; NULL: an empty one */
    const struct result_extended *extended; /* NULL: left out */
};

/* Appends the document, encoded by `serializer`. CODEC_ETOOBIG beyond the buffer's limit;
 * CODEC_ETYPE where the serializer cannot express the value (e.g. an integer beyond 64 bits in
 * msgpack); CODEC_EINVALID for a result with text that is not UTF-8 (an exception's text and
 * traceback are repaired instead: a failure must be told); CODEC_EDEPTH, CODEC_ENOMEM. On failure
 * the buffer is as it was. */
MUST_CHECK int result_message_write(const struct result_message *message,
                                    const struct serializer *serializer, struct buffer *buffer);

/* The Python-like text of a value as Celery's logs and events show it: at most `size` bytes with
 * the null, cut with "...", three levels deep (celery-wire.md 7.6). It is one line of valid UTF-8:
 * control characters and broken bytes are written as Python's repr would, \n and \xff. Returns the
 * length. */
size_t result_repr(const msgpack_object *value, char *ret, size_t size);
/* The same for an array that is a tuple in Python: "(2, 3)", "(2,)". */
size_t result_repr_tuple(const msgpack_object *array, char *ret, size_t size);

#endif
