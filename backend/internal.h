/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_INTERNAL_H
#define CELERIAC_BACKEND_INTERNAL_H

/* What a backend is made of, for the files of backend/ alone. */

#include "backend/backend.h"

struct backend_type {
    const char *scheme; /* "rpc": without "://" */
    /* Makes what is passed as `self`; NULL: out of memory. Both are left out by a type that has
     * nothing to hold. */
    void *(*open)(const struct backend_config *config);
    void (*close)(void *self);
    enum backend_answer (*store)(void *self, const struct backend_result *result,
                                 backend_stored *stored, void *context);
};

extern const struct backend_type backend_disabled;
extern const struct backend_type backend_rpc;

#endif
