/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what becomes of a task that has ended without its function. */

#include "worker/runtime/native/record.h"

#include <string.h>

#include "worker/log/log.h"
#include "worker/runtime/native/canvas_internal.h"
#include "worker/runtime/native/chord_end.h"
#include "worker/runtime/native/chord_unlock.h"

/* Writes the document, unless something follows a failure: then it is stored first. */
static bool keep(const struct record *record, const struct document *document,
                 struct buffer *buffer)
{
    struct canvas *canvas = record->canvas;
    if (after_failure_matters(record->body) && text_equal(document->state, "FAILURE"))
        return after_store(canvas, document);
    if (document_write(document, canvas->result_serializer, canvas->zone, buffer) == 0)
        return true;
    failure_raise_bare(&canvas->failure, "MemoryError");
    return false;
}

static void write_failure(const struct record *record, const struct failure *failure,
                          struct outcome *ret, struct buffer *buffer)
{
    struct canvas *canvas = record->canvas;
    struct document document = document_of(record->request, "FAILURE");
    document.failure = failure;
    document.body = record->body;
    bool done = !document_keeps_errors(record->request) || keep(record, &document, buffer);
    done = done && after_failure(canvas, record->body, &document);
    if (done)
        done = outcome_take_part(ret, record->request, record->body, &document, canvas);
    if (!done)
        ret->failure = canvas->failure;
}

static void on_failure(const struct record *record, struct outcome *ret, struct buffer *buffer)
{
    const msgpack_object *argument = value_get(record->request->record, "argument");
    struct text type = {NULL, 0};
    struct failure failure;
    value_as_text(value_get(record->request->record, "exception"), &type);
    failure_raise_bare(&failure, text_equal(type, "TimeLimitExceeded")
                                     ? "billiard.exceptions.TimeLimitExceeded"
                                     : "billiard.exceptions.WorkerLostError");
    if (argument != NULL)
        failure.message = *argument;
    failure.untraced = true;
    write_failure(record, &failure, ret, buffer);
}

/* Neither the rest of a chain nor errbacks hear of it. */
static void on_revoked(const struct record *record, struct outcome *ret, struct buffer *buffer)
{
    struct canvas *canvas = record->canvas;
    struct document document = document_of(record->request, "REVOKED");
    struct text reason = {"revoked", 7};
    struct failure failure;
    value_as_text(value_get(record->request->record, "reason"), &reason);
    failure_raise(&failure, canvas->zone, "celery.exceptions.TaskRevokedError", "%.*s",
                  (int)reason.size, reason.data);
    failure.untraced = true;
    document.failure = &failure;
    document.body = record->body;
    if ((document_keeps_errors(record->request) && !keep(record, &document, buffer)) ||
        !outcome_take_part(ret, record->request, record->body, &document, canvas))
        ret->failure = canvas->failure;
}

/* Stored whatever the message says of results, and nobody hears of it. */
static void on_unknown(const struct record *record, struct outcome *ret, struct buffer *buffer)
{
    struct canvas *canvas = record->canvas;
    struct document document = document_of(record->request, "FAILURE");
    struct failure failure;
    failure_raise(&failure, canvas->zone, "celery.exceptions.NotRegistered", "%.*s",
                  (int)record->request->task.size, record->request->task.data);
    failure.untraced = true;
    document.failure = &failure;
    document.body = record->body;
    if (document_write(&document, canvas->result_serializer, canvas->zone, buffer) != 0)
        failure_raise_bare(&ret->failure, "MemoryError");
}

/* In Celery's words. */
static void log_failed(const struct request *request, const struct failure *failure)
{
    char text[FAILURE_TEXT_SIZE];
    struct text group = request_header(request, "group");
    failure_text(failure, text, sizeof(text));
    log_clean(text);
    log_error("Chord '%.*s' raised: %s", text_quoted_size(group), group.size > 0 ? group.data : "",
              text);
}

/* A body that has failed may have been a part of another chord. */
static bool tell_failed(const struct record *record, const msgpack_object *body,
                        const struct failure *failure, struct outcome *ret)
{
    struct after_part outer;
    const struct document document = {.state = {"FAILURE", strlen("FAILURE")}, .failure = failure};
    log_failed(record->request, failure);
    return !after_part_of_signature(body, &outer) ||
           outcome_set_part(ret, &outer, &document, record->canvas);
}

static bool end_counted(const struct record *record, const msgpack_object **ret_body,
                        struct failure *ret_failure)
{
    const msgpack_object *said = record->request->record;
    const struct after_part part = after_part_of(record->request, record->body, true);
    if (part.chord == NULL)
        return canvas_refuse(record->canvas, "celery.exceptions.ChordError",
                             "the message is no part of a chord");
    *ret_body = chord_end_find(record->canvas, part.chord, said);
    return chord_end(record->canvas, *ret_body, said, NULL, ret_failure);
}

static void on_chord(const struct record *record, struct outcome *ret, struct buffer *buffer)
{
    struct failure failure = {.raised = false};
    const msgpack_object *body = NULL;
    (void)buffer;
    bool done = chord_unlock_is(record->request) ? chord_unlock_end(record, &body, &failure)
                                                 : end_counted(record, &body, &failure);
    if (done && failure.raised)
        done = tell_failed(record, body, &failure, ret);
    if (!done)
        ret->failure = record->canvas->failure;
}

void record_write(const struct record *record, struct outcome *ret, struct buffer *document)
{
    static const struct {
        const char *event;
        void (*write)(const struct record *record, struct outcome *ret, struct buffer *document);
    } events[] = {
        {"failure", on_failure},
        {"revoked", on_revoked},
        {"unknown", on_unknown},
        {"chord", on_chord},
    };
    struct text event = {NULL, 0};
    value_as_text(value_get(record->request->record, "event"), &event);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (text_equal(event, events[i].event)) {
            events[i].write(record, ret, document);
            return;
        }
    }
    failure_raise(&ret->failure, record->canvas->zone, "NotImplementedError",
                  "there is no record '%.*s'", text_quoted_size(event),
                  event.data == NULL ? "" : event.data);
}
