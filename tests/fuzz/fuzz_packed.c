/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as msgpack. What was read can be written (but for an integer that is too large), and
 * reads and writes the same. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/packed.h"

enum { LIMIT = 1 << 24 };

static void rewrite(struct bytes packed, msgpack_zone *zone, struct buffer *ret)
{
    msgpack_object value;
    PROMISE(packed_decode(packed, zone, &value, NULL) == 0);
    PROMISE(packed_encode(&value, ret) == 0);
}

static void check(const msgpack_object *value, msgpack_zone *zone)
{
    struct buffer first;
    struct buffer second;
    buffer_init(&first, LIMIT);
    buffer_init(&second, LIMIT);
    int rc = packed_encode(value, &first);
    PROMISE(rc == 0 || rc == CODEC_ETYPE);
    if (rc == 0) {
        rewrite(buffer_bytes(&first), zone, &second);
        PROMISE(first.size == second.size);
        PROMISE(memcmp(first.data, second.data, first.size) == 0);
    }
    buffer_done(&first);
    buffer_done(&second);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    msgpack_zone zone;
    msgpack_object value;
    PROMISE(msgpack_zone_init(&zone, 2048));
    if (packed_decode((struct bytes){data, size}, &zone, &value, NULL) == 0)
        check(&value, &zone);
    msgpack_zone_destroy(&zone);
    return 0;
}
