/* SPDX-License-Identifier: BSD-3-Clause */
/* The blocking part: deadlines against servers that say nothing, or nonsense, and the kernel's last
 * line of defence. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/connect.h"
#include "tests/broker/proxy.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Connects to this port, which must fail; returns after how many seconds. */
static double fail_to_connect(int port, bool tls, double timeout, char text[WORDS_SIZE])
{
    struct broker_url url = {.host = "127.0.0.1", .port = port, .tls = tls, .tls_verify = true};
    struct connect_params params = {
        .url = &url, .product = "t", .version = "0", .timeout = timeout, .heartbeat = 10};
    struct connect_result result = {NULL, 0};
    strcpy(url.user, "u");
    strcpy(url.password, "secret");
    strcpy(url.vhost, "/");
    double start = now();
    assert_int_equal(connect_run(&params, &result, text), CONNECT_FAILED);
    assert_null(result.amqp);
    assert_null(strstr(text, "secret"));
    return now() - start;
}

static void waits_for_a_silent_server_no_longer_than_told(void **state)
{
    struct proxy *silent = proxy_new(0);
    char text[WORDS_SIZE];
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        double took = fail_to_connect(proxy_port(silent), tls, 0.3, text);
        assert_true(took > 0.25 && took < 2);
        assert_string_equal(text, "the server did not answer in time");
    }
    proxy_free(silent);
}

static void says_why_a_connection_is_refused(void **state)
{
    char text[WORDS_SIZE];
    (void)state;
    assert_true(fail_to_connect(1, false, 3, text) < 2);
    assert_string_equal(text, "[Errno 111] Connection refused");
}

/* A port that answers every connection with these bytes, once, then closes it. */
static int answering_port(const char *bytes, size_t size, pid_t *ret_child)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    *ret_child = fork();
    if (*ret_child == 0) {
        int fd = accept(listener, NULL, NULL);
        _exit(write(fd, bytes, size) < 0);
    }
    close(listener);
    return ntohs(address.sin_port);
}

static void survives_servers_that_speak_something_else(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } answers[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
        {"AMQP\0\0\x08\0", 8},
        {"AMQP\0\0\x09\x01", 8},
        {"\x01\0\0\xff\xff\xff\xff", 7},
        {"\x01\0\0\0\0\0\x04\0\x0a\0\x0a\xce", 12}, /* connection.start without its fields */
        {"\x08\0\0\0\0\0\0\xce", 8},                /* only a heartbeat */
        {"\x01\0\0\0\0\0\0\xcf", 8},
        {"", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char text[WORDS_SIZE] = "";
        pid_t child = 0;
        int port = answering_port(answers[i].bytes, answers[i].size, &child);
        assert_true(fail_to_connect(port, false, 2, text) < 3);
        assert_true(strlen(text) > 0);
    }
}

/* librabbitmq polls without limit where a send does not fit; this ends such a wait. */
static void ends_a_connection_whose_peer_reads_nothing(void **state)
{
    static char bytes[65536];
    struct proxy *silent = proxy_new(0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)proxy_port(silent)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    connect_set_user_timeout(fd, 1);
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof(error);
    assert_int_equal(poll(&poll_fd, 1, 15000), 1);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    assert_int_equal(error, ETIMEDOUT);
    close(fd);
    proxy_free(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_a_silent_server_no_longer_than_told),
        cmocka_unit_test(says_why_a_connection_is_refused),
        cmocka_unit_test(survives_servers_that_speak_something_else),
        cmocka_unit_test(ends_a_connection_whose_peer_reads_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
