/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns one socket: reading, partial writes, descriptors that come and go with the bytes. Must not
 * know what the frames mean, nor who is at the other end. */

#include "worker/pool/link.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    KEEP = 64 * 1024,  /* bytes of output memory kept between frames */
    DRAIN_READS = 512, /* a socket's buffer is emptied by far fewer */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct link *link)
{
    int events = (link->paused ? 0 : UV_READABLE) | (link_pending(link) ? UV_WRITABLE : 0);
    /* Fails only for a handle that is closing. */
    if (link->fd >= 0 && !link->stopped)
        uv_poll_start(&link->poll, events, on_poll);
}

int link_init(struct link *link, uv_loop_t *loop, int fd, const struct link_handler *handler)
{
    *link = (struct link){.fd = fd, .handler = handler};
    int rc = -ENOMEM;
    if (!frame_reader_init(&link->reader))
        goto fail_fd;
    rc = uv_poll_init(loop, &link->poll, fd);
    if (rc != 0)
        goto fail_reader;
    buffer_init(&link->output, FRAME_MAX + KEEP);
    watch(link);
    return 0;

fail_reader:
    frame_reader_done(&link->reader);
fail_fd:
    close(fd);
    return rc;
}

void link_close(struct link *link, uv_close_cb on_closed)
{
    uv_close((uv_handle_t *)&link->poll, on_closed);
    close(link->fd);
    link->fd = -1;
    link->body = (struct bytes){NULL, 0};
    while (link->descriptor_count > 0)
        close(link->descriptors[--link->descriptor_count]);
}

void link_done(struct link *link)
{
    frame_reader_done(&link->reader);
    buffer_done(&link->output);
}

void link_stop(struct link *link)
{
    link->stopped = true;
    uv_poll_stop(&link->poll);
}

static void set_paused(struct link *link, bool paused)
{
    if (link->paused == paused)
        return;
    link->paused = paused;
    watch(link);
}

void link_pause(struct link *link)
{
    set_paused(link, true);
}

void link_resume(struct link *link)
{
    set_paused(link, false);
}

/* --- reading --- */

/* The oldest give way: a descriptor that nobody has claimed by then belongs to no frame. */
static void keep_descriptor(struct link *link, int fd)
{
    if (link->descriptor_count == LINK_DESCRIPTORS_MAX) {
        close(link->descriptors[0]);
        memmove(link->descriptors, link->descriptors + 1,
                sizeof(link->descriptors) - sizeof(link->descriptors[0]));
        link->descriptor_count--;
    }
    link->descriptors[link->descriptor_count++] = fd;
}

static void keep_descriptors(struct link *link, struct msghdr *message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
         control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
            keep_descriptor(link, fd);
        }
    }
}

static ssize_t receive_with_descriptors(struct link *link, void *room, size_t size)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * LINK_DESCRIPTORS_MAX)];
    } control;
    struct iovec vector = {room, size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got > 0 && message.msg_controllen > 0)
        keep_descriptors(link, &message);
    return got;
}

