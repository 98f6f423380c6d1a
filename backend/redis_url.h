/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BACKEND_REDIS_URL_H
#define CELERIAC_BACKEND_REDIS_URL_H

/* Redis URLs as Celery reads them (celery-wire.md 4.6): redis://[[user]:password@]host[:port][/db],
 * socket:///path[?virtual_host=db] and its alias unix://. rediss:// is refused: hiredis as Debian
 * 12 packages it has no TLS. */

#include "codec/base.h"

enum { REDIS_URL_PART_MAX = 256, REDIS_URL_ERROR_SIZE = 256 };

struct redis_url {
    char host[REDIS_URL_PART_MAX];                               /* "" with a path */
    char path[108];                                              /* of a Unix socket, else "" */
    char user[REDIS_URL_PART_MAX], password[REDIS_URL_PART_MAX]; /* "" = none */
    int port;                                                    /* 6379 */
    int db;                                                      /* 0 */
};

/* 0, or -1 with a sentence in `error` that never shows the password. */
MUST_CHECK int redis_url_parse(const char *text, struct redis_url *ret,
                               char error[REDIS_URL_ERROR_SIZE]);

#endif
