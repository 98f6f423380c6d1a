/* SPDX-License-Identifier: BSD-3-Clause */
/* Any value as a result, and any bytes as the words of an exception: both written by both
 * serializers and read back. */

#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"
#include "codec/result_message.h"
#include "codec/utf8.h"

enum { LIMIT = 1 << 24 };

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static int write_and_read(struct result_message *message, const char *name, msgpack_zone *zone)
{
    const struct serializer *serializer = serializer_by_name(name);
    struct buffer buffer;
    msgpack_object document;
    struct text status;
    buffer_init(&buffer, LIMIT);
    int rc = result_message_write(message, serializer, &buffer);
    PROMISE(rc == 0 || buffer.size == 0);
    if (rc == 0) {
        int read = serializer->decode(buffer_bytes(&buffer), zone, &document, NULL);
        PROMISE(read == 0 || read == CODEC_EDEPTH);
        PROMISE(read != 0 || (value_as_text(value_get(&document, "status"), &status) &&
                              text_equal(status, message->status)));
    }
    buffer_done(&buffer);
    return rc;
}

static void try_value(const msgpack_object *value, msgpack_zone *zone)
{
    struct result_message message = {.task_id = text_of("i"), .status = "SUCCESS", .result = value};
    write_and_read(&message, "json", zone);
    write_and_read(&message, "msgpack", zone);
    for (size_t size = 1; size < 300; size = size * 2 + 1) {
        char text[300];
        size_t length = result_repr(value, text, size);
        PROMISE(length < size && text[length] == '\0');
        PROMISE(utf8_is_valid((struct text){text, length}));
    }
}

static void try_words(struct text words, msgpack_zone *zone)
{
    msgpack_object argument = value_text(words);
    struct result_exception exception = {
        .type = words,
        .module = words,
        .arguments = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 1, .ptr = &argument}}};
    struct result_message message = {.task_id = text_of("i"),
                                     .status = "FAILURE",
                                     .exception = &exception,
                                     .traceback = words,
                                     .date_done = 1};
    PROMISE(write_and_read(&message, "json", zone) == 0);
    PROMISE(write_and_read(&message, "msgpack", zone) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    msgpack_zone zone;
    msgpack_object value;
    PROMISE(msgpack_zone_init(&zone, 2048));
    if (json_decode((struct bytes){data, size}, &zone, &value, NULL) == 0 ||
        packed_decode((struct bytes){data, size}, &zone, &value, NULL) == 0)
        try_value(&value, &zone);
    try_words((struct text){(const char *)data, size}, &zone);
    msgpack_zone_destroy(&zone);
    return 0;
}
