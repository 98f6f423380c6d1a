/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a compressed stream; the first byte chooses the compression. What came out goes in
 * again and comes out the same. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/compression.h"

enum { LIMIT = 1 << 18 };

static void round_trip(const struct compression *compression, struct bytes plain)
{
    struct buffer packed;
    struct buffer again;
    buffer_init(&packed, (size_t)LIMIT * 2);
    buffer_init(&again, plain.size);
    PROMISE(compression->compress(plain, &packed) == 0);
    PROMISE(compression->decompress(buffer_bytes(&packed), &again) == 0);
    PROMISE(again.size == plain.size);
    PROMISE(plain.size == 0 || memcmp(again.data, plain.data, plain.size) == 0);
    buffer_done(&packed);
    buffer_done(&again);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const names[] = {"zlib", "bzip2", "lzma", "zstd", "brotli"};
    if (size == 0)
        return 0;
    const char *name = names[data[0] % ARRAY_LEN(names)];
    const struct compression *compression = compression_find((struct text){name, strlen(name)});
    if (compression == NULL)
        return 0;
    struct buffer plain;
    buffer_init(&plain, LIMIT);
    int rc = compression->decompress((struct bytes){data + 1, size - 1}, &plain);
    PROMISE(plain.size <= LIMIT && plain.room <= LIMIT);
    PROMISE(rc == 0 || plain.size == 0);
    if (rc == 0)
        round_trip(compression, buffer_bytes(&plain));
    buffer_done(&plain);
    return 0;
}
