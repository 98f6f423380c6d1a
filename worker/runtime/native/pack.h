/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_PACK_H
#define CELERIAC_NATIVE_PACK_H

/* Small msgpack maps, written without asking after each element: whether all of it was written is
 * known at the end. */

#include <stdbool.h>

#include <msgpack.h>

#include "codec/buffer.h"
#include "codec/value.h"

struct pack {
    msgpack_packer packer;
    bool broken; /* the buffer has refused something */
};

/* Borrows the buffer. */
void pack_init(struct pack *pack, struct buffer *buffer);
void pack_map(struct pack *pack, size_t pairs);
void pack_nil(struct pack *pack);
void pack_bool(struct pack *pack, bool flag);
void pack_int(struct pack *pack, int64_t number);
void pack_double(struct pack *pack, double number);
void pack_string(struct pack *pack, const char *string);
void pack_text(struct pack *pack, struct text text); /* nil if there is none */
void pack_value(struct pack *pack, const msgpack_object *value);
void pack_bytes(struct pack *pack, struct bytes bytes);

#endif
