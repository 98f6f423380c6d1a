/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_PAGE_H
#define CELERIAC_POOL_PAGE_H

/* A page of memory that is shared with one child (codec/claims.h). */

#include "codec/claims.h"

/* NULL: this system has none to give. Otherwise *ret_fd is the page's descriptor, for the child:
 * the caller closes it. */
struct claims *page_new(int *ret_fd);
/* Accepts NULL. */
void page_free(struct claims *claims);

#endif
