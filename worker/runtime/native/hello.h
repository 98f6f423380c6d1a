/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_HELLO_H
#define CELERIAC_NATIVE_HELLO_H

/* The description that the forkserver sends with HELLO (PROTOCOL.md). */

#include <stdbool.h>

#include "codec/buffer.h"
#include "worker/runtime/native/library.h"

/* Appends it as one msgpack map. False: out of memory. */
MUST_CHECK bool hello_describe(const struct library *library, struct buffer *buffer);

#endif
