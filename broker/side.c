/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a connection and of the one after it. Decides when to connect, what a failure means
 * and what to tell; must not know what is consumed or published. */

#include "broker/side.h"

#include <stdio.h>

#include "broker/internal.h"

enum {
    ANSWER_MS = 20000, /* a quorum queue may need seconds to be declared */
    REFUSALS_MAX = 5,  /* then the connection is made anew */
    REFUSAL_STEP_MS = 2000,
    RESTARTS_MAX = 5, /* in one second, as Celery */
    RESTART_PAUSE_MS = 1000,
    TEXT_SIZE = 2048,
    URL_SIZE = 1024,
};

const char *side_state_name(enum side_state state)
{
    static const char *const names[] = {
        [SIDE_IDLE] = "idle", [SIDE_CONNECTING] = "connecting", [SIDE_DECLARING] = "declaring",
        [SIDE_UP] = "up",     [SIDE_WAITING] = "waiting",       [SIDE_CLOSING] = "closing",
    };
    return names[state];
}

static void set_state(struct side *side, enum side_state state)
{
    side->state = state;
}

static void on_timer(uv_timer_t *timer);

static void start_timer(struct side *side, uint64_t milliseconds, bool awaiting)
{
    side->awaiting = awaiting;
    uv_timer_start(&side->timer, on_timer, milliseconds, 0);
}

void side_expect_answer(struct side *side)
{
    start_timer(side, ANSWER_MS, true);
}

void side_answered(struct side *side)
{
    side->awaiting = false;
    uv_timer_stop(&side->timer);
}

/* The publishing side fails for the reasons of the consuming one most of the time: one of them
 * tells. */
static bool is_loud(const struct side *side)
{
    return side->role->loud || side->broker->config.publish_only ||
           side->broker->consuming.side.state == SIDE_UP;
}

static void shown_url(const struct side *side, char ret[URL_SIZE])
{
    broker_url_masked(side->params.url, ret, URL_SIZE);
}

static void give_up(struct side *side, const char *what, const char *advice)
{
    char text[TEXT_SIZE];
    char url[URL_SIZE];
    shown_url(side, url);
    snprintf(text, sizeof(text), "Cannot connect to %s: %s. %s", url, what, advice);
    broker_give_up(side->broker, text);
}

static void tell_retry(struct side *side, const char *url, const char *what, double seconds)
{
    const struct broker *broker = side->broker;
    char next[96] = "Will retry using next failover.";
    char count[24] = "";
    if (broker->config.connection_max_retries >= 0)
        snprintf(count, sizeof(count), "/%d", broker->config.connection_max_retries);
    if (seconds > 0)
        snprintf(next, sizeof(next), "Trying again in %.2f seconds... (%u%s)", seconds,
                 side->backoff.failures, count);
    if (is_loud(side))
        broker_notice(side->broker, BROKER_ERROR, "%s: Cannot connect to %s: %s.\n%s",
                      side->role->name, url, what, next);
}

/* An attempt failed before the side was up. */
static void retry(struct side *side, const char *what)
{
    const struct broker_config *config = &side->broker->config;
    bool again = side->was_up ? config->connection_retry : config->connection_retry_on_startup;
    char url[URL_SIZE];
    double seconds = 0;
    shown_url(side, url);
    set_state(side, SIDE_WAITING);
    if (!again) {
        give_up(side, what, "Retrying is switched off.");
    } else if (!backoff_failed(&side->backoff, &seconds)) {
        give_up(side, what, "All retries are used up (broker_connection_max_retries).");
    } else {
        tell_retry(side, url, what, seconds);
        start_timer(side, (uint64_t)(seconds * 1000), false);
    }
}

/* A connection that worked is gone. */
static void reconnect(struct side *side, const char *what)
{
    uint64_t now = uv_now(side->broker->loop);
    uint64_t pause = 0;
    set_state(side, SIDE_WAITING);
    if (!side->broker->config.connection_retry) {
        give_up(side, what, "Retrying is switched off.");
        return;
    }
    if (is_loud(side))
        broker_notice(
            side->broker, BROKER_WARNING,
            "%s: Connection to broker lost (%s). Trying to re-establish the connection...",
            side->role->name, what);
    if (now - side->restarts_from > RESTART_PAUSE_MS) {
        side->restarts_from = now;
        side->restarts = 0;
    }
    if (++side->restarts > RESTARTS_MAX)
        pause = RESTART_PAUSE_MS;
    start_timer(side, pause, false);
}

static void set_blocked(struct side *side, bool blocked)
{
    side->blocked = blocked;
    broker_update_blocked(side->broker);
}

static void drop_link(struct side *side)
{
    struct link *link = side->link;
    side->link = NULL;
    side_answered(side);
    if (link)
        link_free(link);
}

void side_lose(struct side *side, int code, const char *text)
{
    enum side_state state = side->state;
    if (!side->link)
        return;
    drop_link(side);
    set_state(side, state == SIDE_CLOSING ? SIDE_IDLE : SIDE_WAITING);
    set_blocked(side, false);
    side->role->on_down(side->broker, code);
    if (side->state != SIDE_WAITING) /* the end of closing, or on_down stopped the broker */
        broker_side_ended(side->broker);
    else if (state == SIDE_UP)
        reconnect(side, text);
    else
        retry(side, text);
}

static void on_failed(void *context, bool refused, const char *text)
{
    struct side *side = context;
    drop_link(side);
    if (refused)
        give_up(side, text, "Check the user and the password in the broker URL.");
    else
        retry(side, text);
}

