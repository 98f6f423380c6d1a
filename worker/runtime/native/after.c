/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of what follows a task's end. Knows no frame, and not how the task ended. */

#include "worker/runtime/native/after.h"

#include "codec/frame.h"
#include "worker/runtime/native/canvas_internal.h"

static bool out_of_memory(struct canvas *canvas)
{
    failure_raise_bare(&canvas->failure, "MemoryError");
    return false;
}

/* What everything is called with that goes on from this task. */
static bool make_options(struct canvas *canvas, msgpack_object *ret)
{
    if (!value_map(canvas->zone, 4, ret))
        return out_of_memory(canvas);
    value_map_put(ret, "parent_id", value_text(canvas->id));
    value_map_put(ret, "root_id", value_text(canvas->root_id));
    value_map_put(ret, "priority", canvas->priority);
    return true;
}

static bool make_args(struct canvas *canvas, msgpack_object argument, msgpack_object *ret)
{
    if (!value_array(canvas->zone, 1, ret))
        return out_of_memory(canvas);
    ret->via.array.ptr[0] = argument;
    return true;
}

static bool is_group(const msgpack_object *signature)
{
    struct subtask subtask;
    return subtask_read(signature, &subtask, NULL) == 0 && subtask.kind == SUBTASK_GROUP;
}

/* Groups each on its own, then the rest as one. */
static bool apply_several(struct canvas *canvas, const msgpack_object *callbacks,
                          const msgpack_object *args, const msgpack_object *options)
{
    msgpack_object rest, result;
    if (!value_array(canvas->zone, callbacks->via.array.size, &rest))
        return out_of_memory(canvas);
    rest.via.array.size = 0;
    for (uint32_t i = 0; i < callbacks->via.array.size; i++) {
        const msgpack_object *callback = &callbacks->via.array.ptr[i];
        if (!is_group(callback))
            rest.via.array.ptr[rest.via.array.size++] = *callback;
        else if (!canvas_apply(canvas, callback, args, options, &result))
            return false;
    }
    return rest.via.array.size == 0 || canvas_apply_all(canvas, &rest, args, options);
}

static bool call_callbacks(struct canvas *canvas, const struct task_body *body,
                           const msgpack_object *args, const msgpack_object *options)
{
    msgpack_object callbacks, result;
    if (!subtask_as_list(&body->callbacks, canvas->zone, &callbacks))
        return out_of_memory(canvas);
    if (callbacks.via.array.size == 0)
        return true;
    if (callbacks.via.array.size == 1)
        return canvas_apply(canvas, &callbacks.via.array.ptr[0], args, options, &result);
    return apply_several(canvas, &callbacks, args, options);
}

static bool go_on(struct canvas *canvas, const struct task_body *body, const msgpack_object *args,
                  msgpack_object *options)
{
    msgpack_object rest = body->chain, result;
    if (rest.type != MSGPACK_OBJECT_ARRAY || rest.via.array.size == 0)
        return true;
    /* The next one is the last. */
    const msgpack_object *next = &rest.via.array.ptr[--rest.via.array.size];
    value_map_put(options, "chain", rest);
    return canvas_apply(canvas, next, args, options, &result);
}

bool after_success(struct canvas *canvas, const struct task_body *body,
                   const msgpack_object *result)
{
    msgpack_object args, options;
    if (value_is_nil(&body->callbacks) && value_is_nil(&body->chain))
        return true;
    return make_args(canvas, *result, &args) && make_options(canvas, &options) &&
           call_callbacks(canvas, body, &args, &options) && go_on(canvas, body, &args, &options);
}

/* ---- chords ---- */

/* A chord's is its body's. */
bool after_part_of_signature(const msgpack_object *signature, struct after_part *ret)
{
    struct subtask subtask;
    if (subtask_read(signature, &subtask, NULL) != 0)
        return false;
    const msgpack_object *chord = subtask_option(&subtask, "chord");
    struct after_part part = {.chord = chord, .task_id = canvas_result_id(&subtask)};
    const msgpack_object *index = subtask_option(&subtask, "group_index");
    if (chord == NULL)
        return subtask.kind == SUBTASK_CHORD &&
               after_part_of_signature(value_get(&subtask.kwargs, "body"), ret);
    if (index != NULL)
        part.index = *index;
    if (!value_as_text(subtask_option(&subtask, "group_id"), &part.group) ||
        part.task_id.data == NULL)
        return false;
    *ret = part;
    return true;
}

struct after_part after_part_of(const struct request *request, const struct task_body *body,
                                bool failed)
{
    struct after_part part = {
        .group = request_header(request, "group"), .task_id = request->id, .chord = &body->chord};
    const msgpack_object *index = value_get(request->headers, "group_index");
    if (index != NULL && index->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        part.index = *index;
    if (part.group.size > 0 && !value_is_nil(&body->chord))
        return part;
    for (size_t i = 0; failed && value_at(&body->chain, i) != NULL; i++) {
        if (after_part_of_signature(value_at(&body->chain, i), &part))
            return part;
    }
    return (struct after_part){.chord = NULL};
}

/* ---- failures ---- */

bool after_store(struct canvas *canvas, const struct document *document)
{
    struct buffer buffer;
    buffer_init(&buffer, FRAME_MAX);
    int rc = document_write(document, canvas->result_serializer, canvas->zone, &buffer);
    bool stored = rc == 0 && canvas->follow->store(canvas->follow->context, document->task_id,
                                                   document->state, buffer_bytes(&buffer));
    buffer_done(&buffer);
    if (rc != 0)
        return canvas_refuse(canvas, "kombu.exceptions.EncodeError",
                             "the state %.*s cannot be encoded: %s", (int)document->state.size,
                             document->state.data, codec_strerror(rc));
    return stored || out_of_memory(canvas);
}

/* What will never run has failed with it. */
static bool fail_chain(struct canvas *canvas, const msgpack_object *chain,
                       const struct document *document)
{
    for (size_t i = 0; value_at(chain, i) != NULL; i++) {
        struct subtask subtask;
        struct document copy = {.state = document->state,
                                .failure = document->failure,
                                .request = document->request,
                                .step = &subtask};
        if (subtask_read(value_at(chain, i), &subtask, NULL) != 0)
            continue;
        copy.task_id = canvas_result_id(&subtask);
        if (copy.task_id.data == NULL)
            continue;
        value_as_text(subtask_option(&subtask, "group_id"), &copy.group_id);
        value_as_text(subtask_option(&subtask, "parent_id"), &copy.parent_id);
        if (!after_store(canvas, &copy))
            return false;
    }
    return true;
}

bool after_failure_matters(const struct task_body *body)
{
    return !value_is_nil(&body->errbacks) ||
           (body->chain.type == MSGPACK_OBJECT_ARRAY && body->chain.via.array.size > 0);
}

bool after_call_errbacks(struct canvas *canvas, const msgpack_object *errbacks, struct text task_id)
{
    msgpack_object list, args, options;
    if (!subtask_as_list(errbacks, canvas->zone, &list))
        return out_of_memory(canvas);
    if (list.via.array.size == 0)
        return true;
    if (!make_args(canvas, value_text(task_id), &args) || !make_options(canvas, &options) ||
        !canvas_set(canvas, &options, "parent_id", value_text(task_id)))
        return false;
    return canvas_apply_all(canvas, &list, &args, &options);
}

bool after_failure(struct canvas *canvas, const struct task_body *body,
                   const struct document *document)
{
    if (document_keeps_errors(document->request) && !fail_chain(canvas, &body->chain, document))
        return false;
    return after_call_errbacks(canvas, &body->errbacks, document->task_id);
}
