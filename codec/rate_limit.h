/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_RATE_LIMIT_H
#define CELERIAC_CODEC_RATE_LIMIT_H

/* How Celery writes a rate limit: "10/s", "100/m", "5/h", or a number, which is a second's. */

#include "codec/error.h"
#include "codec/value.h"

/* Tasks a second; 0 for nil, "", 0 and what is no bound (infinity): no limit. CODEC_EINVALID: no
 * number, or a negative one; CODEC_EUNSUPPORTED: an unknown unit; CODEC_ETYPE. `reason` names what
 * was wrong in the words of the exception that Celery raises. */
MUST_CHECK int rate_limit_read(const msgpack_object *value, double *ret,
                               struct codec_reason *reason);

#endif
