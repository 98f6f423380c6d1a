/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns groups and chords: members, ids, sizes, and the order in which a chord begins. */

#include <string.h>

#include "codec/frame.h"
#include "worker/runtime/native/canvas_internal.h"

/* ---- freezing ---- */

static bool set_if_any(struct canvas *canvas, struct subtask *subtask, const char *name,
                       msgpack_object value)
{
    return value_is_nil(&value) || canvas_set(canvas, &subtask->options, name, value);
}

static bool set_if_missing(struct canvas *canvas, struct subtask *subtask, const char *name,
                           msgpack_object value)
{
    return subtask_option(subtask, name) != NULL || set_if_any(canvas, subtask, name, value);
}

static bool take_id(struct canvas *canvas, struct subtask *subtask, msgpack_object wanted,
                    msgpack_object *ret)
{
    const msgpack_object *own = subtask_option(subtask, "task_id");
    if (own != NULL) {
        *ret = *own;
        return true;
    }
    if (value_is_nil(&wanted) && !canvas_new_id(canvas, &wanted))
        return false;
    *ret = wanted;
    return canvas_set(canvas, &subtask->options, "task_id", wanted);
}

static bool freeze_single(struct canvas *canvas, struct subtask *subtask,
                          const struct canvas_place *place, msgpack_object *ret_result)
{
    msgpack_object id;
    return take_id(canvas, subtask, place->task_id, &id) &&
           set_if_any(canvas, subtask, "root_id", value_text(canvas->root_id)) &&
           set_if_missing(canvas, subtask, "reply_to", value_text(canvas->reply_to)) &&
           set_if_missing(canvas, subtask, "group_id", place->group_id) &&
           set_if_missing(canvas, subtask, "group_index", place->group_index) &&
           set_if_any(canvas, subtask, "chord", place->chord) &&
           canvas_result(canvas, id, NULL, ret_result);
}

bool canvas_freeze(struct canvas *canvas, struct subtask *subtask, const struct canvas_place *place,
                   msgpack_object *ret_result)
{
    switch (subtask->kind) {
    case SUBTASK_CHAIN:
        return canvas_freeze_chain(canvas, subtask, place, ret_result);
    case SUBTASK_GROUP:
        return canvas_freeze_group(canvas, subtask, place, ret_result);
    case SUBTASK_CHORD:
        return canvas_freeze_chord(canvas, subtask, place, ret_result);
    default:
        return freeze_single(canvas, subtask, place, ret_result);
    }
}

/* Groups within groups are one group. */
static bool flatten(struct canvas *canvas, const msgpack_object *members, struct canvas_list *list)
{
    for (uint32_t i = 0; i < members->via.array.size; i++) {
        struct subtask member;
        if (!canvas_read(canvas, &members->via.array.ptr[i], &member))
            return false;
        msgpack_object inner = subtask_members(&member);
        bool is_group = member.kind == SUBTASK_GROUP;
        if (is_group ? !flatten(canvas, &inner, list) : !canvas_push(canvas, list, &member))
            return false;
    }
    return true;
}

/* Reads the members, gives them their places in the group, and collects their results. */
static bool freeze_members(struct canvas *canvas, const msgpack_object *members,
                           const struct canvas_place *place, struct canvas_list *list,
                           msgpack_object *ret_results)
{
    if (!flatten(canvas, members, list))
        return false;
    if (!value_array(canvas->zone, list->count, ret_results))
        return canvas_out_of_memory(canvas);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct canvas_place member = {.task_id = value_nil(),
                                            .group_id = place->group_id,
                                            .group_index = value_uint(i),
                                            .chord = place->chord};
        if (!canvas_freeze(canvas, &list->items[i], &member, &ret_results->via.array.ptr[i]))
            return false;
    }
    return true;
}

bool canvas_freeze_group(struct canvas *canvas, struct subtask *subtask,
                         const struct canvas_place *place, msgpack_object *ret_result)
{
    struct canvas_list list = {.count = 0};
    msgpack_object id, results, tasks, members = subtask_members(subtask);
    /* At the end of a chord's part its members are the parts: they are of the chord's group. */
    if (!take_id(canvas, subtask, place->group_id, &id))
        return false;
    return freeze_members(canvas, &members, place, &list, &results) &&
           canvas_values(canvas, &list, list.count, &tasks) &&
           canvas_set(canvas, &subtask->kwargs, "tasks", tasks) &&
           set_if_any(canvas, subtask, "group_id", place->group_id) &&
           set_if_any(canvas, subtask, "group_index", place->group_index) &&
           set_if_any(canvas, subtask, "chord", place->chord) &&
           canvas_result(canvas, id, &results, ret_result);
}

