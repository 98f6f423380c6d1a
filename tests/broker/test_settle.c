/* SPDX-License-Identifier: BSD-3-Clause */
/* Coalesced settlements: the rules by example, then against a model of RabbitMQ's channel. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "broker/settle.h"

static void deliver(struct settle *settle, uint64_t first, uint64_t last)
{
    for (uint64_t tag = first; tag <= last; tag++)
        assert_true(settle_delivered(settle, tag));
}

static void expect(struct settle *settle, enum broker_verb verb, uint64_t tag, bool multiple)
{
    struct settle_op op = {BROKER_ACK, 0, false};
    assert_true(settle_next(settle, &op));
    assert_int_equal(op.tag, tag);
    assert_int_equal(op.verb, verb);
    assert_int_equal(op.multiple, multiple);
}

static void expect_nothing(struct settle *settle)
{
    struct settle_op op;
    assert_false(settle_next(settle, &op));
    assert_false(settle_pending(settle));
}

static void joins_the_acks_below_the_oldest_undecided_tag(void **state)
{
    static const uint64_t acked[] = {3, 1, 2, 6, 5};
    struct settle settle;
    (void)state;
    settle_init(&settle);
    deliver(&settle, 1, 7);
    for (size_t i = 0; i < ARRAY_LEN(acked); i++)
        settle_mark(&settle, acked[i], BROKER_ACK);
    expect(&settle, BROKER_ACK, 3, true);
    expect(&settle, BROKER_ACK, 6, false);
    expect(&settle, BROKER_ACK, 5, false);
    expect_nothing(&settle);
    settle_mark(&settle, 4, BROKER_ACK);
    settle_mark(&settle, 7, BROKER_ACK);
    expect(&settle, BROKER_ACK, 7, true);
    expect_nothing(&settle);
    assert_int_equal(settle.window.count, 0);
    settle_done(&settle);
}

static void joins_the_nacks_below_all_else(void **state)
{
    struct settle settle;
    (void)state;
    settle_init(&settle);
    deliver(&settle, 1, 9);
    for (uint64_t tag = 4; tag >= 1; tag--)
        settle_mark(&settle, tag, BROKER_NACK_REQUEUE);
    settle_mark(&settle, 5, BROKER_REJECT_REQUEUE);
    settle_mark(&settle, 7, BROKER_NACK_REQUEUE);
    settle_mark(&settle, 8, BROKER_ACK);
    expect(&settle, BROKER_NACK_REQUEUE, 4, true);
    expect(&settle, BROKER_REJECT_REQUEUE, 5, false);
    expect(&settle, BROKER_NACK_REQUEUE, 7, false);
    expect(&settle, BROKER_ACK, 8, false);
    expect_nothing(&settle);
    settle_mark(&settle, 6, BROKER_NACK_REQUEUE);
    expect(&settle, BROKER_NACK_REQUEUE, 6, false);
    expect_nothing(&settle);
    assert_int_equal(settle.window.count, 1);
    settle_done(&settle);
}

static void sends_a_single_ack_without_multiple(void **state)
{
    struct settle settle;
    (void)state;
    settle_init(&settle);
    deliver(&settle, 1, 2);
    settle_mark(&settle, 1, BROKER_ACK);
    expect(&settle, BROKER_ACK, 1, false);
    expect_nothing(&settle);
    settle_done(&settle);
}

static void sends_rejects_and_nacks_one_by_one_and_before_the_acks(void **state)
{
    struct settle settle;
    (void)state;
    settle_init(&settle);
    deliver(&settle, 1, 5);
    settle_mark(&settle, 1, BROKER_ACK);
    settle_mark(&settle, 2, BROKER_REJECT);
    settle_mark(&settle, 3, BROKER_ACK);
    settle_mark(&settle, 4, BROKER_NACK_REQUEUE);
    settle_mark(&settle, 5, BROKER_REJECT_REQUEUE);
    expect(&settle, BROKER_REJECT, 2, false);
    expect(&settle, BROKER_NACK_REQUEUE, 4, false);
    expect(&settle, BROKER_REJECT_REQUEUE, 5, false);
    expect(&settle, BROKER_ACK, 3, true);
    expect_nothing(&settle);
    settle_done(&settle);
}

static void starts_again_with_tag_one_on_a_new_channel(void **state)
{
    struct settle settle;
    (void)state;
    settle_init(&settle);
    deliver(&settle, 1, 3);
    settle_mark(&settle, 2, BROKER_ACK);
    settle_clear(&settle);
    expect_nothing(&settle);
    deliver(&settle, 1, 1);
    settle_mark(&settle, 1, BROKER_ACK);
    expect(&settle, BROKER_ACK, 1, false);
    settle_done(&settle);
}

static void stays_small_while_one_old_delivery_is_open(void **state)
{
    struct settle settle;
    struct settle_op op;
    (void)state;
    settle_init(&settle);
    deliver(&settle, 1, 1);
    for (uint64_t tag = 2; tag < 200000; tag++) {
        deliver(&settle, tag, tag);
        settle_mark(&settle, tag, BROKER_ACK);
        assert_true(settle_next(&settle, &op));
        assert_int_equal(op.tag, tag);
    }
    assert_true(settle.window.room <= 256);
    assert_true(settle.acks.room <= 256);
    settle_done(&settle);
}

/* What RabbitMQ remembers of a channel: 0 unknown, 1 unsettled, 2 settled. */
enum { TAGS = 3000, OPEN = 1, GONE = 2 };