static ssize_t receive(struct link *link, void *room, size_t size)
{
    ssize_t got;
    do
        got = link->handler->takes_descriptors ? receive_with_descriptors(link, room, size)
                                               : recv(link->fd, room, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got;
}

static enum link_status give_frames(struct link *link)
{
    struct frame frame;
    int rc;
    bool fine = true;
    while (fine && (rc = frame_reader_next(&link->reader, &frame, &link->reason)) == 1) {
        fine = link->handler->on_frame(link, &frame);
        if (link->fd < 0)
            return LINK_CLOSED;
    }
    link->broken = !fine || rc != 0;
    return link->broken ? LINK_BROKEN : LINK_OPEN;
}

enum link_status link_read(struct link *link)
{
    if (link->broken)
        return LINK_BROKEN;
    size_t size;
    void *room = frame_reader_room(&link->reader, &size);
    if (room == NULL) {
        codec_fail(&link->reason, CODEC_ENOMEM, "out of memory for a frame");
        return LINK_BROKEN;
    }
    ssize_t got = receive(link, room, size);
    if (got < 0 && errno == EAGAIN)
        return LINK_DRY;
    if (got <= 0) {
        link->reset = link->reset || (got < 0 && errno == ECONNRESET);
        return LINK_EOF;
    }
    frame_reader_fill(&link->reader, (size_t)got);
    return give_frames(link);
}

enum link_status link_drain(struct link *link)
{
    enum link_status status = LINK_OPEN;
    for (int reads = 0; reads < DRAIN_READS && status == LINK_OPEN; reads++)
        status = link_read(link);
    return status;
}

/* --- writing --- */

bool link_pending(const struct link *link)
{
    return link->sent < link->output.size || link->body.size > 0 || link->blocked;
}

/* Room for what goes beside the bytes. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int) * LINK_PASSED_MAX)];
};

static void attach(struct msghdr *message, union control *control, const int *descriptors,
                   size_t count)
{
    control->header.cmsg_level = SOL_SOCKET;
    control->header.cmsg_type = SCM_RIGHTS;
    control->header.cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(&control->header), descriptors, sizeof(int) * count);
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
}

/* The common case by far is contiguous bytes, for which send is the cheaper call. */
static ssize_t transmit(struct link *link, const int *descriptors, size_t count)
{
    enum { FLAGS = MSG_NOSIGNAL | MSG_DONTWAIT };
    struct iovec vectors[2];
    struct msghdr message = {.msg_iov = vectors};
    union control control = {.space = {0}};
    if (count > 0)
        attach(&message, &control, descriptors, count);
    if (link->sent < link->output.size)
        vectors[message.msg_iovlen++] =
            (struct iovec){link->output.data + link->sent, link->output.size - link->sent};
    if (link->body.size > 0)
        vectors[message.msg_iovlen++] = (struct iovec){(void *)link->body.data, link->body.size};
    ssize_t sent;
    do
        sent = count == 0 && message.msg_iovlen == 1
                   ? send(link->fd, vectors[0].iov_base, vectors[0].iov_len, FLAGS)
                   : sendmsg(link->fd, &message, FLAGS);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static void advance(struct link *link, size_t sent)
{
    size_t rest = link->output.size - link->sent;
    if (sent < rest) {
        link->sent += sent;
        return;
    }
    sent -= rest;
    buffer_clear(&link->output, KEEP);
    link->sent = 0;
    if (link->body.size == 0)
        return;
    link->body.data = (const char *)link->body.data + sent;
    link->body.size -= sent;
}

/* Writes what the socket takes. 0 or a negative errno. */
static int push(struct link *link)
{
    while (link_pending(link)) {
        ssize_t sent = transmit(link, NULL, 0);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -errno;
        advance(link, (size_t)sent);
    }
    return 0;
}

static int push_descriptors(struct link *link, const int *descriptors, size_t count)
{
    ssize_t sent = transmit(link, descriptors, count);
    if (sent >= 0) {
        advance(link, (size_t)sent);
        return push(link);
    }
    int rc = -errno;
    buffer_clear(&link->output, KEEP);
    link->blocked = rc == -EAGAIN;
    return rc;
}

int link_send(struct link *link, struct bytes body)
{
    assert(link->body.size == 0);
    link->body = body;
    int rc = push(link);
    if (link_pending(link))
        watch(link);
    return rc;
}

int link_pass(struct link *link, const int *descriptors, size_t count)
{
    assert(count > 0 && count <= LINK_PASSED_MAX);
    int rc = push_descriptors(link, descriptors, count);
    if (link_pending(link))
        watch(link);
    return rc;
}

void link_hang_up(struct link *link)
{
    shutdown(link->fd, SHUT_WR);
}

/* --- events --- */

static void on_writable(struct link *link)
{
    link->blocked = false;
    /* An error here means that the peer is gone: reading will say so, after what it sent last. */
    if (push(link) != 0 || link_pending(link))
        return;
    watch(link);
    link->handler->on_sent(link);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct link *link = CONTAINER_OF(poll, struct link, poll);
    enum link_status end = LINK_OPEN;
    if (status == 0 && (events & UV_WRITABLE) != 0)
        on_writable(link);
    if (link->fd < 0)
        return;
    if (status != 0) /* libuv has stopped watching: there is an error on the socket */
        end = link_drain(link) == LINK_BROKEN ? LINK_BROKEN : LINK_EOF;
    else if ((events & UV_READABLE) != 0)
        end = link_read(link);
    if (link->fd >= 0 && (end == LINK_EOF || end == LINK_BROKEN)) {
        link_stop(link);
        link->handler->on_end(link, end);
    }
}