static bool freeze_body(struct canvas *canvas, const struct subtask *chord,
                        const struct canvas_place *place, struct subtask *ret_body,
                        msgpack_object *ret_result)
{
    return canvas_read(canvas, value_get(&chord->kwargs, "body"), ret_body) &&
           canvas_freeze(canvas, ret_body, place, ret_result);
}

bool canvas_freeze_chord(struct canvas *canvas, struct subtask *subtask,
                         const struct canvas_place *place, msgpack_object *ret_result)
{
    struct canvas_place inner = *place;
    const msgpack_object *own = subtask_option(subtask, "task_id");
    struct subtask body;
    msgpack_object value;
    if (own != NULL)
        inner.task_id = *own;
    if (!freeze_body(canvas, subtask, &inner, &body, ret_result) ||
        !canvas_value(canvas, &body, &value))
        return false;
    struct text id = canvas_result_id(&body);
    return canvas_set(canvas, &subtask->kwargs, "body", value) &&
           (id.data == NULL || canvas_set(canvas, &subtask->options, "task_id", value_text(id)));
}

struct text canvas_result_id(const struct subtask *subtask)
{
    struct text id = {NULL, 0};
    struct subtask inner;
    const msgpack_object *answers = NULL;
    msgpack_object members = subtask_members(subtask);
    /* Celery gives a chord the id of its header, too, but the body is what answers. */
    if (subtask->kind == SUBTASK_CHORD)
        answers = value_get(&subtask->kwargs, "body");
    if (subtask_read(answers, &inner, NULL) == 0)
        id = canvas_result_id(&inner);
    if (id.data != NULL || value_as_text(subtask_option(subtask, "task_id"), &id))
        return id;
    answers = NULL;
    if (subtask->kind == SUBTASK_CHAIN && members.via.array.size > 0)
        answers = &members.via.array.ptr[members.via.array.size - 1];
    return subtask_read(answers, &inner, NULL) == 0 ? canvas_result_id(&inner) : id;
}

/* ---- sending ---- */

/* A group on its way. */
struct departure {
    struct canvas_list members;
    msgpack_object results, group_id;
    const msgpack_object *args;
    msgpack_object options;
    bool is_chord;
};

/* Some member's result is a group's: the shape of the whole has to be kept. */
static bool has_shape(const msgpack_object *results)
{
    for (uint32_t i = 0; i < results->via.array.size; i++) {
        if (!value_is_nil(value_at(&results->via.array.ptr[i], 1)))
            return true;
    }
    return false;
}

static bool write_shape(struct canvas *canvas, const struct departure *departure,
                        struct buffer *buffer)
{
    msgpack_object result, document;
    if (!has_shape(&departure->results))
        return true;
    if (!canvas_result(canvas, departure->group_id, &departure->results, &result))
        return false;
    if (!value_map(canvas->zone, 1, &document))
        return canvas_out_of_memory(canvas);
    value_map_put(&document, "result", result);
    int rc = canvas->result_serializer->encode(&document, buffer);
    return rc == 0 || canvas_refuse(canvas, "kombu.exceptions.EncodeError",
                                    "the group cannot be saved: %s", codec_strerror(rc));
}

/* Its size is known before its last part can be done: the one who ends it always sees it. */
static bool announce_chord(struct canvas *canvas, const struct departure *departure)
{
    struct text group_id;
    struct buffer group;
    uint64_t size = 0;
    msgpack_object member;
    value_as_text(&departure->group_id, &group_id);
    for (uint32_t i = 0; i < departure->members.count; i++) {
        if (!canvas_value(canvas, &departure->members.items[i], &member))
            return false;
        size += subtask_chord_size(&member);
    }
    buffer_init(&group, FRAME_MAX);
    bool done = write_shape(canvas, departure, &group);
    if (done &&
        !canvas->follow->chord(canvas->follow->context, group_id, size, buffer_bytes(&group)))
        done = canvas_out_of_memory(canvas);
    buffer_done(&group);
    return done;
}

static bool depart(struct canvas *canvas, const struct departure *departure)
{
    const struct canvas_call call = {.args = departure->args, .options = &departure->options};
    for (uint32_t i = 0; i < departure->members.count; i++) {
        msgpack_object result;
        bool is_last = i + 1 == departure->members.count;
        if (departure->is_chord && is_last && !announce_chord(canvas, departure))
            return false;
        if (!canvas_send(canvas, &departure->members.items[i], &call, &result))
            return false;
    }
    return true;
}

