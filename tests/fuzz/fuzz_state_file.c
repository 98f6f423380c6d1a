/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a state file, as they are and with a right head. */

#include "tests/fuzz/fuzz.h"

#include "codec/state_file.h"

static int read_file(struct bytes file)
{
    msgpack_zone zone;
    msgpack_object state;
    PROMISE(msgpack_zone_init(&zone, 2048));
    int rc = state_file_read(file, &zone, &state, NULL);
    PROMISE(rc == 0 || rc == CODEC_EUNSUPPORTED || rc == CODEC_EINVALID);
    PROMISE(rc != 0 || state.type == MSGPACK_OBJECT_MAP);
    msgpack_zone_destroy(&zone);
    return rc;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct buffer file;
    read_file((struct bytes){data, size});
    buffer_init(&file, size + 64);
    PROMISE(state_file_begin(&file) == 0);
    PROMISE(buffer_append(&file, data, size) == 0);
    state_file_end(&file);
    PROMISE(read_file(buffer_bytes(&file)) != CODEC_EUNSUPPORTED);
    buffer_done(&file);
    return 0;
}
