/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the frame of a state file. Knows neither what is in it nor where it lies. */

#include "codec/state_file.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/packed.h"

#define MAGIC "celeriac state 1\n"

enum { MAGIC_SIZE = sizeof(MAGIC) - 1, SUM_SIZE = 17, HEAD_SIZE = MAGIC_SIZE + SUM_SIZE };

/* FNV-1a: it is to find damage, not forgery. */
static void write_sum(struct bytes payload, char ret[SUM_SIZE + 1])
{
    const uint8_t *data = payload.data;
    uint64_t sum = 14695981039346656037ULL;
    for (size_t i = 0; i < payload.size; i++)
        sum = (sum ^ data[i]) * 1099511628211ULL;
    snprintf(ret, SUM_SIZE + 1, "%016" PRIx64 "\n", sum);
}

int state_file_begin(struct buffer *buffer)
{
    assert(buffer->size == 0);
    return buffer_append(buffer, MAGIC "0000000000000000\n", HEAD_SIZE);
}

void state_file_end(struct buffer *buffer)
{
    char sum[SUM_SIZE + 1];
    write_sum((struct bytes){buffer->data + HEAD_SIZE, buffer->size - HEAD_SIZE}, sum);
    memcpy(buffer->data + MAGIC_SIZE, sum, SUM_SIZE);
}

int state_file_read(struct bytes file, msgpack_zone *zone, msgpack_object *ret,
                    struct codec_reason *reason)
{
    char sum[SUM_SIZE + 1];
    const char *data = file.data;
    msgpack_object value;
    if (file.size < MAGIC_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
        return codec_fail(reason, CODEC_EUNSUPPORTED, "it is no state file of celeriac's");
    if (file.size <= HEAD_SIZE)
        return codec_fail(reason, CODEC_EINVALID, "it is cut off");
    struct bytes payload = {data + HEAD_SIZE, file.size - HEAD_SIZE};
    write_sum(payload, sum);
    if (memcmp(data + MAGIC_SIZE, sum, SUM_SIZE) != 0)
        return codec_fail(reason, CODEC_EINVALID, "its checksum is wrong");
    int rc = packed_decode(payload, zone, &value, reason);
    if (rc == CODEC_ENOMEM)
        return rc;
    if (rc != 0 || value.type != MSGPACK_OBJECT_MAP)
        return codec_fail(reason, CODEC_EINVALID, "it holds no map");
    *ret = value;
    return 0;
}
