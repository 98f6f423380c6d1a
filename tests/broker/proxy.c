/* SPDX-License-Identifier: BSD-3-Clause */
/* The proxy's thread: one poll over all pairs, woken by a pipe when it is told something. */

#include "tests/broker/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 16, PIECE = 64 * 1024 };

struct proxy {
    pthread_t thread;
    int listener, port, target;
    int wake[2];
    atomic_bool frozen, cut, stop;
    atomic_uint accepted;
    int pairs[PAIRS][2]; /* client, server; -1: free */
    char piece[PIECE];
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void end_pair(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        pair[i] = -1;
    }
}

static void accept_one(struct proxy *proxy)
{
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    atomic_fetch_add(&proxy->accepted, 1);
    for (int i = 0; i < PAIRS && client >= 0; i++) {
        if (proxy->pairs[i][0] >= 0)
            continue;
        proxy->pairs[i][0] = client;
        proxy->pairs[i][1] = proxy->target ? dial(proxy->target) : -1;
        if (proxy->target && proxy->pairs[i][1] < 0)
            end_pair(proxy->pairs[i]);
        return;
    }
    close(client);
}

static bool forward(struct proxy *proxy, int from, int to)
{
    ssize_t size = recv(from, proxy->piece, PIECE, 0);
    if (size <= 0)
        return false;
    for (ssize_t sent = 0; sent < size;) {
        ssize_t step = send(to, proxy->piece + sent, (size_t)(size - sent), MSG_NOSIGNAL);
        if (step <= 0)
            return false;
        sent += step;
    }
    return true;
}

static void serve(struct proxy *proxy, const struct pollfd *fds)
{
    char ignored;
    if (fds[0].revents && read(proxy->wake[0], &ignored, 1) < 0)
        return;
    if (fds[1].revents)
        accept_one(proxy);
    for (int i = 0; i < PAIRS; i++) {
        int *pair = proxy->pairs[i];
        for (int side = 0; side < 2; side++)
            if (fds[2 + i * 2 + side].revents && pair[side] >= 0 &&
                fds[2 + i * 2 + side].fd == pair[side] &&
                !forward(proxy, pair[side], pair[1 - side]))
                end_pair(pair);
    }
}

static void *run(void *context)
{
    struct proxy *proxy = context;
    while (!atomic_load(&proxy->stop)) {
        struct pollfd fds[2 + PAIRS * 2];
        bool quiet = atomic_load(&proxy->frozen) || !proxy->target;
        fds[0] = (struct pollfd){.fd = proxy->wake[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
        for (int i = 0; i < PAIRS * 2; i++)
            fds[2 + i] =
                (struct pollfd){.fd = quiet ? -1 : proxy->pairs[i / 2][i % 2], .events = POLLIN};
        if (poll(fds, 2 + PAIRS * 2, -1) > 0)
            serve(proxy, fds);
        if (atomic_exchange(&proxy->cut, false))
            for (int i = 0; i < PAIRS; i++)
                end_pair(proxy->pairs[i]);
    }
    for (int i = 0; i < PAIRS; i++)
        end_pair(proxy->pairs[i]);
    return NULL;
}

struct proxy *proxy_new(int target)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    proxy->target = target;
    for (int i = 0; i < PAIRS; i++)
        proxy->pairs[i][0] = proxy->pairs[i][1] = -1;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&address, size) || listen(proxy->listener, PAIRS))
        abort();
    getsockname(proxy->listener, (struct sockaddr *)&address, &size);
    proxy->port = ntohs(address.sin_port);
    if (pipe2(proxy->wake, O_CLOEXEC) || pthread_create(&proxy->thread, NULL, run, proxy))
        abort();
    return proxy;
}

static void wake(struct proxy *proxy)
{
    if (write(proxy->wake[1], "w", 1) < 0)
        abort();
}

void proxy_free(struct proxy *proxy)
{
    atomic_store(&proxy->stop, true);
    wake(proxy);
    pthread_join(proxy->thread, NULL);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    close(proxy->listener);
    free(proxy);
}

int proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_cut(struct proxy *proxy)
{
    atomic_store(&proxy->cut, true);
    wake(proxy);
}

void proxy_freeze(struct proxy *proxy, bool frozen)
{
    atomic_store(&proxy->frozen, frozen);
    wake(proxy);
}

unsigned proxy_accepted(const struct proxy *proxy)
{
    return atomic_load(&proxy->accepted);
}
