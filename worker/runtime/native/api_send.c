/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a task sends: celeriac_send_task, signatures, replace. */

#include <string.h>

#include "codec/utf8.h"
#include "worker/runtime/native/canvas_internal.h"
#include "worker/runtime/native/task_state.h"
#include "worker/runtime/native/value_cast.h"

enum { OPTIONS_MAX = 24 };

static const msgpack_object no_args = {.type = MSGPACK_OBJECT_ARRAY};
static const msgpack_object no_kwargs = {.type = MSGPACK_OBJECT_MAP};

/* Takes over what the canvas could not do. */
static void *give_up(struct celeriac_task *task)
{
    task->failure = task->canvas->failure;
    return NULL;
}

static void *refuse(struct celeriac_task *task, const char *text)
{
    failure_raise(&task->failure, task->zone, "TypeError", "%s() %s", task->task->function, text);
    return NULL;
}

static void *out_of_memory(struct celeriac_task *task)
{
    failure_raise_bare(&task->failure, "MemoryError");
    return NULL;
}

/* ---- options ---- */

/* In the zone: signatures outlive the caller's text. NULL makes nil. */
static bool put_string(struct celeriac_task *task, msgpack_object *map, const char *name,
                       const char *string)
{
    if (string == NULL)
        return true;
    struct text text = {string, strlen(string)};
    if (!utf8_is_valid(text))
        return refuse(task, "calls a task with text that is not UTF-8") != NULL;
    const char *copy = text_copy(task->zone, text);
    if (copy == NULL)
        return out_of_memory(task) != NULL;
    value_map_put(map, name, value_string(copy));
    return true;
}

static void put_seconds(msgpack_object *map, const char *name, double seconds)
{
    if (seconds != 0)
        value_map_put(map, name, value_double(seconds));
}

static void put_value(msgpack_object *map, const char *name, const struct celeriac_value *value)
{
    if (value != NULL)
        value_map_put(map, name, *value_cast_in(value));
}

static bool put_strings(struct celeriac_task *task, const struct celeriac_call_options *options,
                        msgpack_object *map)
{
    const struct {
        const char *name, *string;
    } strings[] = {
        {"queue", options->queue},
        {"exchange", options->exchange},
        {"routing_key", options->routing_key},
        {"eta", options->eta},
        {"expires", options->expires_at},
        {"task_id", options->task_id},
        {"serializer", options->serializer},
        {"compression", options->compression},
        {"shadow", options->shadow},
        {"reply_to", options->reply_to},
    };
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        if (!put_string(task, map, strings[i].name, strings[i].string))
            return false;
    }
    return true;
}

/* `size` is what the library's header knows of them. */
static struct celeriac_call_options options_of(const struct celeriac_call_options *given,
                                               size_t size)
{
    struct celeriac_call_options options = {.queue = NULL};
    if (given != NULL)
        memcpy(&options, given, size < sizeof(options) ? size : sizeof(options));
    return options;
}

static bool make_options(struct celeriac_task *task, const struct celeriac_call_options *given,
                         size_t size, msgpack_object *ret)
{
    const struct celeriac_call_options options = options_of(given, size);
    if (!value_map(task->zone, OPTIONS_MAX, ret))
        return out_of_memory(task) != NULL;
    if (!put_strings(task, &options, ret))
        return false;
    put_seconds(ret, "countdown", options.countdown);
    if (options.expires_at == NULL)
        put_seconds(ret, "expires", options.expires);
    put_seconds(ret, "time_limit", options.time_limit);
    put_seconds(ret, "soft_time_limit", options.soft_time_limit);
    if (options.priority != 0)
        value_map_put(ret, "priority", value_int(options.priority));
    if (options.ignore_result != CELERIAC_UNSET)
        value_map_put(ret, "ignore_result", value_bool(options.ignore_result == CELERIAC_YES));
    put_value(ret, "headers", options.headers);
    put_value(ret, "link", options.link);
    put_value(ret, "link_error", options.link_error);
    return true;
}

/* ---- signatures ---- */

static bool take_arguments(struct celeriac_task *task, const struct celeriac_value *args,
                           const struct celeriac_value *kwargs, struct subtask *subtask)
{
    subtask->args = args == NULL ? no_args : *value_cast_in(args);
    subtask->kwargs = kwargs == NULL ? no_kwargs : *value_cast_in(kwargs);
    if (subtask->args.type != MSGPACK_OBJECT_ARRAY)
        return refuse(task, "calls a task with args that are no list") != NULL;
    if (subtask->kwargs.type != MSGPACK_OBJECT_MAP)
        return refuse(task, "calls a task with kwargs that are no dict") != NULL;
    return true;
}

static const struct celeriac_value *finish(struct celeriac_task *task,
                                           const struct subtask *subtask)
{
    msgpack_object *value = msgpack_zone_malloc(task->zone, sizeof(*value));
    if (value == NULL || !subtask_value(subtask, task->zone, value))
        return out_of_memory(task);
    return value_cast_out(value);
}

