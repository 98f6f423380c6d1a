/* SPDX-License-Identifier: BSD-3-Clause */
/* Any body as a remote control command. Byte 0: how it is written. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/control.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct serializer *serializer = serializer_by_name(data[0] & 1 ? "msgpack" : "json");
    const struct text type = {serializer->content_type, strlen(serializer->content_type)};
    msgpack_zone zone;
    struct control_message message;
    struct codec_reason reason;
    PROMISE(msgpack_zone_init(&zone, 2048));
    if (control_read(type, (struct bytes){data + 1, size - 1}, &zone, &message, &reason) == 0) {
        PROMISE(message.method.data != NULL);
        PROMISE(message.arguments.type == MSGPACK_OBJECT_MAP);
        PROMISE((message.reply_exchange.data == NULL) == (message.reply_key.data == NULL));
        PROMISE(value_is_nil(&message.destination) ||
                message.destination.type == MSGPACK_OBJECT_ARRAY ||
                message.destination.type == MSGPACK_OBJECT_STR);
    } else {
        PROMISE(memchr(reason.text, '\0', sizeof(reason.text)) != NULL);
    }
    msgpack_zone_destroy(&zone);
    return 0;
}
