/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_BASE_H
#define CELERIAC_CODEC_BASE_H

/* The few macros that every room uses. No function ever lives here. */

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of type `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
