/* SPDX-License-Identifier: BSD-3-Clause */
/* Consuming, settling and publishing against a real RabbitMQ. */

#include "tests/broker/harness.h"

#include <stdlib.h>

static void consumes_settles_and_publishes(void **state)
{
    struct session *session = session_new(node_url());
    (void)state;
    session_queue(session, "plain");
    session_start(session);
    UNTIL(session, session->ups == 1);
    session_publish(session, "plain", "one");
    session_publish(session, "plain", "two");
    UNTIL(session, session->received == 2 && session->published == 2);
    assert_memory_equal(session->deliveries[0]->body.data, "one", 3);
    assert_int_equal(session->deliveries[1]->tag, 2);
    assert_int_equal(session->deliveries[1]->epoch, 1);
    session_ack_all(session);
    session_end(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumes_settles_and_publishes),
    };
    return cmocka_run_group_tests(tests, node_start, node_stop);
}
