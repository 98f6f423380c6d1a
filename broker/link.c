/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection and its handles on the loop. Owns librabbitmq's connection object from the moment it
 * is open; before that the helper thread does. Knows channel 0 only: what the frames of other
 * channels mean is the owner's business. */

#include "broker/link.h"

#include <poll.h>
#include <stdlib.h>

#include "broker/sender.h"

enum {
    FRAMES_A_TURN = 256, /* then timers and children get their turn */
    CLOSE_MS = 1000,     /* for the server's close-ok */
};

enum link_state { LINK_CONNECTING, LINK_OPEN, LINK_CLOSING, LINK_LOST, LINK_FREED };

struct link {
    uv_loop_t *loop;
    struct connect_params params;
    const struct link_handler *handler;
    void *context;
    enum link_state state;
    uv_work_t work;
    int result; /* of the helper thread, as the text and what follows */
    char text[WORDS_SIZE];
    struct connect_result connected; /* owned once open */
    amqp_connection_state_t amqp;    /* the same; NULL: never open */
    struct sender sender;
    int broken;             /* what a send came back with */
    uint64_t last_received; /* ms of the loop */
    uv_poll_t poll;
    uv_idle_t idle;   /* active while there is something to do without waiting for the socket */
    uv_timer_t timer; /* heartbeats, or the deadline of closing */
    unsigned handles; /* still to be closed */
    int fd;
    bool watching_for_room;
};

static void set_state(struct link *link, enum link_state state)
{
    link->state = state;
}

static bool is_open(const struct link *link)
{
    return link->state == LINK_OPEN || link->state == LINK_CLOSING;
}

