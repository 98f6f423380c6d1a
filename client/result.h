/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_RESULT_H
#define CELERIAC_CLIENT_RESULT_H

/* Result documents as anybody may have stored them, read for a C program (celery-wire.md 4.2). */

#include "celeriac/client.h"
#include "client/report.h"
#include "codec/buffer.h"
#include "codec/value.h"

/* Whether the state is one that nothing follows. False for what cannot be read, too. An empty
 * content type: the document itself tells. */
bool result_is_final(struct bytes document, struct text content_type);

/* Reads a copy of the document; an empty one is that of a task that nobody knows, PENDING. Free it
 * with celeriac_result_free. */
MUST_CHECK int result_read(struct bytes document, struct text content_type,
                           struct celeriac_result **ret, struct report *report);

#endif
