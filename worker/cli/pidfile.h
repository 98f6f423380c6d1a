/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_PIDFILE_H
#define CELERIAC_CLI_PIDFILE_H

#include <stddef.h>

#include "codec/base.h"

/* Writes our pid into `path`, replacing a file that names no living process. -1 with a sentence in
 * `error`. */
MUST_CHECK int pidfile_write(const char *path, char *error, size_t size);
/* Removes the file if it still names us. */
void pidfile_remove(const char *path);

#endif
