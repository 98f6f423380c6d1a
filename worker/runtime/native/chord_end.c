/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the collecting of a chord's parts and what becomes of its body. Knows no backend. */

#include "worker/runtime/native/chord_end.h"

#include <stdio.h>
#include <string.h>

#include "codec/result_message.h"
#include "worker/runtime/native/after.h"
#include "worker/runtime/native/canvas_internal.h"

enum { DEPTH_MAX = 64, TEXT_SIZE = 1024 };

struct parts {
    struct canvas *canvas;
    const msgpack_object *members; /* an array of bin */
    uint32_t next;
};

static bool refuse_parts(struct canvas *canvas, const char *text)
{
    return canvas_refuse(canvas, "celery.exceptions.ChordError", "%s", text);
}

/* ---- what a part says ---- */

/* Like the repr of the exception that the client would make of it. */
static void name_exception(struct canvas *canvas, const msgpack_object *exception, char *ret,
                           size_t size)
{
    struct failure failure;
    const msgpack_object *arguments = value_get(exception, "exc_message");
    failure_raise_bare(&failure, "Exception");
    value_as_text(value_get(exception, "exc_type"), &failure.type);
    if (arguments == NULL || arguments->type != MSGPACK_OBJECT_ARRAY) {
        if (arguments != NULL)
            failure.message = *arguments;
        failure_text(&failure, ret, size);
    } else if (arguments->via.array.size == 1) {
        failure.message = arguments->via.array.ptr[0];
        failure_text(&failure, ret, size);
    } else {
        char text[TEXT_SIZE / 2];
        result_repr_tuple(arguments, text, sizeof(text));
        snprintf(ret, size, "%.*s%s", text_quoted_size(failure.type), failure.type.data, text);
    }
    (void)canvas;
}

static bool judge(struct parts *parts, const msgpack_object *id, const msgpack_object *state,
                  const msgpack_object *result)
{
    struct text name = {"", 0}, word = {"", 0};
    char text[TEXT_SIZE];
    value_as_text(id, &name);
    value_as_text(state, &word);
    if (text_equal(word, "SUCCESS"))
        return true;
    if (!text_equal(word, "FAILURE") && !text_equal(word, "REVOKED"))
        return refuse_parts(parts->canvas, "a part has no result");
    name_exception(parts->canvas, result, text, sizeof(text));
    return canvas_refuse(parts->canvas, "celery.exceptions.ChordError", "Dependency %.*s raised %s",
                         (int)name.size, name.data, text);
}

static bool decode(struct parts *parts, msgpack_object *ret)
{
    const msgpack_object *packed = value_at(parts->members, parts->next++);
    struct text bytes;
    struct codec_reason reason;
    if (!value_as_bytes(packed, &bytes))
        return refuse_parts(parts->canvas, "a part is missing");
    if (parts->canvas->result_serializer->decode((struct bytes){bytes.data, bytes.size},
                                                 parts->canvas->zone, ret, &reason) != 0)
        return canvas_refuse(parts->canvas, "celery.exceptions.ChordError",
                             "a part cannot be decoded: %s", reason.text);
    return true;
}

/* A member, [1, id, state, result], or a result document. */
static bool take_part(struct parts *parts, msgpack_object *ret)
{
    msgpack_object part = value_nil();
    if (!decode(parts, &part))
        return false;
    bool is_member = part.type == MSGPACK_OBJECT_ARRAY;
    const msgpack_object *id = is_member ? value_at(&part, 1) : value_get(&part, "task_id");
    const msgpack_object *state = is_member ? value_at(&part, 2) : value_get(&part, "status");
    const msgpack_object *result = is_member ? value_at(&part, 3) : value_get(&part, "result");
    if (!judge(parts, id, state, result))
        return false;
    *ret = result != NULL ? *result : value_nil();
    return true;
}

static bool has_member(struct canvas *canvas, const msgpack_object *record, struct text id)
{
    struct parts parts = {.canvas = canvas, .members = value_get(record, "members")};
    msgpack_object part = value_nil();
    struct text own;
    while (value_at(parts.members, parts.next) != NULL && decode(&parts, &part)) {
        if (value_as_text(value_at(&part, 1), &own) && own.size == id.size &&
            memcmp(own.data, id.data, id.size) == 0)
            return true;
    }
    return false;
}

const msgpack_object *chord_end_find(struct canvas *canvas, const msgpack_object *chord,
                                     const msgpack_object *record)
{
    struct after_part part;
    while (after_part_of_signature(chord, &part) && has_member(canvas, record, part.task_id))
        chord = part.chord;
    return chord;
}

/* ---- all parts ---- */

static bool collect_flat(struct parts *parts, msgpack_object *ret)
{
    uint32_t count = parts->members->via.array.size;
    if (!value_array(parts->canvas->zone, count, ret))
        return canvas_out_of_memory(parts->canvas);
    for (uint32_t i = 0; i < count; i++) {
        if (!take_part(parts, &ret->via.array.ptr[i]))
            return false;
    }
    return true;
}

