/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_INTERNAL_H
#define CELERIAC_BROKER_INTERNAL_H

/* The inside of struct broker, for the files of broker/ alone. */

#include "broker/broker.h"
#include "broker/delivery.h"
#include "broker/lanes.h"
#include "broker/outbox.h"
#include "broker/side.h"

enum { CHANNEL_MAIN = 1, CHANNEL_CONTROL = 3 };

enum consumer_state {
    CONSUMER_ABSENT,
    CONSUMER_ASKED,
    CONSUMER_ACTIVE,
    CONSUMER_LEAVING, /* its lane: the cancel is not answered */
    CONSUMER_LEFT,    /* to be asked for on the next one */
};

struct consuming {
    struct side side;
    struct lanes lanes;
    struct lane *moving; /* where the consumers are going; or NULL */
    struct delivery_store *store;
    struct assembly control;        /* what channel CONTROL is in the middle of */
    enum consumer_state *consumers; /* owned; one a queue */
    struct broker_delivery *early;  /* came before all consumers were active; newest last */
    struct broker_delivery **early_end;
    uint64_t epoch;
    uint32_t prefetch, lasting;
    uint32_t sent;             /* the window of the current lane, as the server knows it */
    uint32_t own, own_lasting; /* per_consumer: the window of the consumers that are, and what was
                                  lasting when they were made, or less */
    uint64_t renewed_at;       /* ms; of the last consuming_renew */
    unsigned generation;       /* of consumers */
    bool up;                   /* on_up was called for this connection */
    bool prefetch_dirty;       /* per_consumer: consumers may have to be made anew */
    bool per_consumer; /* the window counts for each consumer: quorum queues know no other */
    bool cancelled;    /* broker_cancel_consumers */
    uint64_t delivered, settled;
};

struct publishing {
    struct side side;
    struct outbox outbox;
    bool ready;               /* the channel is open and confirms */
    struct outgoing *partial; /* in the middle of being sent */
    bool header_sent;
    size_t body_sent;
    size_t careful; /* that many go one by one: one of them made the server close the channel */
    char problem[WORDS_SIZE]; /* of the message that is coming back */
};

struct broker {
    uv_loop_t *loop;
    struct broker_config config;
    struct broker_handler handler;
    void *context;
    struct consuming consuming;
    struct publishing publishing;
    uv_prepare_t prepare; /* the end of a turn: flushes */
    uv_timer_t stop_timer;
    unsigned links, handles; /* alive; counted when stopping */
    bool started, stopping, closing, ended, failed, blocked;
    uint64_t connects;
};

/* consuming.c */
MUST_CHECK bool consuming_init(struct broker *broker);
void consuming_done(struct broker *broker);

/* consumers.c */
/* The number of the queue in one of our consumer tags; queue_count if it is none. */
size_t consumers_index(const struct broker *broker, amqp_bytes_t tag);
/* Asks for a consumer. False: given up. */
MUST_CHECK bool consumers_ask(struct broker *broker, size_t index);
/* A queue whose consumer was asked for and is not there yet, or NULL. */
const struct broker_queue *consumers_asked(const struct broker *broker);
/* Gives up: the queue cannot be consumed. */
void consumers_refuse(struct broker *broker, const struct broker_queue *queue, const char *why);
/* Consumers are about to be made. */
void consumers_note_window(struct broker *broker);
/* Makes consumers anew: on another lane, if this one is full, or because their window was fixed
 * when they were made. Later, if something stands in the way now. */
void consumers_follow(struct broker *broker);
/* The channel of another lane is open; a consumer has left. */
void consumers_on_open(struct broker *broker, amqp_channel_t channel);
void consumers_on_left(struct broker *broker, amqp_bytes_t tag);
/* Ends all of them for good. */
void consumers_cancel(struct broker *broker);

/* settling.c */
void settling_flush(struct broker *broker);
void settling_send_prefetch(struct broker *broker);

/* publishing.c */
MUST_CHECK bool publishing_init(struct broker *broker);
void publishing_done(struct broker *broker);
void publishing_flush(struct broker *broker);

/* broker.c */
void broker_notice(struct broker *broker, enum broker_severity severity, const char *format, ...)
    PRINTF_LIKE(3, 4);
void broker_give_up(struct broker *broker, const char *text);
void broker_connected(struct broker *broker);
void broker_update_blocked(struct broker *broker);
void broker_link_opened(struct broker *broker);
void broker_link_freed(struct broker *broker);
void broker_side_ended(struct broker *broker);

#endif
