/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the call of one signature: its message, its ids, its place among the task's children. Knows
 * no frame. */

#include "worker/runtime/native/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codec/frame.h"
#include "codec/packed.h"
#include "codec/task_publish.h"
#include "codec/uuid.h"
#include "worker/runtime/native/bind.h"
#include "worker/runtime/native/canvas_internal.h"

enum { ORIGIN_SIZE = 300 };

bool canvas_out_of_memory(struct canvas *canvas)
{
    failure_raise_bare(&canvas->failure, "MemoryError");
    return false;
}

bool canvas_refuse(struct canvas *canvas, const char *type, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    failure_raise_va(&canvas->failure, canvas->zone, type, format, arguments);
    va_end(arguments);
    return false;
}

bool canvas_read(struct canvas *canvas, const msgpack_object *value, struct subtask *ret)
{
    struct codec_reason reason;
    if (subtask_read(value, ret, &reason) == 0)
        return true;
    return canvas_refuse(canvas, "TypeError", "%s", reason.text);
}

bool canvas_value(struct canvas *canvas, const struct subtask *subtask, msgpack_object *ret)
{
    return subtask_value(subtask, canvas->zone, ret) || canvas_out_of_memory(canvas);
}

bool canvas_push(struct canvas *canvas, struct canvas_list *list, const struct subtask *subtask)
{
    if (list->count == list->room) {
        uint32_t room = list->room < 8 ? 8 : list->room * 2;
        struct subtask *items = msgpack_zone_malloc(canvas->zone, room * sizeof(*items));
        if (items == NULL || room > UINT32_MAX / 4)
            return canvas_out_of_memory(canvas);
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = *subtask;
    return true;
}

bool canvas_values(struct canvas *canvas, const struct canvas_list *list, uint32_t count,
                   msgpack_object *ret)
{
    if (!value_array(canvas->zone, count, ret))
        return canvas_out_of_memory(canvas);
    for (uint32_t i = 0; i < count; i++) {
        if (!canvas_value(canvas, &list->items[i], &ret->via.array.ptr[i]))
            return false;
    }
    return true;
}

bool canvas_set(struct canvas *canvas, msgpack_object *map, const char *name, msgpack_object value)
{
    return subtask_map_with(map, canvas->zone, name, value, map) || canvas_out_of_memory(canvas);
}

bool canvas_drop(struct canvas *canvas, msgpack_object *map, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (!subtask_map_without(map, canvas->zone, names[i], map))
            return canvas_out_of_memory(canvas);
    }
    return true;
}

bool canvas_new_id(struct canvas *canvas, msgpack_object *ret)
{
    char *id = msgpack_zone_malloc_no_align(canvas->zone, UUID_SIZE);
    if (id == NULL)
        return canvas_out_of_memory(canvas);
    uuid_make(id);
    *ret = value_string(id);
    return true;
}

bool canvas_result(struct canvas *canvas, msgpack_object id, const msgpack_object *members,
                   msgpack_object *ret)
{
    msgpack_object name, result;
    if (!value_array(canvas->zone, 2, &name) || !value_array(canvas->zone, 2, &result))
        return canvas_out_of_memory(canvas);
    name.via.array.ptr[0] = id;
    result.via.array.ptr[0] = name;
    result.via.array.ptr[1] = members != NULL ? *members : value_nil();
    *ret = result;
    return true;
}

void canvas_set_parent(msgpack_object *result, msgpack_object parent)
{
    msgpack_object *place = &result->via.array.ptr[0].via.array.ptr[1];
    while (!value_is_nil(place))
        place = &place->via.array.ptr[0].via.array.ptr[1];
    *place = parent;
}

bool canvas_add_child(struct canvas *canvas, msgpack_object result)
{
    msgpack_object_array *array = &canvas->children.via.array;
    canvas->children.type = MSGPACK_OBJECT_ARRAY;
    if (array->size == canvas->children_room) {
        uint32_t room = array->size < 8 ? 8 : array->size * 2;
        msgpack_object *items = msgpack_zone_malloc(canvas->zone, room * sizeof(*items));
        if (items == NULL || room > UINT32_MAX / 4)
            return canvas_out_of_memory(canvas);
        if (array->size > 0)
            memcpy(items, array->ptr, array->size * sizeof(*items));
        array->ptr = items;
        canvas->children_room = room;
    }
    array->ptr[array->size++] = result;
    return true;
}

/* ---- one message ---- */

static int64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* As Celery names a publisher. */
static struct text origin(char text[ORIGIN_SIZE])
{
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    int size = snprintf(text, ORIGIN_SIZE, "gen%ld@%s", (long)getpid(), host);
    return (struct text){text, (size_t)size};
}

static bool default_option(struct canvas *canvas, msgpack_object *options, const char *name,
                           msgpack_object value)
{
    if (value_is_nil(&value) || !value_is_nil(value_get(options, name)))
        return true;
    return canvas_set(canvas, options, name, value);
}