const struct celeriac_value *celeriac_signature_sized(struct celeriac_task *task, const char *name,
                                                      const struct celeriac_value *args,
                                                      const struct celeriac_value *kwargs,
                                                      const struct celeriac_call_options *options,
                                                      size_t options_size)
{
    struct subtask subtask = {.kind = SUBTASK_PLAIN,
                              .immutable = options_of(options, options_size).immutable};
    msgpack_object holder;
    if (!value_map(task->zone, 1, &holder))
        return out_of_memory(task);
    if (!take_arguments(task, args, kwargs, &subtask) ||
        !make_options(task, options, options_size, &subtask.options) ||
        !put_string(task, &holder, "task", name))
        return NULL;
    if (!value_as_text(value_get(&holder, "task"), &subtask.task) || subtask.task.size == 0)
        return refuse(task, "calls a task without a name");
    return finish(task, &subtask);
}

/* Names and types are literals: "celery.chain". */
static const struct celeriac_value *make_container(struct celeriac_task *task, const char *name,
                                                   const char *const keys[2],
                                                   const struct celeriac_value *const values[2])
{
    struct subtask subtask = {.task = {name, strlen(name)},
                              .type = {name + strlen("celery."), strlen(name) - strlen("celery.")},
                              .args = no_args,
                              .options = no_kwargs};
    if (!value_map(task->zone, 3, &subtask.kwargs))
        return out_of_memory(task);
    for (size_t i = 0; i < 2 && keys[i] != NULL; i++) {
        if (values[i] == NULL)
            return task->failure.raised ? NULL : refuse(task, "makes a canvas of nothing");
        value_map_put(&subtask.kwargs, keys[i], *value_cast_in(values[i]));
    }
    if (keys[1] != NULL)
        value_map_put(&subtask.kwargs, "kwargs", no_kwargs);
    return finish(task, &subtask);
}

const struct celeriac_value *celeriac_chain(struct celeriac_task *task,
                                            const struct celeriac_value *signatures)
{
    return make_container(task, "celery.chain", (const char *const[]){"tasks", NULL},
                          (const struct celeriac_value *const[]){signatures, NULL});
}

const struct celeriac_value *celeriac_group(struct celeriac_task *task,
                                            const struct celeriac_value *signatures)
{
    return make_container(task, "celery.group", (const char *const[]){"tasks", NULL},
                          (const struct celeriac_value *const[]){signatures, NULL});
}

const struct celeriac_value *celeriac_chord(struct celeriac_task *task,
                                            const struct celeriac_value *header,
                                            const struct celeriac_value *body)
{
    return make_container(task, "celery.chord", (const char *const[]){"header", "body"},
                          (const struct celeriac_value *const[]){header, body});
}

/* ---- sending ---- */

static const char *copy_id(struct celeriac_task *task, struct text id)
{
    const char *copy = text_copy(task->zone, id);
    return copy != NULL ? copy : out_of_memory(task);
}

const char *celeriac_apply(struct celeriac_task *task, const struct celeriac_value *signature)
{
    msgpack_object result;
    struct text id;
    if (signature == NULL)
        return task->failure.raised ? NULL : refuse(task, "sends nothing");
    if (!canvas_apply(task->canvas, value_cast_in(signature), &no_args, NULL, &result))
        return give_up(task);
    if (!value_as_text(value_at(value_at(&result, 0), 0), &id))
        return refuse(task, "sends a signature whose id is no str");
    return copy_id(task, id);
}

const char *celeriac_send_task_sized(struct celeriac_task *task, const char *name,
                                     const struct celeriac_value *args,
                                     const struct celeriac_value *kwargs,
                                     const struct celeriac_call_options *options,
                                     size_t options_size)
{
    struct canvas *canvas = task->canvas;
    struct subtask subtask = {.kind = SUBTASK_PLAIN};
    msgpack_object settings, child;
    struct text id;
    if (name == NULL || *name == '\0' || !utf8_is_valid((struct text){name, strlen(name)}))
        return refuse(task, "calls a task without a name");
    if (!take_arguments(task, args, kwargs, &subtask) ||
        !make_options(task, options, options_size, &settings))
        return NULL;
    if (!canvas_publish(canvas, (struct text){name, strlen(name)}, &subtask.args, &subtask.kwargs,
                        &settings, &id) ||
        !canvas_result(canvas, value_text(id), NULL, &child) || !canvas_add_child(canvas, child))
        return give_up(task);
    return copy_id(task, id);
}

/* ---- replace ---- */

