/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a stream of frames. The first byte says in which pieces they arrive; every element
 * that an accepted frame promises is touched. */

#include <string.h>

#include "codec/frame.h"
#include "tests/fuzz/fuzz.h"

static volatile unsigned sink;

static void touch(struct text text)
{
    for (size_t i = 0; i < text.size; i++)
        sink += (unsigned char)text.data[i];
}

static void touch_frame(const struct frame *frame)
{
    for (size_t i = 1; i < FRAME_ELEMENTS_MAX; i++) {
        msgpack_object_type type = frame->elements[i].type;
        if (type == MSGPACK_OBJECT_MAP)
            sink += value_get(frame_value(frame, i), "tasks") != NULL;
        else if (type == MSGPACK_OBJECT_BIN || type == MSGPACK_OBJECT_STR)
            touch(frame_text(frame, i));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct frame_reader reader;
    struct frame frame;
    struct codec_reason reason;
    size_t step = size > 0 ? data[0] + 1U : 1;
    int rc = 0;
    if (!frame_reader_init(&reader))
        return 0;
    for (size_t at = 1; at < size && rc >= 0; at += step) {
        size_t room, part = size - at < step ? size - at : step;
        void *place = frame_reader_room(&reader, &room);
        if (place == NULL)
            break;
        memcpy(place, data + at, part);
        frame_reader_fill(&reader, part);
        while ((rc = frame_reader_next(&reader, &frame, &reason)) == 1)
            touch_frame(&frame);
    }
    frame_reader_done(&reader);
    return 0;
}
