/* SPDX-License-Identifier: BSD-3-Clause */
/* AMQP field tables <-> msgpack maps, one small function a field type. Must not know what any
 * header means. */

#include "broker/table.h"

#include <string.h>

struct reader {
    msgpack_zone *zone;
    unsigned depth; /* levels left */
};

struct writer {
    msgpack_zone *zone;
    unsigned depth; /* levels left */
    size_t size;    /* bytes left */
};

typedef int read_field(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret);
typedef int write_field(struct writer *writer, const msgpack_object *value,
                        amqp_field_value_t *ret);

static int read_value(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret);
static int write_value(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret);

static msgpack_object number(int64_t value)
{
    msgpack_object object = {.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = value};
    if (value >= 0) {
        object.type = MSGPACK_OBJECT_POSITIVE_INTEGER;
        object.via.u64 = (uint64_t)value;
    }
    return object;
}

static int read_bool(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    (void)reader;
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = field->value.boolean};
    return 0;
}

static int read_integer(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    (void)reader;
    switch (field->kind) {
    case AMQP_FIELD_KIND_I8:
        *ret = number(field->value.i8);
        break;
    case AMQP_FIELD_KIND_U8:
        *ret = number(field->value.u8);
        break;
    case AMQP_FIELD_KIND_I16:
        *ret = number(field->value.i16);
        break;
    case AMQP_FIELD_KIND_U16:
        *ret = number(field->value.u16);
        break;
    case AMQP_FIELD_KIND_I32:
        *ret = number(field->value.i32);
        break;
    case AMQP_FIELD_KIND_U32:
        *ret = number(field->value.u32);
        break;
    default: /* 'L' is signed in everything that py-amqp writes, whatever librabbitmq calls it */
        *ret = number(field->value.i64);
    }
    return 0;
}

static int read_timestamp(struct reader *reader, const amqp_field_value_t *field,
                          msgpack_object *ret)
{
    (void)reader;
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = field->value.u64};
    return 0;
}

static int read_float(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    (void)reader;
    double value = field->kind == AMQP_FIELD_KIND_F32 ? (double)field->value.f32 : field->value.f64;
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value};
    return 0;
}

static int read_decimal(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    (void)reader;
    double value = (int32_t)field->value.decimal.value;
    for (unsigned i = 0; i < field->value.decimal.decimals; i++)
        value /= 10;
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value};
    return 0;
}

static int read_void(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    (void)reader;
    (void)field;
    *ret = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
    return 0;
}

static int read_bytes(struct reader *reader, amqp_bytes_t bytes, const char **ret)
{
    if (bytes.len > UINT32_MAX)
        return BROKER_EINVALID;
    char *copy = msgpack_zone_malloc_no_align(reader->zone, bytes.len + 1);
    if (!copy)
        return BROKER_ENOMEM;
    if (bytes.len > 0)
        memcpy(copy, bytes.bytes, bytes.len);
    copy[bytes.len] = '\0';
    *ret = copy;
    return 0;
}

static int read_text(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    bool is_text = field->kind == AMQP_FIELD_KIND_UTF8;
    msgpack_object value = {.type = is_text ? MSGPACK_OBJECT_STR : MSGPACK_OBJECT_BIN};
    int error = read_bytes(reader, field->value.bytes, &value.via.str.ptr);
    if (error)
        return error;
    value.via.str.size = (uint32_t)field->value.bytes.len;
    *ret = value;
    return 0;
}

static int read_entry(struct reader *reader, const amqp_table_entry_t *entry,
                      msgpack_object_kv *ret)
{
    amqp_field_value_t key = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = entry->key};
    int error = read_text(reader, &key, &ret->key);
    return error ? error : read_value(reader, &entry->value, &ret->val);
}

static int read_map(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    const amqp_table_t *table = &field->value.table;
    msgpack_object map = {.type = MSGPACK_OBJECT_MAP};
    int error = 0;
    if (reader->depth == 0)
        return BROKER_EINVALID;
    if (table->num_entries > 0) {
        size_t size = (size_t)table->num_entries * sizeof(msgpack_object_kv);
        map.via.map.ptr = msgpack_zone_malloc(reader->zone, size);
        if (!map.via.map.ptr)
            return BROKER_ENOMEM;
        map.via.map.size = (uint32_t)table->num_entries;
    }
    reader->depth--;
    for (int i = 0; i < table->num_entries && !error; i++)
        error = read_entry(reader, &table->entries[i], &map.via.map.ptr[i]);
    reader->depth++;
    if (!error)
        *ret = map;
    return error;
}

