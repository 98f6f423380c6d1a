/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_ACCOUNT_H
#define CELERIAC_POOL_ACCOUNT_H

/* What a process has said about its own end, for a person to read. Pure. */

#include <stddef.h>

#include "codec/value.h"

/* Copies the text, without line ends behind it. Of one that is too long the end is kept, from the
 * beginning of a line: that is where a traceback names the exception. */
void account_keep(struct text text, char *ret, size_t size);

#endif