static bool add_group(struct canvas *canvas, const struct departure *departure,
                      const struct canvas_call *call, msgpack_object *ret)
{
    return canvas_result(canvas, departure->group_id, &departure->results, ret) &&
           (!call->is_child || canvas_add_child(canvas, *ret));
}

static bool choose_group_id(struct canvas *canvas, const msgpack_object *options,
                            msgpack_object *ret)
{
    const msgpack_object *given = value_get(options, "task_id");
    if (value_is_nil(given))
        return canvas_new_id(canvas, ret);
    *ret = *given;
    return true;
}

bool canvas_send_group(struct canvas *canvas, const struct subtask *subtask,
                       const struct canvas_call *call, msgpack_object *ret)
{
    static const char *const others[] = {"task_id", "group_id",   "group_index",
                                         "link",    "link_error", NULL};
    struct departure departure = {.args = call->args};
    msgpack_object members = subtask_members(subtask);
    if (!subtask_merge_options(subtask, call->options, canvas->zone, &departure.options))
        return canvas_out_of_memory(canvas);
    if (!choose_group_id(canvas, &departure.options, &departure.group_id) ||
        !canvas_drop(canvas, &departure.options, others))
        return false;
    const struct canvas_place place = {.group_id = departure.group_id};
    return freeze_members(canvas, &members, &place, &departure.members, &departure.results) &&
           depart(canvas, &departure) && add_group(canvas, &departure, call, ret);
}

/* The body has all that the chord was to carry: what follows it, and where it belongs itself. */
static bool make_body(struct canvas *canvas, const struct subtask *chord,
                      const msgpack_object *options, struct subtask *ret_body,
                      msgpack_object *ret_result)
{
    static const char *const own[] = {"task_id", NULL};
    struct subtask body;
    msgpack_object carried = *options;
    const msgpack_object *id = value_get(options, "task_id");
    const struct canvas_place place = {.task_id = id != NULL ? *id : value_nil()};
    if (!canvas_read(canvas, value_get(&chord->kwargs, "body"), &body) ||
        !canvas_drop(canvas, &carried, own))
        return false;
    if (!subtask_merge_options(&body, &carried, canvas->zone, &body.options))
        return canvas_out_of_memory(canvas);
    *ret_body = body;
    return canvas_freeze(canvas, ret_body, &place, ret_result);
}

static bool send_empty(struct canvas *canvas, const struct subtask *body,
                       const struct canvas_call *call, msgpack_object *ret)
{
    msgpack_object args;
    if (!value_array(canvas->zone, 1, &args))
        return canvas_out_of_memory(canvas);
    args.via.array.ptr[0] = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
    const struct canvas_call inner = {.args = &args, .is_child = call->is_child};
    return canvas_send(canvas, body, &inner, ret);
}

bool canvas_send_chord(struct canvas *canvas, const struct subtask *subtask,
                       const struct canvas_call *call, msgpack_object *ret)
{
    static const char *const others[] = {"task_id", "group_id", "group_index", "chord",
                                         "chain",   "link",     "link_error",  NULL};
    struct departure departure = {.is_chord = true};
    msgpack_object args, body_value, result, group, members = subtask_members(subtask);
    struct subtask body;
    if (!canvas->chords)
        return canvas_refuse(canvas, "NotImplementedError",
                             "a chord needs a result backend that can count its parts");
    if (!subtask_merge_options(subtask, call->options, canvas->zone, &departure.options))
        return canvas_out_of_memory(canvas);
    const msgpack_object *header = value_get(&subtask->kwargs, "header");
    if (!choose_group_id(canvas, value_get(header, "options"), &departure.group_id) ||
        !make_body(canvas, subtask, &departure.options, &body, &result) ||
        !canvas_value(canvas, &body, &body_value) ||
        !canvas_drop(canvas, &departure.options, others) ||
        !canvas_arguments(canvas, subtask, call, &args))
        return false;
    departure.args = &args;
    const struct canvas_place place = {.group_id = departure.group_id, .chord = body_value};
    if (!freeze_members(canvas, &members, &place, &departure.members, &departure.results))
        return false;
    if (departure.members.count == 0)
        return send_empty(canvas, &body, call, ret);
    if (!depart(canvas, &departure) || !add_group(canvas, &departure, call, &group))
        return false;
    canvas_set_parent(&result, group);
    *ret = result;
    return true;
}
