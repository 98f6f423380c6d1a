/* SPDX-License-Identifier: BSD-3-Clause */
/* One attempt to connect, from the name to the open channels, against one deadline. Blocking by
 * design; must not know the loop, the queues or who waits for it. */

#include "broker/connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

enum {
    FRAME_MAX = 131072,        /* what RabbitMQ and every Celery client propose */
    SEND_BUFFER = 1024 * 1024, /* for TLS, where a third of it must be free */
    KEEPALIVE_SECONDS = 60,
    USER_TIMEOUT_MIN = 30, /* seconds */
};
#define TIMEOUT_DEFAULT 4.0

struct attempt {
    const struct connect_params *params;
    amqp_connection_state_t amqp;
    double deadline; /* seconds of the monotonic clock */
    char *text;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct timeval time_left(const struct attempt *attempt)
{
    double seconds = attempt->deadline - now();
    if (seconds < 0.001)
        seconds = 0.001;
    struct timeval left = {.tv_sec = (time_t)seconds};
    left.tv_usec = (suseconds_t)((seconds - (double)left.tv_sec) * 1e6);
    return left;
}

static int fail_errno(const struct attempt *attempt, int number)
{
    snprintf(attempt->text, WORDS_SIZE, "[Errno %d] %s", number, strerrordesc_np(number));
    return CONNECT_FAILED;
}

static int fail_status(const struct attempt *attempt, int status)
{
    words_of_status(status, attempt->text);
    return CONNECT_FAILED;
}

/* Waits for a non-blocking connect. 0 or an errno. */
static int finish_connect(const struct attempt *attempt, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    struct timeval left = time_left(attempt);
    int ready = poll(&poll_fd, 1, (int)(left.tv_sec * 1000 + left.tv_usec / 1000) + 1);
    if (ready == 0)
        return ETIMEDOUT;
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error;
}

static int dial_one(const struct attempt *attempt, const struct addrinfo *address, int *ret)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = 0;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
        error = errno == EINPROGRESS ? finish_connect(attempt, fd) : errno;
    if (error)
        close(fd);
    else
        *ret = fd;
    return error;
}

/* Our own instead of librabbitmq's, which hides why a connection was not made. */
static int dial(const struct attempt *attempt, int *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%d", attempt->params->url->port);
    int error = getaddrinfo(attempt->params->url->host, port, &hints, &addresses);
    if (error) {
        snprintf(attempt->text, WORDS_SIZE, "%s: %s", attempt->params->url->host,
                 gai_strerror(error));
        return CONNECT_FAILED;
    }
    error = EADDRNOTAVAIL;
    for (struct addrinfo *a = addresses; a && error && error != ETIMEDOUT; a = a->ai_next)
        error = dial_one(attempt, a, ret);
    freeaddrinfo(addresses);
    return error ? fail_errno(attempt, error) : 0;
}

void connect_set_user_timeout(int fd, unsigned seconds)
{
    unsigned milliseconds = seconds * 1000;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
}

void connect_set_patience(int fd, unsigned heartbeat, bool blocked)
{
    unsigned seconds = 3 * heartbeat > USER_TIMEOUT_MIN ? 3 * heartbeat : USER_TIMEOUT_MIN;
    connect_set_user_timeout(fd, blocked ? 0 : seconds);
}

/* A big send buffer, because nothing is sent that does not fit; keepalive for connections without
 * heartbeats. */
static void tune_socket(int fd)
{
    const int on = 1;
    const int buffer = SEND_BUFFER;
    const int idle = KEEPALIVE_SECONDS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
}

static int open_tcp(const struct attempt *attempt)
{
    int fd = -1;
    int error = dial(attempt, &fd);
    if (error)
        return error;
    amqp_socket_t *socket = amqp_tcp_socket_new(attempt->amqp);
    if (!socket) {
        close(fd);
        return fail_errno(attempt, ENOMEM);
    }
    amqp_tcp_socket_set_sockfd(socket, fd);
    return 0;
}

/* The files of the URL, or the system's certificates. */
static int trust(const struct attempt *attempt, amqp_socket_t *socket)
{
    const struct broker_url *url = attempt->params->url;
    const char *file = url->ca_file;
    int status = AMQP_STATUS_OK;
    amqp_ssl_socket_set_verify_peer(socket, url->tls_verify);
    amqp_ssl_socket_set_verify_hostname(socket, url->tls_verify);
    if (url->ca_file[0])
        status = amqp_ssl_socket_set_cacert(socket, url->ca_file);
    else
        SSL_CTX_set_default_verify_paths(amqp_ssl_socket_get_context(socket));
    if (!status && url->cert_file[0]) {
        file = url->cert_file;
        status = amqp_ssl_socket_set_key(socket, url->cert_file, url->key_file);
    }
    if (status) {
        snprintf(attempt->text, WORDS_SIZE, "cannot use the TLS certificate or key in %s", file);
        return CONNECT_FAILED;
    }
    return 0;
}

