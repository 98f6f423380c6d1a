/* SPDX-License-Identifier: BSD-3-Clause */
/* The bookkeeping of outgoing messages, without a server. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "broker/outbox.h"

enum { LIMIT = 1 << 20, LARGE = 1 << 21, ROUNDS = 20000 };

struct outcome {
    unsigned calls;
    char error[128];
    struct outbox *publish_again; /* from inside the call */
};

static int put(struct outbox *outbox, const char *body, struct outcome *outcome);

static void on_published(void *context, const char *error)
{
    struct outcome *outcome = context;
    outcome->calls++;
    strncpy(outcome->error, error ? error : "", sizeof(outcome->error) - 1);
    if (outcome->publish_again) {
        struct outbox *outbox = outcome->publish_again;
        outcome->publish_again = NULL;
        assert_int_equal(put(outbox, "again", outcome), 0);
    }
}

static int put(struct outbox *outbox, const char *body, struct outcome *outcome)
{
    struct broker_message message = {.routing_key = {"q", 1},
                                     .priority = -1,
                                     .delivery_mode = 1,
                                     .mandatory = true,
                                     .body = {body, strlen(body)}};
    return outbox_put(outbox, &message, on_published, outcome);
}

/* The bodies that are waiting, joined. */
static void assert_waiting(const struct outbox *outbox, const char *expected)
{
    char bodies[256] = "";
    size_t used = 0;
    const struct outgoing *last = NULL;
    for (const struct outgoing *o = outbox->first; o; o = o->next) {
        memcpy(bodies + used, o->body.bytes, o->body.len);
        used += o->body.len;
        last = o;
    }
    assert_string_equal(bodies, expected);
    assert_ptr_equal(outbox->last, last);
}

static void send_all(struct outbox *outbox)
{
    while (outbox_next(outbox))
        assert_true(outbox_sent(outbox));
}

static void confirms_single_multiple_and_out_of_order(void **state)
{
    struct outcome outcomes[6] = {0};
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, LIMIT);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(put(&outbox, "x", &outcomes[i]), 0);
    send_all(&outbox);
    outbox_confirm(&outbox, 4, false, NULL);
    outbox_confirm(&outbox, 4, false, NULL); /* nothing twice */
    outbox_confirm(&outbox, 99, false, NULL);
    assert_int_equal(outcomes[3].calls, 1);
    assert_int_equal(outcomes[0].calls, 0);
    outbox_confirm(&outbox, 5, true, NULL);
    outbox_confirm(&outbox, 6, true, "refused");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(outcomes[i].calls, 1);
    assert_string_equal(outcomes[4].error, "");
    assert_string_equal(outcomes[5].error, "refused");
    assert_int_equal(outbox.messages, 0);
    assert_int_equal(outbox.bytes, 0);
    assert_int_equal(outbox.confirmed, 5);
    outbox_done(&outbox);
}

static void sends_again_in_order_what_was_not_confirmed(void **state)
{
    struct outcome outcome = {0};
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, LIMIT);
    put(&outbox, "a", &outcome);
    put(&outbox, "b", &outcome);
    put(&outbox, "c", &outcome);
    assert_true(outbox_sent(&outbox));
    assert_true(outbox_sent(&outbox));
    outbox_requeue(&outbox);
    assert_waiting(&outbox, "abc");
    send_all(&outbox);
    outbox_confirm(&outbox, 2, false, NULL); /* the sequence started again */
    outbox_requeue(&outbox);
    assert_waiting(&outbox, "ac");
    put(&outbox, "d", &outcome);
    outbox_requeue(&outbox);
    assert_waiting(&outbox, "acd");
    outbox_fail_all(&outbox, "the end");
    assert_int_equal(outcome.calls, 4);
    assert_string_equal(outcome.error, "the end");
    outbox_requeue(&outbox);
    assert_waiting(&outbox, "");
    outbox_done(&outbox);
}

