/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests against a real server share. */

#include "tests/broker/harness.h"

#include <amqp_tcp_socket.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    char url[512];
    struct broker_url parsed;
    pid_t pid; /* 0: not ours */
    FILE *commands, *answers;
} node;

static void parse_node_url(void)
{
    struct broker_url urls[BROKER_URLS_MAX];
    char error[BROKER_URL_ERROR_SIZE];
    size_t count = 0;
    if (broker_urls_parse(node.url, urls, &count, error))
        fail_msg("%s", error);
    node.parsed = urls[0];
}

static void run_node(const char *module, int commands, int answers)
{
    dup2(commands, STDIN_FILENO);
    dup2(answers, STDOUT_FILENO);
    setenv("PYTHONPATH", CELERIAC_SOURCE_DIR "/tests", 1);
    execl("/usr/bin/python3", "python3", "-m", module, (char *)NULL);
    _exit(127);
}

static void read_line(char *ret, size_t size)
{
    if (!fgets(ret, (int)size, node.answers))
        fail_msg("the server's script ended");
    ret[strcspn(ret, "\n")] = '\0';
}

int node_start_module(void **state, const char *module)
{
    int commands[2];
    int answers[2];
    (void)state;
    if (pipe2(commands, O_CLOEXEC) || pipe2(answers, O_CLOEXEC))
        return -1;
    node.pid = fork();
    if (node.pid == 0)
        run_node(module, commands[0], answers[1]);
    close(commands[0]);
    close(answers[1]);
    node.commands = fdopen(commands[1], "w");
    node.answers = fdopen(answers[0], "r");
    read_line(node.url, sizeof(node.url));
    parse_node_url();
    return 0;
}

int node_start(void **state)
{
    const char *given = getenv("CELERIAC_TEST_AMQP_URL");
    if (!given || !*given)
        return node_start_module(state, "support.rabbitmq");
    snprintf(node.url, sizeof(node.url), "%s", given);
    parse_node_url();
    return 0;
}

int node_stop(void **state)
{
    (void)state;
    if (node.pid > 0) {
        fclose(node.commands); /* its sign to end */
        waitpid(node.pid, NULL, 0);
        fclose(node.answers);
    }
    return 0;
}

const char *node_url(void)
{
    return node.url;
}

int node_port(void)
{
    return node.parsed.port;
}

void node_command(const char *command)
{
    char answer[1024];
    if (node.pid == 0)
        skip();
    fprintf(node.commands, "%s\n", command);
    fflush(node.commands);
    read_line(answer, sizeof(answer));
    if (strcmp(answer, "ok") != 0)
        fail_msg("%s: %s", command, answer);
}

static void on_up(void *context, uint64_t epoch)
{
    struct session *session = context;
    session->ups++;
    session->epoch = epoch;
}

static void on_down(void *context)
{
    struct session *session = context;
    session->downs++;
}

static void on_delivery(void *context, struct broker_delivery *delivery)
{
    struct session *session = context;
    assert_true(session->received < SESSION_DELIVERIES);
    session->deliveries[session->received++] = delivery;
    if (session->auto_ack && delivery->tag)
        assert_true(broker_settle(session->broker, delivery->epoch, delivery->tag, BROKER_ACK));
}

static void on_oversized(void *context, struct broker_delivery *delivery, uint64_t size)
{
    struct session *session = context;
    session->oversized = size;
    on_delivery(context, delivery);
}

static void on_blocked(void *context, bool blocked)
{
    struct session *session = context;
    session->blocked += blocked;
    session->unblocked += !blocked;
}

static void on_drained(void *context)
{
    struct session *session = context;
    session->drained++;
}

static void on_notice(void *context, enum broker_severity severity, const char *text)
{
    struct session *session = context;
    size_t used = strlen(session->notices);
    (void)severity;
    if (getenv("CELERIAC_TEST_VERBOSE"))
        fprintf(stderr, "notice: %s\n", text);
    snprintf(session->notices + used, SESSION_TEXT - used, "%s\n", text);
}

static void on_failed(void *context, const char *text)
{
    struct session *session = context;
    snprintf(session->failed, SESSION_TEXT, "%s", text);
}

static void on_stopped(void *context)
{
    struct session *session = context;
    session->stopped = true;
}

static const struct broker_handler handler = {
    .on_up = on_up,
    .on_down = on_down,
    .on_delivery = on_delivery,
    .on_oversized = on_oversized,
    .on_blocked = on_blocked,
    .on_drained = on_drained,
    .on_notice = on_notice,
    .on_failed = on_failed,
    .on_stopped = on_stopped,
};

static void on_tick(uv_timer_t *tick)
{
    struct session *session = tick->data;
    uint64_t now = uv_hrtime() / 1000000;
    uint64_t gap = now - session->last_tick_ms;
    if (session->last_tick_ms && gap > session->longest_gap_ms)
        session->longest_gap_ms = gap;
    session->last_tick_ms = now;
}

