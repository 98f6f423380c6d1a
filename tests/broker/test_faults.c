/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks and servers that fail: what is lost (nothing), what is told, and that the loop never
 * waits. */

#include "tests/broker/harness.h"

#include <dirent.h>
#include <stdlib.h>

#include "tests/broker/proxy.h"

enum { CUTS = 12, LOOP_GAP_MAX_MS = 700 /* a loaded machine under sanitizers */ };

static struct session *session_through(const struct proxy *proxy, const char *query)
{
    char url[200];
    snprintf(url, sizeof(url), "amqp://guest:guest@127.0.0.1:%d/%s", proxy_port(proxy), query);
    return session_new(url);
}

static struct session *start_lasting(const struct proxy *proxy, const char *query,
                                     const char *queue)
{
    peer_delete(queue);
    struct session *session = session_through(proxy, query);
    session_queue(session, queue)->auto_delete = false;
    session_start(session);
    UNTIL(session, session->ups == 1);
    return session;
}

static void gets_its_deliveries_again_after_a_cut(void **state)
{
    struct proxy *proxy = proxy_new(node_port());
    struct session *session = start_lasting(proxy, "", "cut");
    struct broker_stats stats;
    (void)state;
    for (int i = 0; i < 3; i++)
        session_publish(session, "cut", i == 0 ? "settled" : "open");
    UNTIL(session, session->received == 3 && session->published == 3);
    assert_true(broker_settle(session->broker, 1, 1, BROKER_ACK));
    session_publish(session, "cut", "after the ack");
    UNTIL(session, session->received == 4); /* so the ack is on the wire */
    proxy_cut(proxy);
    UNTIL(session, session->downs == 1);
    assert_false(broker_settle(session->broker, 1, 2, BROKER_ACK));
    UNTIL(session, session->ups == 2 && session->received == 7);
    assert_int_equal(session->epoch, 2);
    assert_false(broker_settle(session->broker, 1, 3, BROKER_ACK));
    for (size_t i = 4; i < 7; i++) {
        assert_true(session->deliveries[i]->redelivered);
        assert_int_equal(session->deliveries[i]->epoch, 2);
        assert_true(broker_settle(session->broker, 2, session->deliveries[i]->tag, BROKER_ACK));
    }
    broker_get_stats(session->broker, &stats);
    assert_int_equal(stats.epoch, 2);
    assert_non_null(strstr(session->notices, "consumer: Connection to broker lost"));
    session_end(session);
    assert_int_equal(peer_count("cut"), 0);
    peer_delete("cut");
    proxy_free(proxy);
}

static void publishes_again_what_was_not_confirmed(void **state)
{
    struct proxy *proxy = proxy_new(node_port());
    struct session *session = start_lasting(proxy, "", "again");
    (void)state;
    char large[200000];
    memset(large, 'l', sizeof(large));
    session_publish(session, "again", "confirmed");
    UNTIL(session, session->published == 1);
    proxy_freeze(proxy, true);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        struct broker_message message = {.routing_key = text_of("again"),
                                         .message_id = text_of(id),
                                         .delivery_mode = 1,
                                         .body = {large, i % 3 ? 5 : sizeof(large)}};
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    for (int i = 0; i < 5; i++)
        session_turn(session, "the socket", session_deadline(5));
    assert_int_equal(session->published, 1);
    proxy_cut(proxy);
    proxy_freeze(proxy, false);
    session->auto_ack = true;
    UNTIL(session, session->published == 21 && session->received >= 21);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(atoi(session->deliveries[session->received - 20 + i]->message_id.data), i);
    assert_int_equal(session->refused, 0);
    session_end(session);
    peer_delete("again");
    proxy_free(proxy);
}

static void notices_a_dead_network_by_the_heartbeat(void **state)
{
    struct proxy *proxy = proxy_new(node_port());
    struct session *session = start_lasting(proxy, "?heartbeat=1", "dead");
    (void)state;
    uint64_t quiet = session_deadline(4); /* heartbeats keep an idle connection alive */
    while (uv_hrtime() < quiet)
        session_turn(session, "nothing", quiet + 1000000000);
    assert_int_equal(session->downs, 0);
    proxy_freeze(proxy, true);
    UNTIL_IN(6, session, session->downs == 1);
    assert_non_null(strstr(session->notices, "no heartbeat"));
    proxy_cut(proxy);
    proxy_freeze(proxy, false);
    UNTIL(session, session->ups == 2);
    session_end(session);
    peer_delete("dead");
    proxy_free(proxy);
}