static void may_be_filled_by_those_it_tells(void **state)
{
    struct outbox outbox;
    struct outcome outcome = {.publish_again = &outbox};
    (void)state;
    outbox_init(&outbox, LIMIT);
    put(&outbox, "first", &outcome);
    send_all(&outbox);
    outbox_confirm(&outbox, 0, true, NULL);
    assert_int_equal(outcome.calls, 1);
    assert_waiting(&outbox, "again");
    outbox_fail_all(&outbox, "the end");
    outbox_done(&outbox);
}

static void knows_a_returned_message_by_its_id(void **state)
{
    struct outcome outcomes[3] = {0};
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, LIMIT);
    for (size_t i = 0; i < 3; i++)
        put(&outbox, "x", &outcomes[i]);
    send_all(&outbox);
    struct outgoing *second = window_find(&outbox.unconfirmed, 2)->item;
    amqp_bytes_t id = second->properties.message_id;
    outbox_returned(&outbox, amqp_cstring_bytes("unknown"), "not this");
    outbox_returned(&outbox, id, "NO_ROUTE");
    outbox_confirm(&outbox, 3, true, NULL);
    assert_string_equal(outcomes[0].error, "");
    assert_string_equal(outcomes[1].error, "NO_ROUTE");
    assert_string_equal(outcomes[2].error, "");
    assert_int_equal(outbox.confirmed, 2);
    outbox_done(&outbox);
}

static void forgets_a_return_when_it_sends_again(void **state)
{
    struct outcome outcome = {0};
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, LIMIT);
    put(&outbox, "x", &outcome);
    send_all(&outbox);
    struct outgoing *only = window_first(&outbox.unconfirmed)->item;
    outbox_returned(&outbox, only->properties.message_id, "NO_ROUTE");
    outbox_requeue(&outbox);
    send_all(&outbox);
    outbox_confirm(&outbox, 1, false, NULL);
    assert_string_equal(outcome.error, "");
    outbox_done(&outbox);
}

static void is_bounded_in_bytes_but_takes_one_message_of_any_size(void **state)
{
    char *large = malloc(LARGE);
    struct outcome outcome = {0};
    struct outbox outbox;
    unsigned taken = 0;
    (void)state;
    memset(large, 'l', LARGE - 1);
    large[LARGE - 1] = '\0';
    outbox_init(&outbox, LIMIT);
    assert_int_equal(put(&outbox, large, &outcome), 0);
    assert_int_equal(put(&outbox, "x", &outcome), BROKER_EFULL);
    assert_false(outbox_drained(&outbox));
    outbox_fail_all(&outbox, "gone");
    assert_true(outbox_drained(&outbox));
    assert_false(outbox_drained(&outbox)); /* once */
    while (put(&outbox, "x", &outcome) == 0)
        taken++;
    assert_in_range(taken, 100, LIMIT / sizeof(struct outgoing));
    assert_true(outbox.bytes <= LIMIT);
    outbox_fail_all(&outbox, "gone");
    outbox_done(&outbox);
    free(large);
}

static void stays_small_while_one_confirm_is_missing(void **state)
{
    struct outcome outcome = {0};
    struct outbox outbox;
    (void)state;
    outbox_init(&outbox, LIMIT);
    put(&outbox, "old", &outcome);
    send_all(&outbox);
    for (uint64_t tag = 2; tag < ROUNDS; tag++) {
        put(&outbox, "new", &outcome);
        send_all(&outbox);
        outbox_confirm(&outbox, tag, false, NULL);
    }
    assert_int_equal(outcome.calls, ROUNDS - 2);
    assert_true(outbox.unconfirmed.room <= 256);
    outbox_fail_all(&outbox, "gone");
    outbox_done(&outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirms_single_multiple_and_out_of_order),
        cmocka_unit_test(sends_again_in_order_what_was_not_confirmed),
        cmocka_unit_test(may_be_filled_by_those_it_tells),
        cmocka_unit_test(knows_a_returned_message_by_its_id),
        cmocka_unit_test(forgets_a_return_when_it_sends_again),
        cmocka_unit_test(is_bounded_in_bytes_but_takes_one_message_of_any_size),
        cmocka_unit_test(stays_small_while_one_confirm_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
