/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the header table of a delivery: read, written again, and read back as the same
 * value. */

#include <stdlib.h>

#include "broker/table.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void write_and_compare(msgpack_object map, msgpack_zone *zone)
{
    amqp_table_t table;
    msgpack_object again;
    size_t written = 0;
    if (table_write(&map, zone, &table, &written))
        return;
    if (table_read(&table, zone, &again))
        abort();
    if (again.type != MSGPACK_OBJECT_MAP || again.via.map.size != map.via.map.size)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    amqp_bytes_t bytes = {size, (void *)data};
    amqp_pool_t pool;
    amqp_table_t table;
    msgpack_object map;
    msgpack_zone zone;
    size_t offset = 0;
    if (!msgpack_zone_init(&zone, 1024))
        return 0;
    init_amqp_pool(&pool, 4096);
    if (amqp_decode_table(bytes, &pool, &table, &offset) == 0 &&
        table_read(&table, &zone, &map) == 0)
        write_and_compare(map, &zone);
    empty_amqp_pool(&pool);
    msgpack_zone_destroy(&zone);
    return 0;
}
