/* SPDX-License-Identifier: BSD-3-Clause */
/* The least that a C program can do with a queue: consume, acknowledge, answer the few messages
 * that ask for an answer. It decodes nothing and runs nothing: the bound that a worker is measured
 * against. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

enum { CHANNEL = 1, HEARTBEAT_SECONDS = 60, IDLE_MICROSECONDS = 20000 };

struct loop {
    amqp_connection_state_t connection;
    uint64_t last_tag; /* the newest delivery */
    unsigned unacked;
    unsigned ack_every;
};

static void die(const char *what)
{
    fprintf(stderr, "bare_loop: %s\n", what);
    exit(1);
}

static void require(amqp_connection_state_t connection, const char *what)
{
    if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL)
        die(what);
}

static amqp_connection_state_t connect_to(const char *url)
{
    char *text = strdup(url);
    struct amqp_connection_info info;
    if (text == NULL || amqp_parse_url(text, &info) != AMQP_STATUS_OK)
        die("not an AMQP URL");
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (socket == NULL || amqp_socket_open(socket, info.host, info.port) != AMQP_STATUS_OK)
        die("cannot connect");
    amqp_rpc_reply_t reply =
        amqp_login(connection, info.vhost, AMQP_DEFAULT_MAX_CHANNELS, AMQP_DEFAULT_FRAME_SIZE,
                   HEARTBEAT_SECONDS, AMQP_SASL_METHOD_PLAIN, info.user, info.password);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL)
        die("login refused");
    free(text);
    amqp_channel_open(connection, CHANNEL);
    require(connection, "cannot open a channel");
    return connection;
}

static void consume(amqp_connection_state_t connection, const char *queue, uint16_t prefetch)
{
    amqp_basic_qos(connection, CHANNEL, 0, prefetch, false);
    require(connection, "basic.qos failed");
    amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes, false,
                       false, false, amqp_empty_table);
    require(connection, "basic.consume failed");
    fprintf(stderr, "bare_loop ready.\n");
}

static void answer(struct loop *loop, const amqp_basic_properties_t *asked)
{
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_CORRELATION_ID_FLAG,
                                          .correlation_id = asked->correlation_id};
    if (amqp_basic_publish(loop->connection, CHANNEL, amqp_empty_bytes, asked->reply_to, false,
                           false, &properties, amqp_cstring_bytes("{}")) != AMQP_STATUS_OK)
        die("publish failed");
}

static void acknowledge(struct loop *loop)
{
    if (loop->unacked == 0)
        return;
    if (amqp_basic_ack(loop->connection, CHANNEL, loop->last_tag, loop->unacked > 1) != 0)
        die("ack failed");
    loop->unacked = 0;
}

static void handle(struct loop *loop, const amqp_envelope_t *envelope)
{
    const amqp_basic_properties_t *properties = &envelope->message.properties;
    bool asks = (properties->_flags & AMQP_BASIC_REPLY_TO_FLAG) != 0;
    loop->last_tag = envelope->delivery_tag;
    loop->unacked++;
    if (asks || loop->unacked >= loop->ack_every)
        acknowledge(loop);
    if (asks)
        answer(loop, properties);
}

static void run(struct loop *loop)
{
    for (;;) {
        amqp_envelope_t envelope;
        struct timeval idle = {.tv_usec = IDLE_MICROSECONDS};
        amqp_maybe_release_buffers(loop->connection);
        amqp_rpc_reply_t reply = amqp_consume_message(loop->connection, &envelope, &idle, 0);
        if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
            handle(loop, &envelope);
            amqp_destroy_envelope(&envelope);
        } else if (reply.library_error == AMQP_STATUS_TIMEOUT) {
            acknowledge(loop);
        } else {
            die("the connection was lost");
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bare_loop URL QUEUE PREFETCH ACK_EVERY\n");
        return 2;
    }
    unsigned long prefetch = strtoul(argv[3], NULL, 10);
    unsigned long ack_every = strtoul(argv[4], NULL, 10);
    if (ack_every == 0 || ack_every > prefetch || prefetch > UINT16_MAX)
        die("1 <= ACK_EVERY <= PREFETCH <= 65535");
    struct loop loop = {.connection = connect_to(argv[1]), .ack_every = (unsigned)ack_every};
    consume(loop.connection, argv[2], (uint16_t)prefetch);
    run(&loop);
}