static int read_array(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    const amqp_array_t *items = &field->value.array;
    msgpack_object array = {.type = MSGPACK_OBJECT_ARRAY};
    int error = 0;
    if (reader->depth == 0)
        return BROKER_EINVALID;
    if (items->num_entries > 0) {
        size_t size = (size_t)items->num_entries * sizeof(msgpack_object);
        array.via.array.ptr = msgpack_zone_malloc(reader->zone, size);
        if (!array.via.array.ptr)
            return BROKER_ENOMEM;
        array.via.array.size = (uint32_t)items->num_entries;
    }
    reader->depth--;
    for (int i = 0; i < items->num_entries && !error; i++)
        error = read_value(reader, &items->entries[i], &array.via.array.ptr[i]);
    reader->depth++;
    if (!error)
        *ret = array;
    return error;
}

static read_field *const readers[] = {
    [AMQP_FIELD_KIND_BOOLEAN] = read_bool, [AMQP_FIELD_KIND_I8] = read_integer,
    [AMQP_FIELD_KIND_U8] = read_integer,   [AMQP_FIELD_KIND_I16] = read_integer,
    [AMQP_FIELD_KIND_U16] = read_integer,  [AMQP_FIELD_KIND_I32] = read_integer,
    [AMQP_FIELD_KIND_U32] = read_integer,  [AMQP_FIELD_KIND_I64] = read_integer,
    [AMQP_FIELD_KIND_U64] = read_integer,  [AMQP_FIELD_KIND_F32] = read_float,
    [AMQP_FIELD_KIND_F64] = read_float,    [AMQP_FIELD_KIND_DECIMAL] = read_decimal,
    [AMQP_FIELD_KIND_UTF8] = read_text,    [AMQP_FIELD_KIND_BYTES] = read_text,
    [AMQP_FIELD_KIND_ARRAY] = read_array,  [AMQP_FIELD_KIND_TABLE] = read_map,
    [AMQP_FIELD_KIND_VOID] = read_void,    [AMQP_FIELD_KIND_TIMESTAMP] = read_timestamp,
};

static int read_value(struct reader *reader, const amqp_field_value_t *field, msgpack_object *ret)
{
    if (field->kind >= ARRAY_LEN(readers) || !readers[field->kind])
        return BROKER_EINVALID;
    return readers[field->kind](reader, field, ret);
}

int table_read(const amqp_table_t *table, msgpack_zone *zone, msgpack_object *ret)
{
    struct reader reader = {zone, TABLE_DEPTH};
    amqp_field_value_t field = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = *table};
    return read_map(&reader, &field, ret);
}

/* Counts the bytes that a field takes on the wire. */
static int charge(struct writer *writer, size_t size)
{
    if (size > writer->size)
        return BROKER_EINVALID;
    writer->size -= size;
    return 0;
}

static int write_nil(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    (void)value;
    ret->kind = AMQP_FIELD_KIND_VOID;
    return charge(writer, 1);
}

static int write_bool(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    ret->kind = AMQP_FIELD_KIND_BOOLEAN;
    ret->value.boolean = value->via.boolean;
    return charge(writer, 2);
}

static int write_integer(struct writer *writer, const msgpack_object *value,
                         amqp_field_value_t *ret)
{
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 > INT64_MAX)
        return BROKER_EINVALID;
    int64_t integer = value->via.i64;
    if (integer >= INT32_MIN && integer <= INT32_MAX) {
        ret->kind = AMQP_FIELD_KIND_I32;
        ret->value.i32 = (int32_t)integer;
        return charge(writer, 5);
    }
    /* 'L', which py-amqp reads as signed; it takes 'l' for unsigned. */
    ret->kind = AMQP_FIELD_KIND_U64;
    ret->value.i64 = integer;
    return charge(writer, 9);
}

static int write_float(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    ret->kind = AMQP_FIELD_KIND_F64;
    ret->value.f64 = value->via.f64;
    return charge(writer, 9);
}

