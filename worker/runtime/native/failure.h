/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_FAILURE_H
#define CELERIAC_NATIVE_FAILURE_H

/* The exception that a task has failed with, as Celery's clients rebuild it (celery-wire.md 4.3).
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "codec/value.h"

enum {
    FAILURE_MESSAGE_MAX = 4096, /* bytes of a message; longer ones are cut */
    FAILURE_TEXT_SIZE = 1024,   /* bytes for failure_text with its null */
};

struct failure {
    bool raised;
    struct text module, type; /* "builtins", "ValueError" */
    msgpack_object message;   /* str; nil: the exception has no arguments */
    /* Where it was raised; NULL and 0 where that is not known. Borrowed from the task library. */
    const char *file, *function;
    int line;
    bool untraced; /* no code has raised it: the process was killed, the task revoked */
};

/* `type` is a class of Python's builtins, or a class with its module before the last dot. It is
 * borrowed, the message is made in the zone. A failure that was raised before is forgotten. */
void failure_raise(struct failure *failure, msgpack_zone *zone, const char *type,
                   const char *format, ...) PRINTF_LIKE(4, 5);
void failure_raise_va(struct failure *failure, msgpack_zone *zone, const char *type,
                      const char *format, va_list arguments);
/* An exception without arguments. */
void failure_raise_bare(struct failure *failure, const char *type);

/* Python's repr, "ValueError('no row 7')", cut at `size` bytes with the null. */
void failure_text(const struct failure *failure, char *ret, size_t size);
/* Text like Python's traceback, in the zone; no text for what is untraced, or if memory is short.
 */
struct text failure_traceback(const struct failure *failure, msgpack_zone *zone);

#endif
