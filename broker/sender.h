/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_SENDER_H
#define CELERIAC_BROKER_SENDER_H

/* Frames -> the socket, without waiting: librabbitmq's own sending waits without limit when a frame
 * does not fit. Frames are collected and leave with one system call. Over TLS the bytes have to go
 * through librabbitmq; there a frame is handed over only while at least a third of the socket's
 * send buffer is free, so that it fits. */

#include <amqp.h>
#include <stdbool.h>

#include "codec/base.h"

struct sender {
    amqp_connection_state_t amqp; /* borrowed */
    int fd;
    bool tls, corked;
    bool stuck;    /* the socket took no more: flush when it is writable */
    bool active;   /* something was sent since this was cleared */
    uint8_t *data; /* owned: [head, end) is not sent yet */
    size_t head, end, room;
    size_t allowance; /* TLS: bytes that surely fit */
};

/* `amqp` is open. */
void sender_init(struct sender *sender, amqp_connection_state_t amqp, bool tls);
void sender_done(struct sender *sender);
/* True if `size` bytes of bulk may be put now; else it is stuck. */
bool sender_may_put(struct sender *sender, size_t size);
/* Takes a frame. Without sender_may_put only for what is rare and small. 0, or a status of
 * librabbitmq. */
MUST_CHECK int sender_put(struct sender *sender, const amqp_frame_t *frame);
/* Sends what the socket takes; the rest makes it stuck. 0, or a status of librabbitmq. */
MUST_CHECK int sender_flush(struct sender *sender);

#endif