static void gives_a_silent_server_no_more_than_the_timeout(void **state)
{
    struct proxy *proxy = proxy_new(0);
    struct session *session = session_through(proxy, "?connection_timeout=0.5");
    (void)state;
    session_start(session);
    UNTIL_IN(3, session, strstr(session->notices, "did not answer in time"));
    assert_true(session->longest_gap_ms < LOOP_GAP_MAX_MS);
    session_end(session);
    proxy_free(proxy);
}

static void stops_cleanly_in_the_middle_of_connecting(void **state)
{
    struct proxy *proxy = proxy_new(0);
    struct session *session = session_through(proxy, "?connection_timeout=1");
    (void)state;
    session_start(session);
    UNTIL(session, proxy_accepted(proxy) == 2);
    broker_stop(session->broker, 0);
    UNTIL_IN(3, session, session->stopped);
    assert_int_equal(session->ups, 0);
    session_end(session);
    proxy_free(proxy);
}

static void stops_cleanly_while_the_network_is_dead(void **state)
{
    struct proxy *proxy = proxy_new(node_port());
    struct session *session = start_lasting(proxy, "", "frozen");
    (void)state;
    session_publish(session, "frozen", "m");
    UNTIL(session, session->received == 1 && session->published == 1);
    proxy_freeze(proxy, true);
    broker_settle(session->broker, 1, 1, BROKER_ACK);
    session_publish(session, "frozen", "m");
    broker_stop(session->broker, 0.5);
    UNTIL_IN(4, session, session->stopped);
    assert_int_equal(session->refused, 1);
    session_end(session);
    proxy_free(proxy);
    peer_delete("frozen");
}