static int open_tls(const struct attempt *attempt)
{
    const struct broker_url *url = attempt->params->url;
    amqp_socket_t *socket = amqp_ssl_socket_new(attempt->amqp);
    if (!socket)
        return fail_errno(attempt, ENOMEM);
    int error = trust(attempt, socket);
    if (error)
        return error;
    struct timeval left = time_left(attempt);
    int status = amqp_socket_open_noblock(socket, url->host, url->port, &left);
    return status ? fail_status(attempt, status) : 0;
}

static amqp_table_entry_t text_entry(const char *key, const char *value)
{
    return (amqp_table_entry_t){
        amqp_cstring_bytes(key),
        {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)}};
}

/* Whole seconds, rounded up: 0 would be none at all. */
static int heartbeat_of(const struct connect_params *params)
{
    if (params->heartbeat >= UINT16_MAX)
        return UINT16_MAX;
    int whole = (int)params->heartbeat;
    return whole < params->heartbeat ? whole + 1 : whole;
}

static amqp_rpc_reply_t login(const struct attempt *attempt)
{
    static const char *const names[] = {
        "consumer_cancel_notify", "connection.blocked",           "basic.nack",
        "publisher_confirms",     "authentication_failure_close", "exchange_exchange_bindings"};
    const struct connect_params *params = attempt->params;
    amqp_table_entry_t capabilities[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        capabilities[i] = (amqp_table_entry_t){
            amqp_cstring_bytes(names[i]), {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1}};
    amqp_table_entry_t properties[] = {
        text_entry("product", params->product),
        text_entry("version", params->version),
        text_entry("platform", "C"),
        text_entry("copyright", ""),
        text_entry("information", ""),
        {amqp_cstring_bytes("capabilities"),
         {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {ARRAY_LEN(names), capabilities}}},
    };
    amqp_table_t table = {ARRAY_LEN(properties), properties};
    struct timeval left = time_left(attempt);
    amqp_set_handshake_timeout(attempt->amqp, &left);
    return amqp_login_with_properties(attempt->amqp, params->url->vhost, 0, FRAME_MAX,
                                      heartbeat_of(params), &table, AMQP_SASL_METHOD_PLAIN,
                                      params->url->user, params->url->password);
}

static int fail_reply(const struct attempt *attempt, const amqp_rpc_reply_t *reply)
{
    bool said_no = reply->reply_type == AMQP_RESPONSE_SERVER_EXCEPTION;
    words_of_reply(reply, attempt->text);
    return said_no && words_code(&reply->reply) == AMQP_ACCESS_REFUSED ? CONNECT_REFUSED
                                                                       : CONNECT_FAILED;
}

static int open_channels(const struct attempt *attempt)
{
    struct timeval left = time_left(attempt);
    amqp_set_rpc_timeout(attempt->amqp, &left);
    void *answer = attempt->amqp;
    for (unsigned i = 1; i <= attempt->params->channels && answer; i++)
        answer = amqp_channel_open(attempt->amqp, (amqp_channel_t)i);
    if (answer && attempt->params->confirms)
        answer = amqp_confirm_select(attempt->amqp, 1);
    if (answer)
        return 0;
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(attempt->amqp);
    return fail_reply(attempt, &reply);
}

/* librabbitmq would send a heartbeat in the middle of what we are sending, and wait for room to do
 * so. */
static void disable_heartbeats(const struct attempt *attempt, unsigned *ret_heartbeat)
{
    amqp_connection_state_t amqp = attempt->amqp;
    *ret_heartbeat = (unsigned)amqp_get_heartbeat(amqp);
    amqp_tune_connection(amqp, amqp_get_channel_max(amqp), amqp_get_frame_max(amqp), 0);
}

static int run(const struct attempt *attempt, unsigned *ret_heartbeat)
{
    int error = attempt->params->url->tls ? open_tls(attempt) : open_tcp(attempt);
    if (error)
        return error;
    int fd = amqp_get_sockfd(attempt->amqp);
    tune_socket(fd);
    amqp_rpc_reply_t reply = login(attempt);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL)
        return fail_reply(attempt, &reply);
    disable_heartbeats(attempt, ret_heartbeat);
    return open_channels(attempt);
}

int connect_run(const struct connect_params *params, struct connect_result *ret,
                char text[WORDS_SIZE])
{
    double timeout = params->timeout > 0 ? params->timeout : TIMEOUT_DEFAULT;
    struct attempt attempt = {params, amqp_new_connection(), now() + timeout, text};
    unsigned heartbeat = 0;
    if (!attempt.amqp)
        return fail_errno(&attempt, ENOMEM);
    int error = run(&attempt, &heartbeat);
    if (error)
        amqp_destroy_connection(attempt.amqp);
    else
        *ret = (struct connect_result){attempt.amqp, heartbeat};
    return error;
}