static msgpack_object seconds_of(double seconds)
{
    return seconds > 0 ? value_double(seconds) : value_nil();
}

static bool send_message(struct canvas *canvas, const struct task_publish *publish)
{
    struct codec_reason reason;
    struct buffer body, packed;
    msgpack_object message;
    buffer_init(&body, FRAME_MAX);
    buffer_init(&packed, FRAME_MAX);
    int rc = task_publish_write(publish, canvas->zone, &message, &body, &reason);
    if (rc == 0) {
        rc = packed_encode(&message, &packed);
        if (rc != 0)
            codec_fail(&reason, (enum codec_error)rc, "the options of %.*s cannot be sent: %s",
                       text_quoted_size(publish->task), publish->task.data, codec_strerror(rc));
    }
    bool sent = rc == 0 && canvas->follow->publish(canvas->follow->context, buffer_bytes(&packed),
                                                   buffer_bytes(&body));
    buffer_done(&body);
    buffer_done(&packed);
    if (rc != 0)
        return canvas_refuse(canvas, "kombu.exceptions.EncodeError", "%s", reason.text);
    return sent || canvas_out_of_memory(canvas);
}

bool canvas_publish(struct canvas *canvas, struct text task, const msgpack_object *args,
                    const msgpack_object *kwargs, const msgpack_object *options,
                    struct text *ret_id)
{
    char origin_text[ORIGIN_SIZE];
    msgpack_object filled =
        options != NULL ? *options : (msgpack_object){.type = MSGPACK_OBJECT_MAP};
    msgpack_object id = value_nil();
    struct task_publish publish = {.task = task,
                                   .args = args,
                                   .kwargs = kwargs,
                                   .options = &filled,
                                   .serializer = canvas->serializer,
                                   .now = now_usec()};
    if (!value_as_text(value_get(&filled, "task_id"), &publish.id)) {
        if (!canvas_new_id(canvas, &id))
            return false;
        value_as_text(&id, &publish.id);
    }
    if (!default_option(canvas, &filled, "root_id", value_text(canvas->root_id)) ||
        !default_option(canvas, &filled, "parent_id", value_text(canvas->id)) ||
        !default_option(canvas, &filled, "priority", canvas->priority))
        return false;
    publish.origin = origin(origin_text);
    if (!send_message(canvas, &publish))
        return false;
    *ret_id = publish.id;
    return true;
}

/* ---- one signature ---- */

bool canvas_arguments(struct canvas *canvas, const struct subtask *subtask,
                      const struct canvas_call *call, msgpack_object *ret)
{
    if (subtask->immutable || call->args->via.array.size == 0) {
        *ret = subtask->args;
        return true;
    }
    return subtask_join(call->args, &subtask->args, canvas->zone, ret) ||
           canvas_out_of_memory(canvas);
}

static bool finish_single(struct canvas *canvas, struct text id, const struct canvas_call *call,
                          msgpack_object *ret)
{
    return canvas_result(canvas, value_text(id), NULL, ret) &&
           (!call->is_child || canvas_add_child(canvas, *ret));
}

/* What a task of our own library says of itself, and whether the call fits it; Celery, too, looks
 * at both when a signature is called, before anything is sent. */
static bool heed_definition(struct canvas *canvas, const struct subtask *subtask,
                            const msgpack_object *args, msgpack_object *options)
{
    const struct library_task *task = library_find(canvas->library, subtask->task);
    if (task == NULL)
        return true;
    const struct celeriac_task_definition *definition = &task->definition;
    const struct bind_call call = {
        .function = task->function, .args = args, .kwargs = &subtask->kwargs, .zone = canvas->zone};
    if (task->has_signature && !bind_fits(&task->signature, &call, &canvas->failure))
        return false;
    return default_option(canvas, options, "ignore_result",
                          definition->ignore_result == CELERIAC_YES ? value_bool(true)
                                                                    : value_nil()) &&
           default_option(canvas, options, "time_limit", seconds_of(definition->time_limit)) &&
           default_option(canvas, options, "soft_time_limit",
                          seconds_of(definition->soft_time_limit));
}

static bool send_single(struct canvas *canvas, const struct subtask *subtask,
                        const msgpack_object *args, const struct canvas_call *call,
                        msgpack_object *ret)
{
    msgpack_object options;
    struct text id, route = {NULL, 0};
    if (!subtask_merge_options(subtask, call->options, canvas->zone, &options))
        return canvas_out_of_memory(canvas);
    /* A map goes where its task goes. */
    if (subtask->kind == SUBTASK_MAP)
        value_as_text(value_get(value_get(&subtask->kwargs, "task"), "task"), &route);
    return default_option(canvas, &options, "reply_to", value_text(canvas->reply_to)) &&
           default_option(canvas, &options, "route", value_text(route)) &&
           heed_definition(canvas, subtask, args, &options) &&
           canvas_publish(canvas, subtask->task, args, &subtask->kwargs, &options, &id) &&
           finish_single(canvas, id, call, ret);
}

