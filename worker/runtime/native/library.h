/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_LIBRARY_H
#define CELERIAC_NATIVE_LIBRARY_H

/* The user's task library, and what may be called in it. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/value.h"
#include "include/celeriac/task.h"
#include "worker/runtime/native/signature.h"

enum { LIBRARY_ERROR_SIZE = 1024 };

struct library_task {
    struct celeriac_task_definition definition;
    const char *function; /* the last part of the name, for messages */
    struct signature signature;
    bool has_signature;
};

struct library {
    void *handle;
    struct library_task *tasks; /* owned, sorted by name */
    size_t count;
};

/* Loads the library and checks what it says of itself. False: `error` (LIBRARY_ERROR_SIZE bytes)
 * holds a sentence for the user. */
MUST_CHECK bool library_open(const char *path, struct library *ret, char *error);
/* Forgets the tasks; the code stays loaded. */
void library_done(struct library *library);

/* NULL if there is no task of that name. */
const struct library_task *library_find(const struct library *library, struct text name);

#endif
