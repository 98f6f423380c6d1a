/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns chains: their steps, what a step carries of the rest, and who gets links. */

#include <string.h>

#include "worker/runtime/native/canvas_internal.h"

/* ---- links ---- */

static bool extend(struct canvas *canvas, struct subtask *subtask, const char *name,
                   const msgpack_object *list)
{
    msgpack_object own, joined;
    if (!subtask_as_list(subtask_option(subtask, name), canvas->zone, &own) ||
        !subtask_join(&own, list, canvas->zone, &joined))
        return canvas_out_of_memory(canvas);
    return canvas_set(canvas, &subtask->options, name, joined);
}

static bool link_value(struct canvas *canvas, msgpack_object *value, const char *name,
                       const msgpack_object *list)
{
    struct subtask subtask;
    return canvas_read(canvas, value, &subtask) && canvas_link(canvas, &subtask, name, list) &&
           canvas_value(canvas, &subtask, value);
}

static bool link_body(struct canvas *canvas, struct subtask *chord, const char *name,
                      const msgpack_object *list)
{
    const msgpack_object *found = value_get(&chord->kwargs, "body");
    if (value_is_nil(found))
        return true;
    msgpack_object body = *found;
    return link_value(canvas, &body, name, list) &&
           canvas_set(canvas, &chord->kwargs, "body", body);
}

/* The members that a link of the whole goes to: a chain answers with its last task, a group has
 * nobody who could answer for it, so its first one does. Errors are everybody's. */
static bool link_members(struct canvas *canvas, struct subtask *subtask, const char *name,
                         const msgpack_object *list)
{
    const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    msgpack_object members = subtask_members(subtask), copy;
    uint32_t count = members.via.array.size;
    bool errors = strcmp(name, "link_error") == 0;
    if (!subtask_join(&members, &none, canvas->zone, &copy))
        return canvas_out_of_memory(canvas);
    for (uint32_t i = 0; i < count; i++) {
        bool answers = i == (subtask->kind == SUBTASK_CHAIN ? count - 1 : 0);
        if ((errors || answers) && !link_value(canvas, &copy.via.array.ptr[i], name, list))
            return false;
    }
    return canvas_set(canvas, &subtask->kwargs, "tasks", copy);
}

bool canvas_link(struct canvas *canvas, struct subtask *subtask, const char *name,
                 const msgpack_object *list)
{
    if (list->via.array.size == 0)
        return true;
    if (subtask->kind == SUBTASK_CHORD)
        return link_body(canvas, subtask, name, list);
    if (subtask->kind == SUBTASK_CHAIN || subtask->kind == SUBTASK_GROUP)
        return link_members(canvas, subtask, name, list);
    return extend(canvas, subtask, name, list);
}

/* ---- steps ---- */

/* A chain within a chain is spliced, a group of one is its only member. */
static bool flatten(struct canvas *canvas, const msgpack_object *members, struct canvas_list *list)
{
    for (uint32_t i = 0; i < members->via.array.size; i++) {
        struct subtask step;
        if (!canvas_read(canvas, &members->via.array.ptr[i], &step))
            return false;
        msgpack_object inner = subtask_members(&step);
        bool is_open =
            step.kind == SUBTASK_CHAIN || (step.kind == SUBTASK_GROUP && inner.via.array.size == 1);
        if (is_open ? !flatten(canvas, &inner, list) : !canvas_push(canvas, list, &step))
            return false;
    }
    return true;
}

/* A group that something follows waits for all of its members: a chord. */
static bool make_chord(struct canvas *canvas, const struct subtask *group,
                       const struct subtask *body, struct subtask *ret)
{
    struct subtask chord = {.kind = SUBTASK_CHORD,
                            .task = {"celery.chord", strlen("celery.chord")},
                            .type = {"chord", strlen("chord")},
                            .args = {.type = MSGPACK_OBJECT_ARRAY},
                            .options = {.type = MSGPACK_OBJECT_MAP}};
    msgpack_object header, body_value;
    struct text id = canvas_result_id(body);
    if (!canvas_value(canvas, group, &header) || !canvas_value(canvas, body, &body_value))
        return false;
    if (!value_map(canvas->zone, 3, &chord.kwargs))
        return canvas_out_of_memory(canvas);
    value_map_put(&chord.kwargs, "header", header);
    value_map_put(&chord.kwargs, "body", body_value);
    value_map_put(&chord.kwargs, "kwargs", (msgpack_object){.type = MSGPACK_OBJECT_MAP});
    if (id.data != NULL && !canvas_set(canvas, &chord.options, "task_id", value_text(id)))
        return false;
    *ret = chord;
    return true;
}

struct steps {
    struct canvas_list list; /* the last one first, as the field `chain` has them */
    msgpack_object result;   /* of the last one, with those before it as its parents */
    bool is_broken;          /* what was before a chord is not known yet */
    bool begins_with_group;  /* that has become a chord */
};

