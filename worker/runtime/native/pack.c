/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the bookkeeping of what could not be written. Knows no message. */

#include "worker/runtime/native/pack.h"

#include <string.h>

static void check(struct pack *pack, int result)
{
    if (result != 0)
        pack->broken = true;
}

void pack_init(struct pack *pack, struct buffer *buffer)
{
    msgpack_packer_init(&pack->packer, buffer, buffer_msgpack_write);
    pack->broken = false;
}

void pack_map(struct pack *pack, size_t pairs)
{
    check(pack, msgpack_pack_map(&pack->packer, pairs));
}

void pack_nil(struct pack *pack)
{
    check(pack, msgpack_pack_nil(&pack->packer));
}

void pack_bool(struct pack *pack, bool flag)
{
    check(pack, flag ? msgpack_pack_true(&pack->packer) : msgpack_pack_false(&pack->packer));
}

void pack_int(struct pack *pack, int64_t number)
{
    check(pack, msgpack_pack_int64(&pack->packer, number));
}

void pack_double(struct pack *pack, double number)
{
    check(pack, msgpack_pack_double(&pack->packer, number));
}

void pack_string(struct pack *pack, const char *string)
{
    pack_text(pack, (struct text){string, strlen(string)});
}

void pack_text(struct pack *pack, struct text text)
{
    if (text.data == NULL) {
        pack_nil(pack);
        return;
    }
    check(pack, msgpack_pack_str(&pack->packer, text.size));
    check(pack, msgpack_pack_str_body(&pack->packer, text.data, text.size));
}

void pack_value(struct pack *pack, const msgpack_object *value)
{
    check(pack, msgpack_pack_object(&pack->packer, *value));
}

void pack_bytes(struct pack *pack, struct bytes bytes)
{
    check(pack, msgpack_pack_bin(&pack->packer, bytes.size));
    check(pack, msgpack_pack_bin_body(&pack->packer, bytes.data, bytes.size));
}
