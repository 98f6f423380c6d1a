/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the lines of [queue NAME] sections. Knows no default. */

#include "worker/cli/queue_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cli/setting_words.h"

enum { QUEUE_LINES_MAX = 4096 };

static void free_line(const struct queue_line *line)
{
    free(line->queue);
    free(line->key);
    free(line->value);
}

bool queue_lines_add(struct queue_lines *lines, const char *queue, const char *key,
                     const char *value)
{
    struct queue_line line = {strdup(queue), strdup(key), strdup(value)};
    struct queue_line *items = reallocarray(lines->items, lines->count + 1, sizeof(*items));
    if (items != NULL)
        lines->items = items;
    if (items == NULL || line.queue == NULL || line.key == NULL || line.value == NULL) {
        free_line(&line);
        return false;
    }
    items[lines->count++] = line;
    return true;
}

void queue_lines_done(struct queue_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free_line(&lines->items[i]);
    free(lines->items);
    *lines = (struct queue_lines){0};
}

/* ---- the dictionary ---- */

struct reading {
    const struct queue_lines *lines;
    msgpack_zone *zone;
    char *error;
};

static bool read_value(const struct reading *reading, enum queue_field_kind kind, const char *text,
                       msgpack_object *ret)
{
    bool flag;
    switch (kind) {
    case QUEUE_FIELD_TEXT:
        *ret = setting_is_none(text) ? value_nil() : value_string(text);
        return true;
    case QUEUE_FIELD_FLAG:
        if (!setting_bool(text, &flag))
            return false;
        *ret = value_bool(flag);
        return true;
    default:
        return queue_field_json(text, reading->zone, ret);
    }
}

/* A line says one binding or several; lines add up. */
static bool add_bindings(const struct reading *reading, msgpack_object more, msgpack_object *said)
{
    const msgpack_object *value = value_get(said, "bindings");
    msgpack_object former = value != NULL ? *value : (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
    msgpack_object single = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, &more}};
    const msgpack_object *list = more.type == MSGPACK_OBJECT_ARRAY ? &more : &single;
    uint32_t count = former.via.array.size;
    msgpack_object all;
    if (!value_array(reading->zone, count + list->via.array.size, &all))
        return false;
    for (uint32_t i = 0; i < all.via.array.size; i++)
        all.via.array.ptr[i] = i < count ? former.via.array.ptr[i] : list->via.array.ptr[i - count];
    queue_field_put(said, value_string("bindings"), all);
    return true;
}

/* An argument's value is text unless it reads as JSON. */
static int put_line(const struct reading *reading, const struct queue_line *line,
                    msgpack_object *said)
{
    struct text key = {line->key, strlen(line->key)};
    const struct queue_field *field = queue_field_find(key);
    msgpack_object value;
    if (field == NULL && queue_field_is_argument(key)) {
        if (!queue_field_json(line->value, reading->zone, &value))
            value = value_string(line->value);
    } else if (field == NULL || !read_value(reading, field->kind, line->value, &value)) {
        return queue_field_refuse(field, key, line->queue, reading->error);
    }
    if (field == NULL || field->kind != QUEUE_FIELD_LIST)
        queue_field_put(said, value_string(line->key), value);
    else if (!add_bindings(reading, value, said))
        return queue_field_refuse(field, key, line->queue, reading->error);
    return 0;
}

static bool is_first_of_queue(const struct queue_lines *lines, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(lines->items[i].queue, lines->items[index].queue) == 0)
            return false;
    return true;
}

static int read_section(const struct reading *reading, const char *queue, msgpack_object *ret)
{
    const struct queue_lines *lines = reading->lines;
    if (!value_map(reading->zone, (uint32_t)lines->count, ret)) {
        snprintf(reading->error, QUEUES_ERROR_SIZE, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->items[i].queue, queue) == 0 &&
            put_line(reading, &lines->items[i], ret) != 0)
            return -1;
    return 0;
}

int queue_lines_read(const struct queue_lines *lines, msgpack_zone *zone, msgpack_object *ret,
                     char error[QUEUES_ERROR_SIZE])
{
    struct reading reading = {lines, zone, error};
    msgpack_object map, said;
    if (lines->count > QUEUE_LINES_MAX || !value_map(zone, (uint32_t)lines->count, &map)) {
        snprintf(error, QUEUES_ERROR_SIZE, "there are too many lines in [queue NAME] sections");
        return -1;
    }
    for (size_t i = 0; i < lines->count; i++) {
        if (!is_first_of_queue(lines, i))
            continue;
        if (read_section(&reading, lines->items[i].queue, &said) != 0)
            return -1;
        value_map_put(&map, lines->items[i].queue, said);
    }
    *ret = map;
    return 0;
}
