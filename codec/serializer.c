/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the list of serializers. Does not know what is written with them. */

#include "codec/serializer.h"

#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"

static const struct serializer serializers[] = {
    {.name = "json",
     .content_type = "application/json",
     .content_encoding = "utf-8",
     .decode = json_decode,
     .encode = json_encode},
    {.name = "msgpack",
     .content_type = "application/x-msgpack",
     .content_encoding = "binary",
     .decode = packed_decode,
     .encode = packed_encode},
};

const struct serializer *serializer_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(serializers); i++) {
        if (strcmp(name, serializers[i].name) == 0 ||
            strcmp(name, serializers[i].content_type) == 0)
            return &serializers[i];
    }
    return NULL;
}

const struct serializer *serializer_by_content_type(struct text content_type)
{
    for (size_t i = 0; i < ARRAY_LEN(serializers); i++) {
        if (text_equal(content_type, serializers[i].content_type))
            return &serializers[i];
    }
    return NULL;
}
