/* SPDX-License-Identifier: BSD-3-Clause */
/* Deliveries out of frames, without a server: pieces, bounds, and frames that no honest server
 * sends. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "broker/delivery.h"

enum { BODY_MAX = 10 };

static struct delivery_store *start(struct assembly *assembly)
{
    struct delivery_store *store = delivery_store_new();
    assert_non_null(store);
    assembly_init(assembly, store, BODY_MAX);
    return store;
}

static enum assembly_progress begin(struct assembly *assembly)
{
    amqp_basic_deliver_t method = {.delivery_tag = 7,
                                   .redelivered = 1,
                                   .exchange = amqp_cstring_bytes("ex"),
                                   .routing_key = amqp_cstring_bytes("key")};
    return assembly_begin(assembly, &method);
}

static enum assembly_progress header(struct assembly *assembly, uint64_t size)
{
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_REPLY_TO_FLAG,
                                          .reply_to = amqp_cstring_bytes("r")};
    amqp_frame_t frame = {.frame_type = AMQP_FRAME_HEADER};
    frame.payload.properties.class_id = AMQP_BASIC_CLASS;
    frame.payload.properties.body_size = size;
    frame.payload.properties.decoded = &properties;
    return assembly_frame(assembly, &frame);
}

static enum assembly_progress body(struct assembly *assembly, const char *piece)
{
    amqp_frame_t frame = {.frame_type = AMQP_FRAME_BODY};
    frame.payload.body_fragment = amqp_cstring_bytes(piece);
    return assembly_frame(assembly, &frame);
}

static void joins_the_pieces_of_a_body(void **state)
{
    struct assembly assembly;
    struct delivery_store *store = start(&assembly);
    (void)state;
    assert_int_equal(begin(&assembly), ASSEMBLY_MORE);
    assert_int_equal(header(&assembly, 10), ASSEMBLY_MORE);
    assert_int_equal(body(&assembly, "0123"), ASSEMBLY_MORE);
    assert_int_equal(body(&assembly, ""), ASSEMBLY_MORE);
    assert_int_equal(body(&assembly, "456789"), ASSEMBLY_WHOLE);
    struct broker_delivery *delivery = assembly_take(&assembly);
    delivery_store_free(store); /* the delivery outlives it */
    assert_int_equal(delivery->tag, 7);
    assert_true(delivery->redelivered);
    assert_string_equal(delivery->exchange.data, "ex");
    assert_string_equal(delivery->routing_key.data, "key");
    assert_string_equal(delivery->reply_to.data, "r");
    assert_null(delivery->correlation_id.data);
    assert_int_equal(delivery->body.size, 10);
    assert_memory_equal(delivery->body.data, "0123456789", 10);
    assert_int_equal(delivery_oversize(delivery), 0);
    broker_delivery_free(delivery);
}

static void skips_a_body_that_is_too_large(void **state)
{
    struct assembly assembly;
    struct delivery_store *store = start(&assembly);
    (void)state;
    assert_int_equal(begin(&assembly), ASSEMBLY_MORE);
    assert_int_equal(header(&assembly, BODY_MAX + 1), ASSEMBLY_MORE);
    assert_int_equal(body(&assembly, "0123456789"), ASSEMBLY_MORE);
    assert_int_equal(body(&assembly, "x"), ASSEMBLY_WHOLE);
    struct broker_delivery *delivery = assembly_take(&assembly);
    assert_int_equal(delivery_oversize(delivery), BODY_MAX + 1);
    assert_int_equal(delivery->body.size, 0);
    assert_string_equal(delivery->reply_to.data, "r");
    broker_delivery_free(delivery);
    delivery_store_free(store);
}

static void refuses_frames_out_of_order(void **state)
{
    struct assembly assembly;
    struct delivery_store *store = start(&assembly);
    (void)state;
    assert_int_equal(header(&assembly, 1), ASSEMBLY_BROKEN);
    assert_int_equal(body(&assembly, "x"), ASSEMBLY_BROKEN);
    assert_int_equal(begin(&assembly), ASSEMBLY_MORE);
    assert_int_equal(body(&assembly, "x"), ASSEMBLY_BROKEN);
    assert_int_equal(begin(&assembly), ASSEMBLY_BROKEN);
    assert_int_equal(header(&assembly, 3), ASSEMBLY_MORE);
    assert_int_equal(header(&assembly, 3), ASSEMBLY_BROKEN);
    assert_int_equal(body(&assembly, "more than three"), ASSEMBLY_BROKEN);
    assembly_reset(&assembly);
    assert_int_equal(begin(&assembly), ASSEMBLY_MORE);
    assembly_reset(&assembly);
    delivery_store_free(store);
}

static void uses_freed_deliveries_again(void **state)
{
    struct assembly assembly;
    struct delivery_store *store = start(&assembly);
    struct broker_delivery *first = NULL;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(begin(&assembly), ASSEMBLY_MORE);
        assert_int_equal(header(&assembly, 0), ASSEMBLY_WHOLE);
        struct broker_delivery *delivery = assembly_take(&assembly);
        if (!first)
            first = delivery;
        assert_ptr_equal(delivery, first);
        assert_non_null(msgpack_zone_malloc(delivery->zone, 5000)); /* the owner's use */
        broker_delivery_free(delivery);
    }
    broker_delivery_free(NULL);
    delivery_store_free(store);
    delivery_store_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_the_pieces_of_a_body),
        cmocka_unit_test(skips_a_body_that_is_too_large),
        cmocka_unit_test(refuses_frames_out_of_order),
        cmocka_unit_test(uses_freed_deliveries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