/* A group has no result of its own: it becomes a chord whose body returns its list. */
static bool lift_group(struct canvas *canvas, struct subtask *replacement)
{
    struct subtask body = {.task = {"celery.accumulate", strlen("celery.accumulate")},
                           .args = no_args,
                           .options = no_kwargs};
    struct subtask chord = {.kind = SUBTASK_CHORD,
                            .task = {"celery.chord", strlen("celery.chord")},
                            .type = {"chord", strlen("chord")},
                            .args = no_args,
                            .options = no_kwargs};
    msgpack_object header, value;
    if (replacement->kind != SUBTASK_GROUP)
        return true;
    if (!value_map(canvas->zone, 1, &body.kwargs) || !value_map(canvas->zone, 3, &chord.kwargs))
        return canvas_out_of_memory(canvas);
    value_map_put(&body.kwargs, "index", value_int(0));
    if (!canvas_value(canvas, replacement, &header) || !canvas_value(canvas, &body, &value))
        return false;
    value_map_put(&chord.kwargs, "header", header);
    value_map_put(&chord.kwargs, "body", value);
    value_map_put(&chord.kwargs, "kwargs", no_kwargs);
    *replacement = chord;
    return true;
}

static bool inherit_links(const struct celeriac_task *task, struct subtask *replacement)
{
    struct canvas *canvas = task->canvas;
    msgpack_object callbacks, errbacks;
    if (!subtask_as_list(&task->body->callbacks, canvas->zone, &callbacks) ||
        !subtask_as_list(&task->body->errbacks, canvas->zone, &errbacks))
        return canvas_out_of_memory(canvas);
    return canvas_link(canvas, replacement, "link", &callbacks) &&
           canvas_link(canvas, replacement, "link_error", &errbacks);
}

static int64_t nesting_of(const struct request *request)
{
    int64_t nesting = 0;
    value_as_int(value_get(request->headers, "replaced_task_nesting"), &nesting);
    return nesting + 1;
}

/* The signatures of a chain, each with a note of how deep in replacements it is. */
static bool note_nesting(struct canvas *canvas, const msgpack_object *chain, int64_t nesting,
                         msgpack_object *ret)
{
    if (chain->type != MSGPACK_OBJECT_ARRAY) {
        *ret = value_nil();
        return true;
    }
    if (!value_array(canvas->zone, chain->via.array.size, ret))
        return canvas_out_of_memory(canvas);
    for (uint32_t i = 0; i < chain->via.array.size; i++) {
        struct subtask step;
        if (!canvas_read(canvas, &chain->via.array.ptr[i], &step) ||
            !canvas_set(canvas, &step.options, "replaced_task_nesting", value_int(nesting)) ||
            !canvas_value(canvas, &step, &ret->via.array.ptr[i]))
            return false;
    }
    return true;
}

static bool note_own_nesting(struct canvas *canvas, struct subtask *replacement, int64_t nesting)
{
    msgpack_object members = subtask_members(replacement), noted;
    return replacement->kind != SUBTASK_CHAIN ||
           (note_nesting(canvas, &members, nesting, &noted) &&
            canvas_set(canvas, &replacement->kwargs, "tasks", noted));
}

static bool inherit_options(const struct celeriac_task *task, msgpack_object *ret)
{
    const struct request *request = task->request;
    const msgpack_object *index = value_get(request->headers, "group_index");
    int64_t nesting = nesting_of(request);
    msgpack_object rest;
    if (!note_nesting(task->canvas, &task->body->chain, nesting, &rest))
        return false;
    if (!value_map(task->zone, 12, ret))
        return canvas_out_of_memory(task->canvas);
    value_map_put(ret, "task_id", value_text(request->id));
    value_map_put(ret, "group_id", value_text(request_header(request, "group")));
    value_map_put(ret, "group_index", index != NULL ? *index : value_nil());
    value_map_put(ret, "chord", task->body->chord);
    value_map_put(ret, "chain", rest);
    value_map_put(ret, "root_id", value_text(request_root_id(request)));
    value_map_put(ret, "replaced_task_nesting", value_int(nesting));
    return true;
}

static bool replace(const struct celeriac_task *task, const msgpack_object *signature)
{
    struct canvas *canvas = task->canvas;
    struct subtask replacement;
    msgpack_object options, value, result;
    return canvas_read(canvas, signature, &replacement) && lift_group(canvas, &replacement) &&
           note_own_nesting(canvas, &replacement, nesting_of(task->request)) &&
           inherit_links(task, &replacement) && inherit_options(task, &options) &&
           canvas_value(canvas, &replacement, &value) &&
           canvas_apply(canvas, &value, &no_args, &options, &result);
}

int celeriac_replace(struct celeriac_task *task, const struct celeriac_value *signature)
{
    if (task->verdict != TASK_RUNS)
        return CELERIAC_FAILED;
    if (signature == NULL && !task->failure.raised)
        refuse(task, "is replaced by nothing");
    if (signature == NULL)
        return CELERIAC_FAILED;
    if (replace(task, value_cast_in(signature)))
        task->verdict = TASK_IGNORED;
    else
        give_up(task);
    return CELERIAC_FAILED;
}
