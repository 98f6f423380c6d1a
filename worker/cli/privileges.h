/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_PRIVILEGES_H
#define CELERIAC_CLI_PRIVILEGES_H

#include "codec/base.h"

enum { PRIVILEGES_ERROR_SIZE = 256 };

/* Becomes `user` and `group` (names or numbers, NULL: as we are; a user brings its own groups
 * along), for good. -1 with a sentence in `error`. */
MUST_CHECK int privileges_drop(const char *user, const char *group,
                               char error[PRIVILEGES_ERROR_SIZE]);

#endif
