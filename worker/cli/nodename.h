/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_NODENAME_H
#define CELERIAC_CLI_NODENAME_H

/* Node names and the %-signs of --hostname, --logfile and --pidfile, as Celery expands them. */

#include <stddef.h>

#include "codec/base.h"

/* Expands `text` into `ret`: %h the host, %n what stands before its first dot, %d what stands
 * behind it, %% a percent sign. -1 if it does not fit. */
MUST_CHECK int nodename_expand(const char *text, const char *host, char *ret, size_t size);

/* The node name for --hostname's value (NULL: celery@HOST); a value without @ is the host part of
 * celery@... -1 if too long. */
MUST_CHECK int nodename_make(const char *option, char *ret, size_t size);

#endif
