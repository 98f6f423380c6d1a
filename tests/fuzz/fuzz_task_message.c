/* SPDX-License-Identifier: BSD-3-Clause */
/* Any headers and any body as a task message. Byte 0: how headers and body are written; bytes 1 and
 * 2: the headers' size. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/serializer.h"
#include "codec/task_body.h"
#include "codec/task_message.h"

enum { BODY_MSGPACK = 1, HEADERS_MSGPACK = 2, NO_HEADERS = 4, LIMIT = 1 << 24 };

static void check_accepted(const struct task_message *message)
{
    PROMISE(message->task.size > 0 && message->id.size > 0);
    PROMISE(message->retries >= 0);
    PROMISE(message->hard_limit >= 0 && message->hard_limit <= TASK_MESSAGE_LIMIT_MAX);
    PROMISE(message->soft_limit >= 0 && message->soft_limit <= TASK_MESSAGE_LIMIT_MAX);
    PROMISE(message->headers.type == MSGPACK_OBJECT_MAP);
}

/* What protocol 1 was turned into opens as protocol 2, but for kwargs that msgpack let pass and one
 * level that it takes more. */
static void check_rewritten(const struct task_message *message, msgpack_zone *zone)
{
    struct task_body body;
    struct buffer plain;
    struct task_body_source source = {.content_type = message->content_type,
                                      .content_encoding = message->content_encoding,
                                      .body = message->body,
                                      .limit = LIMIT};
    buffer_init(&plain, LIMIT);
    int rc = task_body_read(&source, &plain, zone, &body, NULL);
    PROMISE(rc == 0 || rc == CODEC_ETYPE || rc == CODEC_EDEPTH);
    buffer_done(&plain);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t headers_size = (size_t)data[1] << 8 | data[2];
    if (headers_size > size - 3)
        return 0;
    const char *names[] = {"json", "msgpack"};
    const struct serializer *serializer = serializer_by_name(names[(data[0] & BODY_MSGPACK) != 0]);
    const struct serializer *writer = serializer_by_name(names[(data[0] & HEADERS_MSGPACK) != 0]);
    msgpack_zone zone;
    msgpack_object headers;
    struct task_message message;
    struct codec_reason reason;
    struct bytes written = {data + 3, headers_size};
    struct task_message_source source = {
        .content_type = {serializer->content_type, strlen(serializer->content_type)},
        .body = {data + 3 + headers_size, size - 3 - headers_size}};
    PROMISE(msgpack_zone_init(&zone, 2048));
    if ((data[0] & NO_HEADERS) == 0 && writer->decode(written, &zone, &headers, NULL) == 0)
        source.headers = &headers;
    if (task_message_read(&source, &zone, &message, &reason) == TASK_MESSAGE_OK) {
        check_accepted(&message);
        if (message.protocol == 1)
            check_rewritten(&message, &zone);
    }
    msgpack_zone_destroy(&zone);
    return 0;
}