static void follow(struct side *side, enum topology_progress progress)
{
    char text[TEXT_SIZE];
    if (progress == TOPOLOGY_WAITING) {
        side_expect_answer(side);
    } else if (progress == TOPOLOGY_COMPLETE) {
        side_answered(side);
        side->refusals = 0;
        side->role->on_declared(side->broker);
    } else {
        topology_describe(&side->topology, 0, "its arguments cannot be sent over AMQP", text,
                          sizeof(text));
        broker_give_up(side->broker, text);
    }
}

static void on_open(void *context)
{
    struct side *side = context;
    char url[URL_SIZE];
    set_state(side, SIDE_DECLARING);
    shown_url(side, url);
    if (side->role->loud)
        broker_notice(side->broker, BROKER_INFO, "Connected to %s", url);
    topology_reset(&side->topology);
    follow(side, topology_advance(&side->topology, side->link));
}

/* The server does not let us declare something. At first that is final, unless somebody else has it
 * locked (our own former connection may, until the server notices that it is dead). Later the queue
 * has been there before: it is tried again. */
static void on_refusal(struct side *side, const amqp_method_t *method)
{
    char said[WORDS_SIZE];
    char text[TEXT_SIZE];
    int code = words_code(method);
    words_of_close(method, said);
    topology_describe(&side->topology, code, said, text, sizeof(text));
    bool optional = topology_refused(&side->topology, side->link, code);
    side_answered(side);
    if (optional) {
        broker_notice(side->broker, BROKER_WARNING, "%s", text);
        follow(side, topology_advance(&side->topology, side->link));
    } else if (side->state == SIDE_DECLARING && code != AMQP_RESOURCE_LOCKED) {
        broker_give_up(side->broker, text);
    } else if (side->state == SIDE_DECLARING || ++side->refusals > REFUSALS_MAX) {
        side_lose(side, code, text);
    } else {
        broker_notice(side->broker, BROKER_WARNING, "%s", text);
        start_timer(side, (uint64_t)side->refusals * REFUSAL_STEP_MS, false);
    }
}

static void on_frame(void *context, const amqp_frame_t *frame)
{
    struct side *side = context;
    const amqp_method_t *method = &frame->payload.method;
    if (frame->channel != TOPOLOGY_CHANNEL)
        side->role->on_frame(side->broker, frame);
    else if (frame->frame_type != AMQP_FRAME_METHOD)
        return;
    else if (topology_answered(&side->topology, method->id))
        follow(side, topology_continue(&side->topology, side->link));
    else if (method->id == AMQP_CHANNEL_CLOSE_METHOD)
        on_refusal(side, method);
}

static void on_blocked(void *context, bool blocked)
{
    set_blocked(context, blocked);
}

static void on_writable(void *context)
{
    const struct side *side = context;
    side->role->on_writable(side->broker);
}

static void on_lost(void *context, int code, const char *text)
{
    side_lose(context, code, text);
}

static void on_freed(void *context)
{
    const struct side *side = context;
    broker_link_freed(side->broker);
}

static const struct link_handler link_handler = {
    .on_open = on_open,
    .on_failed = on_failed,
    .on_frame = on_frame,
    .on_blocked = on_blocked,
    .on_writable = on_writable,
    .on_lost = on_lost,
    .on_freed = on_freed,
};

static void attempt(struct side *side)
{
    const struct broker_config *config = &side->broker->config;
    const struct broker_url *url = &config->urls[side->backoff.url];
    side->params = (struct connect_params){
        .url = url,
        .product = config->product,
        .version = config->version,
        .timeout =
            url->connection_timeout >= 0 ? url->connection_timeout : config->connection_timeout,
        .heartbeat = url->heartbeat >= 0 ? url->heartbeat : config->heartbeat,
        .channels = side->role->channels,
        .confirms = side->role->confirms,
    };
    set_state(side, SIDE_CONNECTING);
    side->link = link_open(side->broker->loop, &side->params, &link_handler, side);
    if (side->link)
        broker_link_opened(side->broker);
    else
        retry(side, "out of memory");
}

static void on_timer(uv_timer_t *timer)
{
    struct side *side = timer->data;
    if (side->state == SIDE_WAITING)
        attempt(side);
    else if (side->awaiting)
        side_lose(side, 0, "the server did not answer in time");
    else
        follow(side, topology_advance(&side->topology, side->link));
}

void side_init(struct side *side, struct broker *broker, const struct side_role *role)
{
    *side = (struct side){.broker = broker, .role = role};
    backoff_init(&side->backoff, broker->config.url_count, broker->config.connection_max_retries);
    topology_init(&side->topology);
}

void side_done(struct side *side)
{
    topology_done(&side->topology);
}

void side_start(struct side *side, bool wanted)
{
    uv_timer_init(side->broker->loop, &side->timer);
    side->timer.data = side;
    if (!wanted)
        return;
    set_state(side, SIDE_WAITING);
    start_timer(side, 0, false);
}

void side_up(struct side *side)
{
    set_state(side, SIDE_UP);
    side->was_up = true;
    backoff_succeeded(&side->backoff);
    broker_connected(side->broker);
}

void side_declare_again(struct side *side)
{
    if (!side->awaiting)
        follow(side, topology_advance(&side->topology, side->link));
}

void side_end(struct side *side)
{
    bool had_link = side->state == SIDE_DECLARING || side->state == SIDE_UP;
    uv_timer_stop(&side->timer);
    drop_link(side);
    set_state(side, SIDE_IDLE);
    if (had_link)
        side->role->on_down(side->broker, 0);
}

void side_close(struct side *side)
{
    if (side->state == SIDE_UP || side->state == SIDE_DECLARING) {
        set_state(side, SIDE_CLOSING);
        link_end(side->link);
    } else {
        side_end(side);
        broker_side_ended(side->broker);
    }
}
