/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns celeriac_make_* and what fills containers: values that a task makes, in the zone of its run.
 */

#include <string.h>

#include "codec/utf8.h"
#include "worker/runtime/native/task_state.h"
#include "worker/runtime/native/value_cast.h"

/* A made value has room to grow; its object comes first, so that it reads like a received one. */
struct made {
    msgpack_object object;
    uint32_t room; /* elements or pairs */
};

static void *out_of_memory(struct celeriac_task *task)
{
    failure_raise_bare(&task->failure, "MemoryError");
    return NULL;
}

static struct celeriac_value *make(struct celeriac_task *task, msgpack_object object)
{
    struct made *made = msgpack_zone_malloc(task->zone, sizeof(*made));
    if (made == NULL)
        return out_of_memory(task);
    *made = (struct made){.object = object};
    return (struct celeriac_value *)made;
}

struct celeriac_value *celeriac_make_none(struct celeriac_task *task)
{
    return make(task, value_nil());
}

struct celeriac_value *celeriac_make_bool(struct celeriac_task *task, bool flag)
{
    return make(task, value_bool(flag));
}

struct celeriac_value *celeriac_make_int(struct celeriac_task *task, int64_t number)
{
    return make(task, value_int(number));
}

struct celeriac_value *celeriac_make_uint(struct celeriac_task *task, uint64_t number)
{
    return make(task, value_uint(number));
}

struct celeriac_value *celeriac_make_double(struct celeriac_task *task, double number)
{
    return make(task, value_double(number));
}

struct celeriac_value *celeriac_make_string(struct celeriac_task *task, const char *text)
{
    return celeriac_make_string_n(task, text, strlen(text));
}

/* A copy in the zone; NULL if there is no memory for it or no wire format has room for it. */
static const char *copy(struct celeriac_task *task, const void *data, size_t size)
{
    const char *bytes = NULL;
    if (size < UINT32_MAX)
        bytes = text_copy(task->zone, (struct text){data, size});
    return bytes == NULL ? out_of_memory(task) : bytes;
}

static const char *copy_utf8(struct celeriac_task *task, const char *text, size_t size)
{
    if (utf8_is_valid((struct text){text, size}))
        return copy(task, text, size);
    failure_raise(&task->failure, task->zone, "ValueError",
                  "%s() has made a str of bytes that are not UTF-8", task->task->function);
    return NULL;
}

struct celeriac_value *celeriac_make_string_n(struct celeriac_task *task, const char *text,
                                              size_t size)
{
    const char *bytes = copy_utf8(task, text, size);
    return bytes == NULL ? NULL : make(task, value_text((struct text){bytes, size}));
}

struct celeriac_value *celeriac_make_bytes(struct celeriac_task *task, const void *data,
                                           size_t size)
{
    const char *bytes = copy(task, data, size);
    if (bytes == NULL)
        return NULL;
    return make(task, (msgpack_object){.type = MSGPACK_OBJECT_BIN,
                                       .via.bin = {.size = (uint32_t)size, .ptr = bytes}});
}

struct celeriac_value *celeriac_make_list(struct celeriac_task *task)
{
    return make(task, (msgpack_object){.type = MSGPACK_OBJECT_ARRAY});
}

struct celeriac_value *celeriac_make_dict(struct celeriac_task *task)
{
    return make(task, (msgpack_object){.type = MSGPACK_OBJECT_MAP});
}

/* Memory for one more of `used` elements of `size` bytes, or NULL; the old ones are copied. Old
 * memory stays in the zone: at most as much again as the last one. */
static void *grow(struct celeriac_task *task, struct made *made, void *old, uint32_t used,
                  size_t size)
{
    if (used < made->room)
        return old;
    if (used > UINT32_MAX / 4)
        return out_of_memory(task);
    uint32_t room = used < 4 ? 8 : used * 2;
    void *grown = msgpack_zone_malloc(task->zone, room * size);
    if (grown == NULL)
        return out_of_memory(task);
    if (used > 0)
        memcpy(grown, old, used * size);
    made->room = room;
    return grown;
}

static msgpack_object content(const struct celeriac_value *value)
{
    return value == NULL ? value_nil() : *value_cast_in(value);
}

/* The container, or NULL if its making has failed before or it is none. */
static struct made *container(struct celeriac_task *task, struct celeriac_value *value,
                              msgpack_object_type type)
{
    struct made *made = (struct made *)value;
    if (made == NULL)
        return NULL;
    if (made->object.type == type)
        return made;
    failure_raise(&task->failure, task->zone, "TypeError", "a %s was filled as if it were a %s",
                  value_type_name(&made->object), type == MSGPACK_OBJECT_ARRAY ? "list" : "dict");
    return NULL;
}

void celeriac_list_append(struct celeriac_task *task, struct celeriac_value *list,
                          const struct celeriac_value *value)
{
    struct made *made = container(task, list, MSGPACK_OBJECT_ARRAY);
    if (made == NULL)
        return;
    msgpack_object_array *array = &made->object.via.array;
    msgpack_object *elements = grow(task, made, array->ptr, array->size, sizeof(*elements));
    if (elements == NULL)
        return;
    msgpack_object element = content(value);
    array->ptr = elements;
    array->ptr[array->size++] = element;
}

void celeriac_dict_set(struct celeriac_task *task, struct celeriac_value *dict, const char *key,
                       const struct celeriac_value *value)
{
    struct made *made = container(task, dict, MSGPACK_OBJECT_MAP);
    const char *name = made == NULL ? NULL : copy_utf8(task, key, strlen(key));
    if (name == NULL)
        return;
    msgpack_object_map *map = &made->object.via.map;
    msgpack_object_kv *pairs = grow(task, made, map->ptr, map->size, sizeof(*pairs));
    if (pairs == NULL)
        return;
    msgpack_object element = content(value);
    map->ptr = pairs;
    map->ptr[map->size++] = (msgpack_object_kv){.key = value_string(name), .val = element};
}
