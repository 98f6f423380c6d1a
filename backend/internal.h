/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_INTERNAL_H
#define CELERIAC_BACKEND_INTERNAL_H

/* What a backend is made of, for the files of backend/ alone. */

#include "backend/backend.h"

struct backend_type {
    const char *schemes[6]; /* "rpc": without "://"; NULL behind the last */
    /* Makes what is passed as `self`; NULL: out of memory. Left out, as close and stop are, by a
     * type that has nothing to hold. */
    void *(*open)(const struct backend_config *config);
    void (*close)(void *self);
    void (*stop)(void *self, void (*stopped)(void *context), void *context);
    /* False, with a sentence in `error`: the URL cannot be used. May be left out. */
    bool (*check)(const char *url, char error[BACKEND_ERROR_SIZE]);
    enum backend_answer (*store)(void *self, const struct backend_result *result,
                                 backend_stored *stored, void *context);
    /* Left out by a type without chords. */
    enum backend_answer (*begin_chord)(void *self, struct text group_id, uint64_t size,
                                       struct bytes group, backend_done *done, void *context);
    enum backend_answer (*add_part)(void *self, const struct backend_part *part,
                                    backend_added *added, void *context);
    enum backend_answer (*get_results)(void *self, const struct text *ids, size_t count,
                                       backend_added *added, void *context);
    enum backend_answer (*end_chord)(void *self, struct text group_id, backend_done *done,
                                     void *context);
};

extern const struct backend_type backend_disabled;
extern const struct backend_type backend_rpc;
extern const struct backend_type backend_redis;

#endif