static bool send_plain(struct canvas *canvas, const struct subtask *subtask,
                       const struct canvas_call *call, msgpack_object *ret)
{
    msgpack_object args;
    return canvas_arguments(canvas, subtask, call, &args) &&
           send_single(canvas, subtask, &args, call, ret);
}

/* Its arguments are in its keywords; there is no place for others. */
static bool send_map(struct canvas *canvas, const struct subtask *subtask,
                     const struct canvas_call *call, msgpack_object *ret)
{
    const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    return send_single(canvas, subtask, &none, call, ret);
}

/* A group of starmaps, each over a slice. */
static bool make_slices(struct canvas *canvas, const struct subtask *chunks, msgpack_object *ret)
{
    const msgpack_object *items = value_get(&chunks->kwargs, "it");
    const msgpack_object *task = value_get(&chunks->kwargs, "task");
    int64_t size;
    if (items == NULL || items->type != MSGPACK_OBJECT_ARRAY || value_is_nil(task) ||
        !value_as_int(value_get(&chunks->kwargs, "n"), &size) || size < 1)
        return canvas_refuse(canvas, "TypeError", "chunks without a task, a list and a size");
    struct canvas_list list = {.count = 0};
    for (uint64_t at = 0; at < items->via.array.size; at += (uint64_t)size) {
        uint64_t left = items->via.array.size - at;
        msgpack_object slice = {.type = MSGPACK_OBJECT_ARRAY};
        slice.via.array.ptr = items->via.array.ptr + at;
        slice.via.array.size = (uint32_t)(left < (uint64_t)size ? left : (uint64_t)size);
        struct subtask map = {.task = {"celery.starmap", strlen("celery.starmap")},
                              .type = {"xstarmap", strlen("xstarmap")},
                              .args = {.type = MSGPACK_OBJECT_ARRAY},
                              .options = {.type = MSGPACK_OBJECT_MAP}};
        if (!value_map(canvas->zone, 2, &map.kwargs))
            return canvas_out_of_memory(canvas);
        value_map_put(&map.kwargs, "task", *task);
        value_map_put(&map.kwargs, "it", slice);
        if (!canvas_push(canvas, &list, &map))
            return false;
    }
    return canvas_values(canvas, &list, list.count, ret);
}

static bool send_chunks(struct canvas *canvas, const struct subtask *subtask,
                        const struct canvas_call *call, msgpack_object *ret)
{
    struct subtask group = {.kind = SUBTASK_GROUP,
                            .task = {"celery.group", strlen("celery.group")},
                            .type = {"group", strlen("group")},
                            .args = {.type = MSGPACK_OBJECT_ARRAY},
                            .options = subtask->options};
    msgpack_object slices = value_nil();
    if (!make_slices(canvas, subtask, &slices))
        return false;
    if (!value_map(canvas->zone, 1, &group.kwargs))
        return canvas_out_of_memory(canvas);
    value_map_put(&group.kwargs, "tasks", slices);
    return canvas_send_group(canvas, &group, call, ret);
}

bool canvas_send(struct canvas *canvas, const struct subtask *subtask,
                 const struct canvas_call *call, msgpack_object *ret)
{
    static canvas_sender *const senders[] = {
        [SUBTASK_PLAIN] = send_plain,
        [SUBTASK_CHAIN] = canvas_send_chain,
        [SUBTASK_GROUP] = canvas_send_group,
        [SUBTASK_CHORD] = canvas_send_chord,
        [SUBTASK_MAP] = send_map,
        [SUBTASK_CHUNKS] = send_chunks,
    };
    return senders[subtask->kind](canvas, subtask, call, ret);
}

bool canvas_apply(struct canvas *canvas, const msgpack_object *signature,
                  const msgpack_object *args, const msgpack_object *options, msgpack_object *ret)
{
    struct subtask subtask;
    const struct canvas_call call = {.args = args, .options = options, .is_child = true};
    return canvas_read(canvas, signature, &subtask) && canvas_send(canvas, &subtask, &call, ret);
}

bool canvas_apply_all(struct canvas *canvas, const msgpack_object *signatures,
                      const msgpack_object *args, const msgpack_object *options)
{
    struct subtask group = {.kind = SUBTASK_GROUP,
                            .task = {"celery.group", strlen("celery.group")},
                            .type = {"group", strlen("group")},
                            .args = {.type = MSGPACK_OBJECT_ARRAY},
                            .options = {.type = MSGPACK_OBJECT_MAP}};
    const struct canvas_call call = {.args = args, .options = options, .is_child = true};
    msgpack_object result;
    if (!value_map(canvas->zone, 1, &group.kwargs))
        return canvas_out_of_memory(canvas);
    value_map_put(&group.kwargs, "tasks", *signatures);
    return canvas_send(canvas, &group, &call, &result);
}
