/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend of those who want no results. */

#include "backend/internal.h"

static enum backend_answer disabled_store(void *self, const struct backend_result *result,
                                          backend_stored *stored, void *context)
{
    (void)self;
    (void)result;
    (void)stored;
    (void)context;
    return BACKEND_NOTHING;
}

const struct backend_type backend_disabled = {
    .schemes = {"disabled"},
    .store = disabled_store,
};