static void never_waits_for_a_server_that_does_not_read(void **state)
{
    struct proxy *proxy = proxy_new(node_port());
    struct session *session = start_lasting(proxy, "", "stuck");
    char *body = calloc(1, 1000000);
    (void)state;
    session->longest_gap_ms = session->last_tick_ms = 0;
    proxy_freeze(proxy, true);
    for (int i = 0; i < 30; i++) {
        struct broker_message message = {
            .routing_key = text_of("stuck"), .delivery_mode = 1, .body = {body, 1000000}};
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    uint64_t until = session_deadline(1.5);
    while (uv_hrtime() < until)
        session_turn(session, "nothing", until + 1000000000);
    assert_true(session->longest_gap_ms < LOOP_GAP_MAX_MS);
    session->auto_ack = true;
    proxy_freeze(proxy, false);
    UNTIL(session, session->published == 30 && session->received == 30);
    free(body);
    session_end(session);
    peer_delete("stuck");
    proxy_free(proxy);
}

static unsigned open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* How many different numbers the bodies of the deliveries from *from on add to those seen. */
static unsigned new_numbers(const struct session *session, size_t *from, bool *seen)
{
    unsigned added = 0;
    for (; *from < session->received; ++*from) {
        int number = atoi(session->deliveries[*from]->body.data);
        added += !seen[number];
        seen[number] = true;
    }
    return added;
}

/* Publishing, settling and being cut at the same time: what was published arrives, and nothing
 * piles up. */
static void loses_nothing_when_it_is_cut_again_and_again(void **state)
{
    struct proxy *proxy = proxy_new(node_port());
    struct session *session = start_lasting(proxy, "", "cuts");
    bool *seen = calloc(SESSION_DELIVERIES, sizeof(bool));
    unsigned sent = 0;
    unsigned arrived = 0;
    size_t counted = 0;
    char last[16];
    (void)state;
    session->auto_ack = true;
    unsigned files = open_files();
    for (unsigned cut = 1; cut <= CUTS; cut++) {
        for (int i = 0; i < 100; i++) {
            char body[16];
            snprintf(body, sizeof(body), "%u", sent++);
            session_publish(session, "cuts", body);
        }
        for (unsigned turns = session_random(session) % 4; turns > 0; turns--)
            session_turn(session, "some traffic", session_deadline(5));
        proxy_cut(proxy);
        UNTIL(session, session->downs >= cut && session->ups > cut);
    }
    UNTIL(session, session->published == sent);
    UNTIL(session, (arrived += new_numbers(session, &counted, seen)) == sent);
    UNTIL(session, peer_count("cuts") == 0); /* what was published twice comes too */
    /* What is no longer in the queue may still be on its way to us: it comes before this one. */
    snprintf(last, sizeof(last), "%u", sent++);
    session_publish(session, "cuts", last);
    UNTIL(session, (arrived += new_numbers(session, &counted, seen)) == sent);
    session_end(session);
    assert_true(open_files() <= files);
    assert_int_equal(peer_count("cuts"), 0);
    free(seen);
    peer_delete("cuts");
    proxy_free(proxy);
}

static void goes_on_while_the_server_blocks_publishers(void **state)
{
    struct session *session = session_new(node_url());
    char *body = calloc(1, 100000);
    (void)state;
    amqp_connection_state_t peer = peer_open();
    peer_delete("alarm-in");
    peer_delete("alarm-out");
    session_queue(session, "alarm-in")->auto_delete = false;
    session_start(session);
    UNTIL(session, session->ups == 1);
    for (int i = 0; i < 300; i++)
        peer_publish(peer, "alarm-in", "task");
    UNTIL(session, session->received == 100); /* the window */
    node_command("alarm on");
    session->longest_gap_ms = session->last_tick_ms = 0;
    for (int i = 0; i < 100; i++) {
        struct broker_message message = {
            .routing_key = text_of("alarm-out"), .delivery_mode = 1, .body = {body, 100000}};
        assert_int_equal(broker_publish(session->broker, &message, session_on_published, session),
                         0);
    }
    UNTIL(session, session->blocked == 1);
    session->auto_ack = true;
    session_ack_all(session);
    UNTIL(session, session->received == 300); /* consuming does not care */
    assert_int_equal(session->published, 0);
    assert_true(session->longest_gap_ms < LOOP_GAP_MAX_MS);
    node_command("alarm off");
    UNTIL(session, session->unblocked == 1 && session->published == 100);
    assert_int_equal(session->downs, 0);
    free(body);
    session_end(session);
    assert_int_equal(peer_count("alarm-in"), 0);
    peer_close(peer);
    peer_delete("alarm-in");
}

static void comes_back_after_the_server_was_restarted(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    peer_delete("restart");
    struct broker_queue *queue = session_queue(session, "restart");
    queue->auto_delete = false;
    queue->durable = true;
    session_start(session);
    UNTIL(session, session->ups == 1);
    struct broker_message message = {.routing_key = text_of("restart"), .delivery_mode = 2};
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
    UNTIL(session, session->published == 1 && session->received == 1);
    node_command("restart");
    assert_int_equal(broker_publish(session->broker, &message, session_on_published, session), 0);
    UNTIL_IN(30, session, session->ups == 2 && session->received == 3 && session->published == 2);
    assert_non_null(strstr(session->notices, "CONNECTION_FORCED"));
    session_ack_all(session);
    session_end(session);
    assert_int_equal(peer_count("restart"), 0);
    peer_delete("restart");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_its_deliveries_again_after_a_cut),
        cmocka_unit_test(publishes_again_what_was_not_confirmed),
        cmocka_unit_test(notices_a_dead_network_by_the_heartbeat),
        cmocka_unit_test(gives_a_silent_server_no_more_than_the_timeout),
        cmocka_unit_test(stops_cleanly_in_the_middle_of_connecting),
        cmocka_unit_test(stops_cleanly_while_the_network_is_dead),
        cmocka_unit_test(never_waits_for_a_server_that_does_not_read),
        cmocka_unit_test(loses_nothing_when_it_is_cut_again_and_again),
        cmocka_unit_test(goes_on_while_the_server_blocks_publishers),
        cmocka_unit_test(comes_back_after_the_server_was_restarted),
    };
    return cmocka_run_group_tests(tests, node_start, node_stop);
}