struct model {
    unsigned seed;
    char server[TAGS + 1];
    char verb[TAGS + 1]; /* what we decided, +1; 0: undecided */
    uint64_t delivered;
};

/* The same numbers in each run. */
static unsigned any(struct model *model, unsigned below)
{
    model->seed = model->seed * 1103515245 + 12345;
    return (model->seed >> 16) % below;
}

static void apply(struct model *model, const struct settle_op *op)
{
    assert_int_equal(model->server[op->tag], OPEN);
    assert_true(!op->multiple || op->verb == BROKER_ACK || op->verb == BROKER_NACK_REQUEUE);
    for (uint64_t tag = op->multiple ? 1 : op->tag; tag <= op->tag; tag++) {
        if (model->server[tag] != OPEN)
            continue;
        assert_int_equal(model->verb[tag], op->verb + 1);
        model->server[tag] = GONE;
    }
}

static void decide_one(struct model *model, struct settle *settle)
{
    uint64_t tag = 1 + (uint64_t)any(model, (unsigned)model->delivered);
    if (any(model, 2)) /* mostly in order, as tasks end */
        for (tag = 1; tag < model->delivered && model->verb[tag]; tag++)
            continue;
    if (model->verb[tag])
        return;
    enum broker_verb verb = any(model, 8) ? BROKER_ACK : (enum broker_verb)any(model, 4);
    settle_mark(settle, tag, verb);
    model->verb[tag] = (char)(verb + 1);
}

static void send_some(struct model *model, struct settle *settle, int limit)
{
    struct settle_op op;
    while (limit-- > 0 && settle_next(settle, &op))
        apply(model, &op);
}

static void agrees_with_a_model_of_the_server(void **state)
{
    struct model *model = malloc(sizeof(*model));
    struct settle settle;
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        memset(model, 0, sizeof(*model));
        settle_init(&settle);
        model->seed = seed;
        while (model->delivered < TAGS) {
            model->server[++model->delivered] = OPEN;
            assert_true(settle_delivered(&settle, model->delivered));
            for (unsigned i = any(model, 4); i > 0; i--)
                decide_one(model, &settle);
            if (any(model, 5) == 0)
                send_some(model, &settle, 1 + (int)any(model, 10));
        }
        for (uint64_t tag = 1; tag <= TAGS; tag++)
            if (!model->verb[tag]) {
                settle_mark(&settle, tag, BROKER_ACK);
                model->verb[tag] = BROKER_ACK + 1;
            }
        send_some(model, &settle, TAGS);
        for (uint64_t tag = 1; tag <= TAGS; tag++)
            assert_int_equal(model->server[tag], GONE);
        assert_int_equal(settle.window.count, 0);
        settle_done(&settle);
    }
    free(model);
}

static void coalesces_in_order_acks_into_one_method_a_turn(void **state)
{
    struct settle settle;
    struct settle_op op;
    size_t ops = 0;
    (void)state;
    settle_init(&settle);
    for (uint64_t turn = 0; turn < 100; turn++) {
        deliver(&settle, turn * 50 + 1, turn * 50 + 50);
        for (uint64_t i = 50; i > 0; i--)
            settle_mark(&settle, turn * 50 + i, BROKER_ACK);
        while (settle_next(&settle, &op))
            ops++;
    }
    assert_int_equal(ops, 100);
    settle_done(&settle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_the_acks_below_the_oldest_undecided_tag),
        cmocka_unit_test(joins_the_nacks_below_all_else),
        cmocka_unit_test(sends_a_single_ack_without_multiple),
        cmocka_unit_test(sends_rejects_and_nacks_one_by_one_and_before_the_acks),
        cmocka_unit_test(starts_again_with_tag_one_on_a_new_channel),
        cmocka_unit_test(stays_small_while_one_old_delivery_is_open),
        cmocka_unit_test(agrees_with_a_model_of_the_server),
        cmocka_unit_test(coalesces_in_order_acks_into_one_method_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
