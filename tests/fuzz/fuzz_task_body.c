/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a task body; the first byte chooses serializer and compression. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/result_message.h"
#include "codec/task_body.h"

enum { LIMIT = 1 << 18 };

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const types[] = {"application/json", "application/x-msgpack"};
    static const char *const compressions[] = {"", "zlib", "bzip2", "lzma", "zstd", "brotli"};
    if (size == 0)
        return 0;
    msgpack_zone zone;
    struct buffer plain;
    struct task_body body;
    struct codec_reason reason;
    struct task_body_source source = {
        .content_type = text_of(types[data[0] % ARRAY_LEN(types)]),
        .compression = text_of(compressions[data[0] / 2 % ARRAY_LEN(compressions)]),
        .body = {data + 1, size - 1},
        .limit = LIMIT};
    buffer_init(&plain, LIMIT);
    PROMISE(msgpack_zone_init(&zone, 2048));
    if (task_body_read(&source, &plain, &zone, &body, &reason) == 0) {
        char text[256];
        PROMISE(body.args.type == MSGPACK_OBJECT_ARRAY && body.kwargs.type == MSGPACK_OBJECT_MAP);
        PROMISE(result_repr(&body.args, text, sizeof(text)) < sizeof(text));
        PROMISE(result_repr(&body.kwargs, text, sizeof(text)) < sizeof(text));
    }
    msgpack_zone_destroy(&zone);
    buffer_done(&plain);
    return 0;
}