static bool add_step(struct canvas *canvas, struct subtask *step, const struct canvas_place *place,
                     const msgpack_object *errbacks, struct steps *steps)
{
    static const struct canvas_place nowhere;
    struct canvas_list *list = &steps->list;
    msgpack_object result;
    bool is_last = list->count == 0;
    if (step->kind == SUBTASK_GROUP && !is_last) {
        struct subtask body = list->items[--list->count];
        if (!make_chord(canvas, step, &body, step))
            return false;
        steps->begins_with_group = true;
    } else {
        steps->begins_with_group = false;
    }
    if (!canvas_freeze(canvas, step, is_last ? place : &nowhere, &result) ||
        !canvas_link(canvas, step, "link_error", errbacks))
        return false;
    if (is_last)
        steps->result = result;
    else if (!steps->is_broken)
        canvas_set_parent(&steps->result, result);
    steps->is_broken = steps->is_broken || step->kind == SUBTASK_CHORD;
    return canvas_push(canvas, list, step);
}

static bool make_steps(struct canvas *canvas, const struct subtask *chain,
                       const struct canvas_place *place, const msgpack_object *errbacks,
                       struct steps *ret)
{
    struct canvas_list flat = {.count = 0};
    struct steps steps = {.list = {.count = 0}};
    msgpack_object members = subtask_members(chain);
    if (!flatten(canvas, &members, &flat))
        return false;
    if (flat.count == 0) {
        canvas_refuse(canvas, "TypeError", "a chain without tasks");
        return false;
    }
    for (uint32_t i = flat.count; i > 0; i--) {
        if (!add_step(canvas, &flat.items[i - 1], place, errbacks, &steps))
            return false;
    }
    *ret = steps;
    return true;
}

bool canvas_freeze_chain(struct canvas *canvas, struct subtask *subtask,
                         const struct canvas_place *place, msgpack_object *ret_result)
{
    const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    struct canvas_place last = *place;
    const msgpack_object *own = subtask_option(subtask, "task_id");
    struct steps steps;
    msgpack_object natural;
    if (own != NULL)
        last.task_id = *own;
    if (!make_steps(canvas, subtask, &last, &none, &steps) ||
        !canvas_values(canvas, &steps.list, steps.list.count, &natural))
        return false;
    for (uint32_t i = 0, j = steps.list.count; i + 1 < j; i++) {
        msgpack_object swapped = natural.via.array.ptr[--j];
        natural.via.array.ptr[j] = natural.via.array.ptr[i];
        natural.via.array.ptr[i] = swapped;
    }
    *ret_result = steps.result;
    return canvas_set(canvas, &subtask->kwargs, "tasks", natural);
}

/* ---- the call ---- */

static msgpack_object option_of(const msgpack_object *options, const char *name)
{
    const msgpack_object *value = value_get(options, name);
    return value != NULL ? *value : value_nil();
}

/* The first step carries the rest, and what the chain itself was to carry behind that. */
static bool carry_rest(struct canvas *canvas, const struct steps *steps, msgpack_object *options)
{
    msgpack_object rest, after, whole, given = option_of(options, "chain");
    if (!canvas_values(canvas, &steps->list, steps->list.count - 1, &rest))
        return false;
    if (!subtask_as_list(&given, canvas->zone, &after) ||
        !subtask_join(&after, &rest, canvas->zone, &whole))
        return canvas_out_of_memory(canvas);
    return canvas_set(canvas, options, "chain", whole);
}

bool canvas_send_chain(struct canvas *canvas, const struct subtask *subtask,
                       const struct canvas_call *call, msgpack_object *ret)
{
    /* What concerns the last step or the links, not the first one, whose parent is who sends it. */
    static const char *const others[] = {"task_id", "group_id",   "group_index", "chord",
                                         "link",    "link_error", "parent_id",   NULL};
    const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    msgpack_object options, args, links, errbacks, first;
    struct steps steps = {.list = {.count = 0}};
    if (!subtask_merge_options(subtask, call->options, canvas->zone, &options))
        return canvas_out_of_memory(canvas);
    const struct canvas_place place = {.task_id = option_of(&options, "task_id"),
                                       .group_id = option_of(&options, "group_id"),
                                       .group_index = option_of(&options, "group_index"),
                                       .chord = option_of(&options, "chord")};
    if (!subtask_as_list(value_get(&options, "link"), canvas->zone, &links) ||
        !subtask_as_list(value_get(&options, "link_error"), canvas->zone, &errbacks))
        return canvas_out_of_memory(canvas);
    if (!canvas_arguments(canvas, subtask, call, &args) ||
        !make_steps(canvas, subtask, &place, &errbacks, &steps) ||
        !canvas_link(canvas, &steps.list.items[0], "link", &links) ||
        !canvas_drop(canvas, &options, others) || !carry_rest(canvas, &steps, &options))
        return false;
    /* As in Celery: what a group is called with does not reach the chord that is made of it. */
    const struct canvas_call inner = {.args = steps.begins_with_group ? &none : &args,
                                      .options = &options,
                                      .is_child = call->is_child};
    if (!canvas_send(canvas, &steps.list.items[steps.list.count - 1], &inner, &first))
        return false;
    *ret = steps.result;
    return true;
}
