/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_UUID_H
#define CELERIAC_CODEC_UUID_H

/* Task ids as Celery makes them: random UUIDs (version 4) in lower-case text. */

enum { UUID_SIZE = 37 }; /* 36 characters and the null */

void uuid_make(char ret[UUID_SIZE]);

#endif