/* A saved group keeps its shape: where it has a group, the body gets a list. */
static bool collect_tree(struct parts *parts, const msgpack_object *result, int depth,
                         msgpack_object *ret)
{
    const msgpack_object *members = value_at(result, 1);
    if (value_is_nil(members))
        return take_part(parts, ret);
    if (members->type != MSGPACK_OBJECT_ARRAY || depth == DEPTH_MAX)
        return refuse_parts(parts->canvas, "the saved group is broken");
    uint32_t count = members->via.array.size;
    if (!value_array(parts->canvas->zone, count, ret))
        return canvas_out_of_memory(parts->canvas);
    for (uint32_t i = 0; i < count; i++) {
        if (!collect_tree(parts, &members->via.array.ptr[i], depth + 1, &ret->via.array.ptr[i]))
            return false;
    }
    return true;
}

static bool collect(struct canvas *canvas, const msgpack_object *record,
                    const msgpack_object *shape, msgpack_object *ret)
{
    struct parts parts = {.canvas = canvas, .members = value_get(record, "members")};
    struct text error, group;
    msgpack_object saved = value_nil();
    if (value_as_text(value_get(record, "error"), &error))
        return canvas_refuse(canvas, "celery.exceptions.ChordError", "%.*s", (int)error.size,
                             error.data);
    if (parts.members == NULL || parts.members->type != MSGPACK_OBJECT_ARRAY)
        return refuse_parts(canvas, "the record has no parts");
    if (shape != NULL)
        return collect_tree(&parts, shape, 0, ret);
    if (!value_as_bytes(value_get(record, "group"), &group) || group.size == 0)
        return collect_flat(&parts, ret);
    if (canvas->result_serializer->decode((struct bytes){group.data, group.size}, canvas->zone,
                                          &saved, NULL) != 0)
        return refuse_parts(canvas, "the saved group cannot be decoded");
    return collect_tree(&parts, value_get(&saved, "result"), 0, ret);
}

/* ---- the body ---- */

static bool send_body(struct canvas *canvas, const msgpack_object *body,
                      const msgpack_object *results)
{
    char text[FAILURE_TEXT_SIZE];
    msgpack_object args, result;
    if (!value_array(canvas->zone, 1, &args))
        return canvas_out_of_memory(canvas);
    args.via.array.ptr[0] = *results;
    if (canvas_apply(canvas, body, &args, NULL, &result))
        return true;
    failure_text(&canvas->failure, text, sizeof(text));
    return canvas_refuse(canvas, "celery.exceptions.ChordError", "Callback error: %s", text);
}

/* Clients wait for the members of a group, as it has no result of its own. */
static bool fail_members(struct canvas *canvas, const struct subtask *body,
                         const struct document *document)
{
    msgpack_object members = subtask_members(body);
    for (uint32_t i = 0; body->kind == SUBTASK_GROUP && i < members.via.array.size; i++) {
        struct subtask member;
        struct document copy = *document;
        if (!canvas_read(canvas, &members.via.array.ptr[i], &member))
            return false;
        copy.task_id = canvas_result_id(&member);
        if (copy.task_id.data != NULL && !after_store(canvas, &copy))
            return false;
    }
    return true;
}

/* Nobody will run it: its errbacks hear of it, and its result is the failure. */
static bool fail_body(struct canvas *canvas, const msgpack_object *value,
                      const struct failure *failure)
{
    struct subtask body;
    msgpack_object id;
    if (!canvas_read(canvas, value, &body))
        return false;
    struct document document = {.task_id = canvas_result_id(&body),
                                .state = {"FAILURE", strlen("FAILURE")},
                                .failure = failure};
    if (document.task_id.data == NULL) {
        if (!canvas_new_id(canvas, &id))
            return false;
        value_as_text(&id, &document.task_id);
    }
    const msgpack_object *errbacks = subtask_option(&body, "link_error");
    /* As in Celery: for them the body is where it all began, and they are its children. */
    canvas->root_id = document.task_id;
    document.children = &canvas->children;
    return after_call_errbacks(canvas, errbacks, document.task_id) &&
           after_store(canvas, &document) && fail_members(canvas, &body, &document);
}

bool chord_end_is_complete(struct canvas *canvas, const msgpack_object *record)
{
    struct parts parts = {.canvas = canvas, .members = value_get(record, "members")};
    while (value_at(parts.members, parts.next) != NULL) {
        msgpack_object part = value_nil();
        struct text bytes = {"", 0}, status = {"", 0};
        value_as_bytes(value_at(parts.members, parts.next), &bytes);
        if (bytes.size == 0)
            return false;
        if (decode(&parts, &part))
            value_as_text(value_get(&part, "status"), &status);
        /* What cannot be read will not be better later: chord_end tells. */
        if (status.size > 0 && !text_equal(status, "SUCCESS") && !text_equal(status, "FAILURE") &&
            !text_equal(status, "REVOKED"))
            return false;
    }
    return true;
}

bool chord_end(struct canvas *canvas, const msgpack_object *body, const msgpack_object *record,
               const msgpack_object *shape, struct failure *ret_failure)
{
    msgpack_object results;
    if (collect(canvas, record, shape, &results) && send_body(canvas, body, &results))
        return true;
    const struct failure failure = canvas->failure;
    if (!fail_body(canvas, body, &failure))
        return false;
    *ret_failure = failure;
    return true;
}
