/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_WIRE_H
#define CELERIAC_NATIVE_WIRE_H

/* Bytes and descriptors through the sockets to the main process. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/buffer.h"
#include "codec/frame.h"

enum { WIRE_NO_FD = -1, WIRE_PASSED_MAX = 2 };

/* Descriptors that came together. */
struct wire_passed {
    int fds[WIRE_PASSED_MAX];
    size_t count;
};

/* Sends all bytes of both parts; waits while the socket is full. False: the peer is gone. */
MUST_CHECK bool wire_send(int fd, struct bytes head, struct bytes tail);
/* Sends one frame, with a descriptor beside its first byte unless `passed` is WIRE_NO_FD. */
MUST_CHECK bool wire_send_with_fd(int fd, struct bytes frame, int passed);

enum wire_status {
    WIRE_DATA,  /* bytes came */
    WIRE_EMPTY, /* the socket is non-blocking and has none */
    WIRE_END,   /* EOF, or the peer is gone */
    WIRE_FULL,  /* no memory for them */
};

/* Reads what there is into the reader; waits for it if the socket blocks. */
enum wire_status wire_receive(int fd, struct frame_reader *reader);
/* Likewise without waiting, and takes the descriptors that came with the bytes, which the caller
 * closes. */
enum wire_status wire_receive_with_fds(int fd, struct frame_reader *reader,
                                       struct wire_passed *ret_passed);

#endif
