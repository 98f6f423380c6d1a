/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_RESULTS_H
#define CELERIAC_CLI_RESULTS_H

/* Where results go and how they are written, as far as the main process stores them. */

#include "backend/backend.h"
#include "codec/serializer.h"
#include "worker/cli/settings.h"

enum { RESULTS_URL_SIZE = 1024, RESULTS_ERROR_SIZE = 512, RESULTS_PREFIX_SIZE = 256 };

struct results {
    char url[RESULTS_URL_SIZE];                              /* of the backend */
    char key_prefix[RESULTS_PREFIX_SIZE];                    /* global_keyprefix; "": none */
    const struct serializer *serializer;                     /* result_serializer */
    const struct serializer *accepted[SETTING_LIST_MAX + 1]; /* NULL at the end */
    bool app_decides; /* the app decides about results and content types, and has said so */
};

/* Fills in what the settings say. -1 with a sentence in `error`. */
MUST_CHECK int results_check(struct results *results, const struct settings *settings,
                             char error[RESULTS_ERROR_SIZE]);
/* The same, but for an app that stores its results itself and says what it leaves to us (HELLO's
 * `backend`). */
MUST_CHECK int results_read(struct results *results, const struct settings *settings,
                            const msgpack_object *description, char error[RESULTS_ERROR_SIZE]);

#endif