static void free_now(struct link *link)
{
    const struct link_handler *handler = link->handler;
    void *context = link->context;
    sender_done(&link->sender);
    if (link->amqp)
        amqp_destroy_connection(link->amqp);
    free(link);
    handler->on_freed(context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    if (--link->handles == 0)
        free_now(link);
}

static void close_handle(struct link *link, uv_handle_t *handle)
{
    link->handles++;
    uv_close(handle, on_handle_closed);
}

static int put_method(struct link *link, amqp_channel_t channel, amqp_method_number_t id,
                      void *decoded)
{
    amqp_frame_t frame = {
        .frame_type = AMQP_FRAME_METHOD, .channel = channel, .payload.method = {id, decoded}};
    return sender_put(&link->sender, &frame);
}

void link_free(struct link *link)
{
    enum link_state state = link->state;
    set_state(link, LINK_FREED);
    if (state == LINK_CONNECTING) {
        uv_cancel((uv_req_t *)&link->work); /* else the helper ends at its deadline */
        return;
    }
    if (!link->amqp) { /* never opened */
        close_handle(link, (uv_handle_t *)&link->idle);
        return;
    }
    if (state == LINK_OPEN) { /* a kind word, if it can be said at once */
        amqp_connection_close_t method = {.reply_code = AMQP_REPLY_SUCCESS};
        if (put_method(link, 0, AMQP_CONNECTION_CLOSE_METHOD, &method) == 0 &&
            sender_flush(&link->sender))
            link->broken = AMQP_STATUS_SOCKET_ERROR;
    }
    close_handle(link, (uv_handle_t *)&link->poll);
    close_handle(link, (uv_handle_t *)&link->idle);
    close_handle(link, (uv_handle_t *)&link->timer);
}

static void lose(struct link *link, int code, const char *text)
{
    if (!is_open(link))
        return;
    set_state(link, LINK_LOST);
    uv_poll_stop(&link->poll);
    uv_timer_stop(&link->timer);
    uv_idle_stop(&link->idle);
    link->handler->on_lost(link->context, code, text);
}

static void lose_by_status(struct link *link, int status)
{
    char text[WORDS_SIZE];
    words_of_status(status, text);
    lose(link, 0, text);
}

static void on_server_close(struct link *link, const amqp_method_t *method)
{
    char text[WORDS_SIZE];
    amqp_connection_close_ok_t ok = {0};
    words_of_close(method, text);
    int code = words_code(method);
    if (link_send_method(link, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok))
        link_flush(link);
    lose(link, code, text);
}

static void on_connection_method(struct link *link, const amqp_method_t *method)
{
    switch (method->id) {
    case AMQP_CONNECTION_CLOSE_METHOD:
        on_server_close(link, method);
        break;
    case AMQP_CONNECTION_CLOSE_OK_METHOD:
        lose(link, 0, "closed");
        break;
    case AMQP_CONNECTION_BLOCKED_METHOD:
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        connect_set_patience(link->fd, link->connected.heartbeat,
                             method->id == AMQP_CONNECTION_BLOCKED_METHOD);
        link->handler->on_blocked(link->context, method->id == AMQP_CONNECTION_BLOCKED_METHOD);
        break;
    default:
        break;
    }
}

static void on_frame(struct link *link, const amqp_frame_t *frame)
{
    if (frame->channel != 0)
        link->handler->on_frame(link->context, frame);
    else if (frame->frame_type == AMQP_FRAME_METHOD)
        on_connection_method(link, &frame->payload.method);
}

static void on_idle(uv_idle_t *idle);

/* Frames that librabbitmq holds: epoll knows nothing of them. */
static bool has_buffered(const struct link *link)
{
    return amqp_frames_enqueued(link->amqp) || amqp_data_in_buffer(link->amqp);
}

/* Reads what there is, up to the bound. After a failed send too: the server may have said why it
 * closes. */
static void read_frames(struct link *link)
{
    static const struct timeval no_wait = {0, 0};
    int status = AMQP_STATUS_OK;
    bool drained = false;
    uv_idle_stop(&link->idle);
    for (int i = 0; i < FRAMES_A_TURN && !drained; i++) {
        amqp_frame_t frame;
        status = amqp_simple_wait_frame_noblock(link->amqp, &frame, &no_wait);
        if (status != AMQP_STATUS_OK)
            break;
        on_frame(link, &frame);
        if (!is_open(link))
            return;
        amqp_maybe_release_buffers_on_channel(link->amqp, frame.channel);
        /* TLS may hold decrypted bytes that only another read shows. */
        drained = !link->params.url->tls && !link->broken && !has_buffered(link);
    }
    if (status != AMQP_STATUS_OK && status != AMQP_STATUS_TIMEOUT)
        lose_by_status(link, status);
    else if (link->broken && status == AMQP_STATUS_TIMEOUT)
        lose_by_status(link, link->broken);
    else if (!drained && status == AMQP_STATUS_OK)
        uv_idle_start(&link->idle, on_idle);
}

static void on_idle(uv_idle_t *idle)
{
    read_frames(idle->data);
}

static void on_poll(uv_poll_t *poll_handle, int status, int events);

static void watch(struct link *link, bool for_room)
{
    link->watching_for_room = for_room;
    uv_poll_start(&link->poll, UV_READABLE | (for_room ? UV_WRITABLE : 0), on_poll);
}

static void on_room(struct link *link)
{
    watch(link, false);
    link_flush(link);
    if (!link->sender.stuck)
        link->handler->on_writable(link->context);
}

static void on_poll(uv_poll_t *poll_handle, int status, int events)
{
    struct link *link = poll_handle->data;
    if (status < 0) {
        lose(link, 0, words_of_poll(link->fd, status));
        return;
    }
    if (events & UV_READABLE) {
        link->last_received = uv_now(link->loop);
        read_frames(link);
    }
    if (is_open(link) && (events & UV_WRITABLE))
        on_room(link);
}

/* After the process itself was stopped for a while, what came meanwhile is still to be read. */
static bool has_unread(const struct link *link)
{
    struct pollfd poll_fd = {.fd = link->fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

/* Twice per heartbeat: any traffic counts as one, in both directions. */
static void on_heartbeat(uv_timer_t *timer)
{
    struct link *link = timer->data;
    amqp_frame_t frame = {.frame_type = AMQP_FRAME_HEARTBEAT};
    uint64_t patience = (uint64_t)link->connected.heartbeat * 2000;
    if (uv_now(link->loop) - link->last_received > patience && !has_unread(link)) {
        lose_by_status(link, AMQP_STATUS_HEARTBEAT_TIMEOUT);
        return;
    }
    if (!link->sender.active && !link->sender.stuck && link_send_frame(link, &frame))
        link_flush(link);
    link->sender.active = false;
}

static int start_handles(struct link *link)
{
    link->fd = amqp_get_sockfd(link->amqp);
    sender_init(&link->sender, link->amqp, link->params.url->tls);
    int error = uv_poll_init(link->loop, &link->poll, link->fd);
    if (error)
        return error;
    uv_timer_init(link->loop, &link->timer);
    link->poll.data = link->timer.data = link;
    link->last_received = uv_now(link->loop);
    uint64_t half = (uint64_t)link->connected.heartbeat * 500;
    if (half > 0)
        uv_timer_start(&link->timer, on_heartbeat, half, half);
    uv_idle_start(&link->idle, on_idle); /* frames may have come with the answer to the last call */
    watch(link, false);
    connect_set_patience(link->fd, link->connected.heartbeat, false);
    return 0;
}

static void on_connected(uv_work_t *work, int status)
{
    struct link *link = work->data;
    if (link->state == LINK_FREED) {
        if (status == 0 && link->result == 0)
            link->amqp = link->connected.amqp;
        close_handle(link, (uv_handle_t *)&link->idle);
        return;
    }
    set_state(link, LINK_LOST);
    if (status == 0 && link->result == 0) {
        link->amqp = link->connected.amqp;
        status = start_handles(link);
        if (status == 0) {
            set_state(link, LINK_OPEN);
            link->handler->on_open(link->context);
            return;
        }
        amqp_destroy_connection(link->amqp);
        link->amqp = NULL;
    }
    link->handler->on_failed(link->context, link->result == CONNECT_REFUSED,
                             status ? uv_strerror(status) : link->text);
}

static void connect_on_thread(uv_work_t *work)
{
    struct link *link = work->data;
    link->result = connect_run(&link->params, &link->connected, link->text);
}

struct link *link_open(uv_loop_t *loop, const struct connect_params *params,
                       const struct link_handler *handler, void *context)
{
    struct link *link = calloc(1, sizeof(*link));
    if (!link)
        return NULL;
    link->loop = loop;
    link->params = *params;
    link->handler = handler;
    link->context = context;
    link->work.data = link;
    uv_idle_init(loop, &link->idle);
    link->idle.data = link;
    set_state(link, LINK_CONNECTING);
    uv_queue_work(loop, &link->work, connect_on_thread, on_connected);
    return link;
}

static void on_close_deadline(uv_timer_t *timer)
{
    lose(timer->data, 0, "the server did not answer connection.close");
}

void link_end(struct link *link)
{
    amqp_connection_close_t method = {.reply_code = AMQP_REPLY_SUCCESS,
                                      .reply_text = amqp_cstring_bytes("bye")};
    if (link->state != LINK_OPEN)
        return;
    set_state(link, LINK_CLOSING);
    uv_timer_start(&link->timer, on_close_deadline, CLOSE_MS, 0);
    link_send_method(link, 0, AMQP_CONNECTION_CLOSE_METHOD, &method);
    link_flush(link);
}

/* A failed send is reported from the loop, because senders are in the middle of something. */
static bool report(struct link *link, int status)
{
    if (status == AMQP_STATUS_OK)
        return true;
    link->broken = status;
    uv_idle_start(&link->idle, on_idle);
    return false;
}

size_t link_frame_max(const struct link *link)
{
    return (size_t)amqp_get_frame_max(link->amqp);
}

unsigned link_channel_max(const struct link *link)
{
    return (unsigned)amqp_get_channel_max(link->amqp);
}

bool link_may_send(struct link *link, size_t size)
{
    if (!is_open(link) || link->broken)
        return false;
    if (sender_may_put(&link->sender, size))
        return true;
    if (!link->watching_for_room)
        watch(link, true);
    return false;
}

bool link_send_method(struct link *link, amqp_channel_t channel, amqp_method_number_t id,
                      void *decoded)
{
    if (!is_open(link) || link->broken)
        return false;
    return report(link, put_method(link, channel, id, decoded));
}

bool link_send_frame(struct link *link, const amqp_frame_t *frame)
{
    if (!is_open(link) || link->broken)
        return false;
    return report(link, sender_put(&link->sender, frame));
}

void link_flush(struct link *link)
{
    if (!link || !is_open(link) || link->broken || link->watching_for_room)
        return;
    if (!report(link, sender_flush(&link->sender)))
        return;
    if (link->sender.stuck)
        watch(link, true);
    if (has_buffered(link)) /* over TLS librabbitmq may have read while it sent */
        uv_idle_start(&link->idle, on_idle);
}
