/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_RUNTIME_H
#define CELERIAC_CLI_RUNTIME_H

/* Which runtime runs the application of -A, and the command line of its forkserver. */

#include <stdbool.h>

#include "worker/cli/options.h"

enum { RUNTIME_ERROR_SIZE = 512 };

struct runtime;

struct runtime_kind {
    const char *name;
    /* Its apps have settings, queues and a log of their own, which arrive with HELLO. */
    bool apps_have_settings;
    bool (*fits)(const char *app); /* `app` may be NULL */
    int (*fill)(struct runtime *runtime, const struct options *options,
                const struct settings *settings, const char *nodename,
                char error[RUNTIME_ERROR_SIZE]);
};

struct runtime {
    const char **argv; /* NULL at the end; strings are the runtime's own */
    size_t count, room;
    bool broken; /* out of memory */
};

/* Never NULL. */
const struct runtime_kind *runtime_kind_of(const char *app);

/* Makes the command line. -1 with a sentence in `error`: there is no such program, or nothing that
 * it could run. */
MUST_CHECK int runtime_init(struct runtime *runtime, const struct runtime_kind *kind,
                            const struct options *options, const struct settings *settings,
                            const char *nodename, char error[RUNTIME_ERROR_SIZE]);
void runtime_done(struct runtime *runtime);

/* For the kinds. Appends one argument. */
void runtime_add(struct runtime *runtime, const char *format, ...) PRINTF_LIKE(2, 3);
/* Looks for a program or folder of ours: beside this program in a build folder, in
 * libexec/celeriac when installed. False if there is none. */
MUST_CHECK bool runtime_find(const char *name, char *ret, size_t size);

extern const struct runtime_kind runtime_native, runtime_python;

#endif