static int write_bytes(struct writer *writer, const msgpack_object *value, amqp_bytes_t *ret)
{
    size_t size = value->via.str.size;
    int error = charge(writer, size);
    if (error)
        return error;
    char *copy = msgpack_zone_malloc_no_align(writer->zone, size + 1);
    if (!copy)
        return BROKER_ENOMEM;
    if (size > 0)
        memcpy(copy, value->via.str.ptr, size);
    *ret = (amqp_bytes_t){size, copy};
    return 0;
}

static int write_text(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    ret->kind = AMQP_FIELD_KIND_UTF8; /* bytes too: py-amqp knows no other string */
    int error = charge(writer, 5);
    return error ? error : write_bytes(writer, value, &ret->value.bytes);
}

static int write_array(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    uint32_t count = value->via.array.size;
    amqp_array_t array = {0, NULL};
    int error = charge(writer, 5 + (size_t)count);
    if (error || writer->depth == 0)
        return BROKER_EINVALID;
    if (count > 0) {
        array.entries = msgpack_zone_malloc(writer->zone, count * sizeof(amqp_field_value_t));
        if (!array.entries)
            return BROKER_ENOMEM;
    }
    writer->depth--;
    for (uint32_t i = 0; i < count && !error; i++)
        error = write_value(writer, &value->via.array.ptr[i], &array.entries[i]);
    writer->depth++;
    array.num_entries = (int)count;
    ret->kind = AMQP_FIELD_KIND_ARRAY;
    ret->value.array = array;
    return error;
}

static int write_entry(struct writer *writer, const msgpack_object_kv *pair,
                       amqp_table_entry_t *ret)
{
    const msgpack_object *key = &pair->key;
    if (key->type != MSGPACK_OBJECT_STR || key->via.str.size > TABLE_TEXT_MAX)
        return BROKER_EINVALID;
    int error = charge(writer, 1);
    if (!error)
        error = write_bytes(writer, key, &ret->key);
    return error ? error : write_value(writer, &pair->val, &ret->value);
}

static int write_map(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    uint32_t count = value->via.map.size;
    amqp_table_t table = {0, NULL};
    int error = charge(writer, 5 + 2 * (size_t)count);
    if (error || writer->depth == 0)
        return BROKER_EINVALID;
    if (count > 0) {
        table.entries = msgpack_zone_malloc(writer->zone, count * sizeof(amqp_table_entry_t));
        if (!table.entries)
            return BROKER_ENOMEM;
    }
    writer->depth--;
    for (uint32_t i = 0; i < count && !error; i++)
        error = write_entry(writer, &value->via.map.ptr[i], &table.entries[i]);
    writer->depth++;
    table.num_entries = (int)count;
    ret->kind = AMQP_FIELD_KIND_TABLE;
    ret->value.table = table;
    return error;
}

static write_field *const writers[] = {
    [MSGPACK_OBJECT_NIL] = write_nil,
    [MSGPACK_OBJECT_BOOLEAN] = write_bool,
    [MSGPACK_OBJECT_POSITIVE_INTEGER] = write_integer,
    [MSGPACK_OBJECT_NEGATIVE_INTEGER] = write_integer,
    [MSGPACK_OBJECT_FLOAT32] = write_float,
    [MSGPACK_OBJECT_FLOAT64] = write_float,
    [MSGPACK_OBJECT_STR] = write_text,
    [MSGPACK_OBJECT_BIN] = write_text,
    [MSGPACK_OBJECT_ARRAY] = write_array,
    [MSGPACK_OBJECT_MAP] = write_map,
};

static int write_value(struct writer *writer, const msgpack_object *value, amqp_field_value_t *ret)
{
    size_t type = (size_t)value->type;
    if (type >= ARRAY_LEN(writers) || !writers[type])
        return BROKER_EINVALID;
    return writers[type](writer, value, ret);
}

int table_write(const msgpack_object *map, msgpack_zone *zone, amqp_table_t *ret, size_t *ret_size)
{
    struct writer writer = {zone, TABLE_DEPTH, TABLE_SIZE};
    amqp_field_value_t field = {.value.table = {0, NULL}};
    int error = 0;
    if (map->type == MSGPACK_OBJECT_MAP)
        error = write_map(&writer, map, &field);
    else if (map->type != MSGPACK_OBJECT_NIL)
        error = BROKER_EINVALID;
    if (error)
        return error;
    *ret = field.value.table;
    *ret_size += TABLE_SIZE - writer.size;
    return 0;
}
