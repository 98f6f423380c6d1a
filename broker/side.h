/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_SIDE_H
#define CELERIAC_BROKER_SIDE_H

/* What the consuming and the publishing connection have in common: connecting, declaring, coming
 * back after a loss. */

#include "broker/backoff.h"
#include "broker/link.h"
#include "broker/topology.h"

enum side_state {
    SIDE_IDLE,       /* not started, or ended */
    SIDE_CONNECTING, /* the helper thread is at it */
    SIDE_DECLARING,  /* open; exchanges and queues are being declared */
    SIDE_UP,         /* in use */
    SIDE_WAITING,    /* lost, or not reached: until the next attempt */
    SIDE_CLOSING,    /* connection.close was sent */
};

struct side;

/* What differs. `broker` is the side's broker. */
struct side_role {
    const char *name; /* for notices: "consumer" */
    unsigned channels;
    bool confirms, loud; /* `loud`: tells about every attempt */
    /* All is declared: at first, and again after side_declare_again. */
    void (*on_declared)(struct broker *broker);
    void (*on_frame)(struct broker *broker, const amqp_frame_t *frame);
    void (*on_writable)(struct broker *broker);
    /* The link is gone or going; nothing can be sent on it. */
    void (*on_down)(struct broker *broker, int code);
};

struct side {
    struct broker *broker;
    const struct side_role *role;
    enum side_state state;
    struct link *link; /* owned; from CONNECTING to the end of CLOSING */
    struct connect_params params;
    struct topology topology;
    struct backoff backoff;
    uv_timer_t timer; /* the next attempt, the answer of a step, or the next try of a refused one */
    unsigned refusals; /* of the current item, when declaring again */
    uint64_t restarts_from;
    unsigned restarts; /* in the second that began at restarts_from, in ms */
    bool awaiting;     /* the timer is the deadline of an answer */
    bool was_up, blocked;
};

const char *side_state_name(enum side_state state);
void side_init(struct side *side, struct broker *broker, const struct side_role *role);
/* The timer is closed by then. */
void side_done(struct side *side);
/* `wanted`: false for a side that is to stay IDLE. */
void side_start(struct side *side, bool wanted);
/* DECLARING is over: the role has done its part. */
void side_up(struct side *side);
/* Starts the time for the server's answer to what was sent. */
void side_expect_answer(struct side *side);
void side_answered(struct side *side);
/* While UP: an item of the topology is wanted again. */
void side_declare_again(struct side *side);
/* The role cannot go on with this connection: as if it were lost. */
void side_lose(struct side *side, int code, const char *text);
/* Closes in order; ends in IDLE. */
void side_close(struct side *side);
/* Ends at once, in IDLE. */
void side_end(struct side *side);

#endif
