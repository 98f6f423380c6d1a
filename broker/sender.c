/* SPDX-License-Identifier: BSD-3-Clause */
/* The sending half of a connection. Must not know what is sent, or the loop: whoever owns it
 * flushes it. */

#include "broker/sender.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BULK = 64 * 1024, /* unsent bytes at which bulk is held back */
    FIRST_ROOM = 16 * 1024,
    ROOM_MAX = 4 * 1024 * 1024, /* far more than bulk and methods can make it */
    KEEP_MAX = 256 * 1024,
    HEAD_SIZE = 7, /* AMQP: type, channel, size; and after the payload one octet */
    FRAME_OVERHEAD = 8,
    FRAME_END = 0xce,
    TLS_OVERHEAD = 128, /* what a small record costs the kernel besides its bytes */
};

void sender_init(struct sender *sender, amqp_connection_state_t amqp, bool tls)
{
    *sender = (struct sender){.amqp = amqp, .fd = amqp_get_sockfd(amqp), .tls = tls};
}

void sender_done(struct sender *sender)
{
    free(sender->data);
    sender->data = NULL;
}

static bool tls_may_put(struct sender *sender, size_t size)
{
    struct pollfd poll_fd = {.fd = sender->fd, .events = POLLOUT};
    size += TLS_OVERHEAD;
    if (size > sender->allowance) {
        if (poll(&poll_fd, 1, 0) != 1 || !(poll_fd.revents & POLLOUT)) {
            sender->stuck = true;
            return false;
        }
        sender->allowance = BULK;
    }
    sender->allowance -= size < sender->allowance ? size : sender->allowance;
    return true;
}

bool sender_may_put(struct sender *sender, size_t size)
{
    if (sender->stuck)
        return false;
    if (sender->tls)
        return tls_may_put(sender, size);
    if (sender->end - sender->head + size > BULK && sender_flush(sender))
        return true; /* a broken socket: the next flush tells */
    return !sender->stuck;
}

/* Packets are filled while the cork is in. */
static void set_cork(struct sender *sender, int on)
{
    setsockopt(sender->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
    sender->corked = on;
}

static int tls_put(struct sender *sender, const amqp_frame_t *frame)
{
    if (!sender->corked)
        set_cork(sender, 1);
    return amqp_send_frame(sender->amqp, frame);
}

static bool reserve(struct sender *sender, size_t size)
{
    size_t room = sender->room ? sender->room : FIRST_ROOM;
    while (room < sender->end + size)
        room *= 2;
    if (room == sender->room)
        return true;
    uint8_t *data = room <= ROOM_MAX ? realloc(sender->data, room) : NULL;
    if (!data)
        return false;
    sender->data = data;
    sender->room = room;
    return true;
}

static void put_number(uint8_t *to, uint64_t number, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--, number >>= 8)
        to[i - 1] = (uint8_t)number;
}

/* The payload of a frame: its size, or a negative status, most likely for want of room. */
static int encode(const amqp_frame_t *frame, uint8_t *to, size_t room)
{
    enum { ID_SIZE = 4, PROPERTIES_HEAD = 12 };
    amqp_bytes_t rest;
    int size = 0;
    switch (frame->frame_type) {
    case AMQP_FRAME_METHOD:
        put_number(to, frame->payload.method.id, ID_SIZE);
        rest = (amqp_bytes_t){room - ID_SIZE, to + ID_SIZE};
        size = amqp_encode_method(frame->payload.method.id, frame->payload.method.decoded, rest);
        return size < 0 ? size : size + ID_SIZE;
    case AMQP_FRAME_HEADER:
        put_number(to, frame->payload.properties.class_id, 2);
        put_number(to + 2, 0, 2); /* "weight" */
        put_number(to + 4, frame->payload.properties.body_size, 8);
        rest = (amqp_bytes_t){room - PROPERTIES_HEAD, to + PROPERTIES_HEAD};
        size = amqp_encode_properties(frame->payload.properties.class_id,
                                      frame->payload.properties.decoded, rest);
        return size < 0 ? size : size + PROPERTIES_HEAD;
    case AMQP_FRAME_BODY:
        if (frame->payload.body_fragment.len > room)
            return AMQP_STATUS_TABLE_TOO_BIG;
        memcpy(to, frame->payload.body_fragment.bytes, frame->payload.body_fragment.len);
        return (int)frame->payload.body_fragment.len;
    default: /* a heartbeat has none */
        return 0;
    }
}

static int put(struct sender *sender, const amqp_frame_t *frame)
{
    size_t most = (size_t)amqp_get_frame_max(sender->amqp);
    size_t room = 1024;
    int size = AMQP_STATUS_TABLE_TOO_BIG;
    while (size < 0 && room < most) {
        room = room * 8 < most ? room * 8 : most;
        if (!reserve(sender, room))
            return AMQP_STATUS_NO_MEMORY;
        size = encode(frame, sender->data + sender->end + HEAD_SIZE, room - FRAME_OVERHEAD);
    }
    if (size < 0)
        return size;
    uint8_t *to = sender->data + sender->end;
    to[0] = frame->frame_type;
    put_number(to + 1, frame->channel, 2);
    put_number(to + 3, (uint64_t)size, 4);
    to[HEAD_SIZE + size] = FRAME_END;
    sender->end += (size_t)size + FRAME_OVERHEAD;
    return 0;
}

int sender_put(struct sender *sender, const amqp_frame_t *frame)
{
    sender->active = true;
    return sender->tls ? tls_put(sender, frame) : put(sender, frame);
}

static void rewind_buffer(struct sender *sender)
{
    sender->head = sender->end = 0;
    if (sender->room > KEEP_MAX) {
        free(sender->data);
        sender->data = NULL;
        sender->room = 0;
    }
}

int sender_flush(struct sender *sender)
{
    sender->stuck = false;
    if (sender->corked)
        set_cork(sender, 0);
    while (sender->head < sender->end) {
        ssize_t sent = send(sender->fd, sender->data + sender->head, sender->end - sender->head,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            sender->stuck = true;
            return 0;
        }
        if (sent < 0)
            return AMQP_STATUS_SOCKET_ERROR;
        sender->head += (size_t)sent;
    }
    if (sender->end > 0)
        rewind_buffer(sender);
    return 0;
}