struct session *session_new(const char *urls)
{
    struct session *session = calloc(1, sizeof(*session));
    char error[BROKER_URL_ERROR_SIZE];
    size_t count = 0;
    assert_non_null(session);
    if (broker_urls_parse(urls, session->urls, &count, error))
        fail_msg("%s", error);
    uv_loop_init(&session->loop);
    uv_timer_init(&session->loop, &session->tick);
    session->tick.data = session;
    uv_timer_start(&session->tick, on_tick, 20, 20);
    session->config = (struct broker_config){
        .urls = session->urls,
        .url_count = count,
        .queues = session->queues,
        .product = "celeriac-test",
        .version = "0",
        .prefetch = 100,
        .detect_quorum_queues = true,
        .connection_timeout = 4,
        .heartbeat = 10,
        .connection_retry = true,
        .connection_retry_on_startup = true,
        .connection_max_retries = 100,
        .body_max = 1 << 26,
        .outbox_max = 1 << 26,
    };
    return session;
}

struct broker_queue *session_queue(struct session *session, const char *name)
{
    struct broker_queue *queue = &session->queues[session->config.queue_count++];
    *queue = (struct broker_queue){
        .name = name,
        .exchange = "",
        .exchange_type = "direct",
        .routing_key = "",
        .auto_delete = true,
        .arguments = {.type = MSGPACK_OBJECT_NIL},
    };
    return queue;
}

void session_start(struct session *session)
{
    session->broker = broker_new(&session->loop, &session->config, &handler, session);
    assert_non_null(session->broker);
    broker_start(session->broker);
}

uint64_t session_deadline(double seconds)
{
    return uv_hrtime() + (uint64_t)(seconds * 1e9);
}

void session_turn(struct session *session, const char *waiting_for, uint64_t deadline)
{
    uv_run(&session->loop, UV_RUN_ONCE);
    if (uv_hrtime() > deadline)
        fail_msg("too late: %s\nfailed: %s\nnotices: %s", waiting_for, session->failed,
                 session->notices);
}

unsigned session_random(struct session *session)
{
    session->seed = session->seed * 1103515245 + 12345;
    return session->seed >> 16;
}

struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

void session_on_published(void *context, const char *error)
{
    struct session *session = context;
    if (error) {
        session->refused++;
        snprintf(session->refusal, sizeof(session->refusal), "%s", error);
    } else {
        session->published++;
    }
}

void session_publish(struct session *session, const char *queue, const char *body)
{
    struct broker_message message = {
        .routing_key = text_of(queue),
        .priority = -1,
        .delivery_mode = 1,
        .body = {body, strlen(body)},
    };
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
}

void session_ack_all(struct session *session)
{
    for (size_t i = 0; i < session->received; i++) {
        struct broker_delivery *delivery = session->deliveries[i];
        if (delivery->tag && delivery->epoch == session->epoch)
            broker_settle(session->broker, delivery->epoch, delivery->tag, BROKER_ACK);
    }
}

static void on_tick_closed(uv_handle_t *tick)
{
    (void)tick;
}

void session_end(struct session *session)
{
    broker_stop(session->broker, 5);
    UNTIL(session, session->stopped);
    broker_free(session->broker);
    for (size_t i = 0; i < session->received; i++)
        broker_delivery_free(session->deliveries[i]);
    uv_close((uv_handle_t *)&session->tick, on_tick_closed);
    uv_run(&session->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&session->loop), 0);
    free(session);
}

amqp_connection_state_t peer_open(void)
{
    amqp_connection_state_t peer = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(peer);
    assert_int_equal(amqp_socket_open(socket, node.parsed.host, node.parsed.port), 0);
    amqp_rpc_reply_t reply =
        amqp_login(peer, node.parsed.vhost, 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, node.parsed.user,
                   node.parsed.password);
    assert_int_equal(reply.reply_type, AMQP_RESPONSE_NORMAL);
    assert_non_null(amqp_channel_open(peer, 1));
    return peer;
}

void peer_close(amqp_connection_state_t peer)
{
    amqp_connection_close(peer, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(peer);
}

void peer_publish(amqp_connection_state_t peer, const char *queue, const char *body)
{
    amqp_basic_publish(peer, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0, NULL,
                       amqp_cstring_bytes(body));
}

int peer_count(const char *queue)
{
    amqp_connection_state_t peer = peer_open();
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(peer, 1, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    int count = ok ? (int)ok->message_count : -1;
    peer_close(peer);
    return count;
}

void peer_delete(const char *queue)
{
    amqp_connection_state_t peer = peer_open();
    amqp_queue_delete(peer, 1, amqp_cstring_bytes(queue), 0, 0);
    peer_close(peer);
}
