/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_BROKER_HARNESS_H
#define CELERIAC_TESTS_BROKER_HARNESS_H

/* A real RabbitMQ, a broker object on a loop that remembers what it was told, and a plain client on
 * the other end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <amqp.h>

#include "broker/broker.h"

/* Starts a node for this program, or takes the one of CELERIAC_TEST_AMQP_URL. As cmocka's group
 * set-up and teardown. */
int node_start(void **state);
/* A node of another kind: a Python module in tests/ that serves as support.rabbitmq does. */
int node_start_module(void **state, const char *module);
int node_stop(void **state);
const char *node_url(void);
int node_port(void);
/* "restart", "alarm on" ...; skips the test if the node is not ours. */
void node_command(const char *command);

enum { SESSION_QUEUES = 4, SESSION_DELIVERIES = 20000, SESSION_TEXT = 64 * 1024 };

struct session {
    uv_loop_t loop;
    uv_timer_t tick;
    struct broker_url urls[BROKER_URLS_MAX];
    struct broker_queue queues[SESSION_QUEUES];
    struct broker_config config;
    struct broker *broker;
    /* what was told */
    unsigned ups, downs, drained, blocked, unblocked;
    bool stopped, auto_ack;
    uint64_t epoch, oversized;
    char failed[SESSION_TEXT], notices[SESSION_TEXT];
    struct broker_delivery *deliveries[SESSION_DELIVERIES]; /* owned */
    size_t received;
    size_t published, refused;
    char refusal[1024]; /* the last one */
    unsigned seed;
    uint64_t last_tick_ms, longest_gap_ms; /* of the loop, which ticks every 20 ms */
};

/* On the heap. No queue yet. */
struct session *session_new(const char *urls);
/* Adds a transient queue on the default exchange that the server deletes with its last consumer. */
struct broker_queue *session_queue(struct session *session, const char *name);
void session_start(struct session *session);
/* Runs the loop once; fails the test at the deadline. */
void session_turn(struct session *session, const char *waiting_for, uint64_t deadline);
uint64_t session_deadline(double seconds);
/* Publishes to a queue; what becomes of it is counted. */
void session_publish(struct session *session, const char *queue, const char *body);
void session_on_published(void *context, const char *error);
/* The same numbers in each run. */
unsigned session_random(struct session *session);
void session_ack_all(struct session *session);
/* Stops the broker if it still runs, and frees everything. */
void session_end(struct session *session);

#define UNTIL_IN(seconds, session, condition)                                                      \
    do {                                                                                           \
        uint64_t until_deadline = session_deadline(seconds);                                       \
        while (!(condition))                                                                       \
            session_turn(session, #condition, until_deadline);                                     \
    } while (0)
#define UNTIL(session, condition) UNTIL_IN(15, session, condition)

/* A plain blocking client. */
amqp_connection_state_t peer_open(void);
void peer_close(amqp_connection_state_t peer);
void peer_publish(amqp_connection_state_t peer, const char *queue, const char *body);
/* Messages that are ready in the queue; -1: there is no such queue. */
int peer_count(const char *queue);
void peer_delete(const char *queue);

struct text text_of(const char *string);

#endif
