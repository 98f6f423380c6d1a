/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the system calls on the sockets to the main process. Knows no frame. */

#include "worker/runtime/native/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static bool send_parts(int fd, struct msghdr *message)
{
    while (message->msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        message->msg_control = NULL;
        message->msg_controllen = 0;
        while (message->msg_iovlen > 0 && (size_t)sent >= message->msg_iov->iov_len) {
            sent -= (ssize_t)message->msg_iov->iov_len;
            message->msg_iov++;
            message->msg_iovlen--;
        }
        if (message->msg_iovlen > 0) {
            message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
            message->msg_iov->iov_len -= (size_t)sent;
        }
    }
    return true;
}

bool wire_send(int fd, struct bytes head, struct bytes tail)
{
    struct iovec parts[] = {
        {.iov_base = (void *)head.data, .iov_len = head.size},
        {.iov_base = (void *)tail.data, .iov_len = tail.size},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = tail.size > 0 ? 2 : 1};
    return send_parts(fd, &message);
}

bool wire_send_with_fd(int fd, struct bytes frame, int passed)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec part = {.iov_base = (void *)frame.data, .iov_len = frame.size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed != WIRE_NO_FD) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed, sizeof(int));
    }
    return send_parts(fd, &message);
}

static enum wire_status status_of(ssize_t received)
{
    if (received > 0)
        return WIRE_DATA;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return WIRE_EMPTY;
    return WIRE_END;
}

enum wire_status wire_receive(int fd, struct frame_reader *reader)
{
    size_t size;
    void *room = frame_reader_room(reader, &size);
    if (room == NULL)
        return WIRE_FULL;
    ssize_t received;
    do {
        received = recv(fd, room, size, 0);
    } while (received < 0 && errno == EINTR);
    if (received > 0)
        frame_reader_fill(reader, (size_t)received);
    return status_of(received);
}

/* The kernel closes those that there is no room for. */
static void take_fds(struct msghdr *message, struct wire_passed *passed)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t size = header->cmsg_len - CMSG_LEN(0);
        memcpy(passed->fds, CMSG_DATA(header), size);
        passed->count = size / sizeof(int);
    }
}

enum wire_status wire_receive_with_fds(int fd, struct frame_reader *reader,
                                       struct wire_passed *ret_passed)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * WIRE_PASSED_MAX)];
    } control;
    size_t size;
    ret_passed->count = 0;
    void *room = frame_reader_room(reader, &size);
    if (room == NULL)
        return WIRE_FULL;
    struct iovec part = {.iov_base = room, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = CMSG_LEN(sizeof(int) * WIRE_PASSED_MAX)};
    ssize_t received;
    do {
        received = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received > 0) {
        frame_reader_fill(reader, (size_t)received);
        take_fds(&message, ret_passed);
    }
    return status_of(received);
}
