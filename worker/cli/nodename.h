/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_NODENAME_H
#define CELERIAC_CLI_NODENAME_H

/* Node names and the %-signs of --hostname, --logfile and --pidfile, as Celery expands them. */

#include <stddef.h>

#include "codec/base.h"

/* Expands `text` into `ret`: %h the host, %d what stands behind its first dot, %n `name`, or, if
 * that is NULL, what stands before the host's first dot, %i and %I the number of the process in the
 * pool ("0" and nothing for the main process), %% a percent sign. -1 if it does not fit. */
MUST_CHECK int nodename_expand(const char *text, const char *name, const char *host, char *ret,
                               size_t size);

/* The same for a file name of the node `nodename`: %n is the part before its @, the host the part
 * behind, and %p all of it. */
MUST_CHECK int nodename_expand_file(const char *text, const char *nodename, char *ret, size_t size);

/* The node name for --hostname's value (NULL: celery@HOST); a value without @ is the host part of
 * celery@... -1 if too long. */
MUST_CHECK int nodename_make(const char *option, char *ret, size_t size);

#endif
