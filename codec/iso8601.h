/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_ISO8601_H
#define CELERIAC_CODEC_ISO8601_H

/* Times as Celery writes and reads them (celery-wire.md 2.5). Instants are microseconds since
 * 1970-01-01T00:00:00 UTC. */

#include <stdint.h>

#include "codec/error.h"
#include "codec/value.h"

enum { ISO8601_SIZE = 40 }; /* bytes for a formatted instant with its null */

/* Accepts what Celery 5.6 accepts: dates with or without dashes, YYYY, YYYY-MM, ISO weeks, any
 * one-character separator, HH, HH:MM, HHMM, HH:MM:SS, HHMMSS, fractions after '.' or ',' (cut to
 * six digits), Z, +HH, +HHMM, +HH:MM, 24:00. A time without an offset is UTC. CODEC_EINVALID
 * otherwise. */
MUST_CHECK int iso8601_parse(struct text text, int64_t *ret_usec, struct codec_reason *reason);

/* "2026-11-22T13:24:16.802253+00:00": always six digits, always +00:00. Years 1 to 9999. */
void iso8601_format(int64_t usec, char ret[ISO8601_SIZE]);

#endif
