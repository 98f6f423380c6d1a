/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_TABLE_H
#define CELERIAC_BROKER_TABLE_H

/* AMQP field tables <-> msgpack maps (celery-wire.md 1.7). Reads every octet that librabbitmq
 * decodes, writes only those that py-amqp, RabbitMQ and librabbitmq agree on. */

#include <amqp.h>

#include "broker/broker.h"

enum {
    TABLE_DEPTH = 32, /* nesting of tables and arrays */
    TABLE_SIZE =
        124 * 1024, /* bytes on the wire of a table that is written: it must fit into one frame */
    TABLE_TEXT_MAX = UINT8_MAX /* bytes of a key */
};

/* Everything is copied into the zone. BROKER_ENOMEM; BROKER_EINVALID: nested deeper than
 * TABLE_DEPTH. */
MUST_CHECK int table_read(const amqp_table_t *table, msgpack_zone *zone, msgpack_object *ret);
/* Everything is copied into the zone. `map` is a map or nil. BROKER_ENOMEM; BROKER_EINVALID: nested
 * deeper than TABLE_DEPTH, larger than TABLE_SIZE, or a value without an AMQP counterpart.
 * *ret_size is *increased* by the bytes on the wire, at most. */
MUST_CHECK int table_write(const msgpack_object *map, msgpack_zone *zone, amqp_table_t *ret,
                           size_t *ret_size);

#endif
