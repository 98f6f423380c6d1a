/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the steps of a chord's part: into the backend, the record of the chord's end if it was the
 * last one, the chord's keys out of the backend. Must not know what a chord's body is. */

#include "worker/consumer/chord.h"

#include <stdlib.h>
#include <string.h>

#include "worker/consumer/internal.h"
#include "worker/log/log.h"

struct chord {
    struct text group;
    struct backend_part part;
    struct text *ids; /* instead of a part: of the tasks whose results are asked for */
    size_t id_count;
    bool ending;        /* all parts are there: a child starts the body, or fails it */
    bool failing;       /* it has been told to fail it */
    struct chord *next; /* that the body was a part of */
    max_align_t data[];
};

/* ---- what a report says ---- */

static struct chord *chord_new(struct text group, struct text member)
{
    struct chord *chord = calloc(1, sizeof(*chord) + group.size + member.size);
    if (chord == NULL)
        return NULL;
    char *place = (char *)chord->data;
    memcpy(place, group.data, group.size);
    memcpy(place + group.size, member.data, member.size);
    chord->group = (struct text){place, group.size};
    chord->part.group_id = chord->group;
    chord->part.member = (struct bytes){place + group.size, member.size};
    return chord;
}

static size_t size_of_ids(const msgpack_object *ids)
{
    size_t size = 0;
    struct text id;
    for (size_t i = 0; value_as_text(value_at(ids, i), &id); i++)
        size += sizeof(struct text) + id.size;
    return size;
}

static struct chord *chord_new_look(struct text group, const msgpack_object *ids)
{
    size_t size = size_of_ids(ids);
    struct text id;
    struct chord *chord = calloc(1, sizeof(*chord) + size + group.size);
    if (chord == NULL)
        return NULL;
    chord->ids = (struct text *)chord->data;
    while (value_as_text(value_at(ids, chord->id_count), &id))
        chord->id_count++;
    char *place = (char *)(chord->ids + chord->id_count);
    for (size_t i = 0; i < chord->id_count && value_as_text(value_at(ids, i), &id); i++) {
        chord->ids[i] = (struct text){memcpy(place, id.data, id.size), id.size};
        place += id.size;
    }
    chord->group = (struct text){memcpy(place, group.data, group.size), group.size};
    return chord;
}

static struct chord *chord_read(const struct request *request, const msgpack_object *report)
{
    const msgpack_object *said = value_get(report, "chord");
    const msgpack_object *ids = value_get(said, "results");
    struct text group, member = {"", 0};
    if (!value_as_text(value_get(said, "group"), &group) ||
        (ids == NULL && !value_as_bytes(value_get(said, "member"), &member)))
        return NULL;
    struct chord *chord = ids != NULL ? chord_new_look(group, ids) : chord_new(group, member);
    if (chord == NULL)
        log_critical("Out of memory: the chord of task %s will not end", request_label(request));
    else
        chord->part.has_index = value_as_int(value_get(said, "index"), &chord->part.index);
    return chord;
}

static void set(struct request *request, struct chord *chord)
{
    struct consumer *consumer = request->consumer;
    consumer->joining += chord != NULL;
    consumer->joining -= request->chord != NULL;
    request->chord = chord;
}

void chord_keep(struct request *request, const msgpack_object *report)
{
    struct chord *chord = chord_read(request, report);
    if (chord == NULL)
        return;
    chord_drop(request);
    set(request, chord);
}

void chord_drop(struct request *request)
{
    while (request->chord != NULL) {
        struct chord *next = request->chord->next;
        free(request->chord);
        request->chord = next;
        request->consumer->joining -= next == NULL;
    }
}

bool chord_is_ending(const struct request *request)
{
    return request->chord != NULL && request->chord->ending;
}

/* ---- the end of it ---- */

/* On with the chord that the body was a part of, if any. */
static void leave(struct request *request)
{
    struct chord *chord = request->chord, *next = chord->next;
    set(request, next);
    free(chord);
    chord_go_on(request);
}

static void give_up(struct request *request, const char *error)
{
    if (request->consumer->state >= CONSUMER_FLUSHING) {
        request->follow_ups.given_up = true;
        chord_drop(request);
        finish_close(request, request->verb);
        return;
    }
    log_error("Task %s: its part in the chord %.*s is lost: %s", request_label(request),
              text_quoted_size(request->chord->group), request->chord->group.data, error);
    leave(request);
}

static void on_removed(void *context, const char *error)
{
    struct request *request = context;
    if (error != NULL)
        log_warning("Task %s: the keys of its chord could not be removed: %s",
                    request_label(request), error);
    leave(request);
}

static void remove_keys(struct request *request)
{
    if (request->consumer->state >= CONSUMER_CLOSING) {
        leave(request); /* they expire */
        return;
    }
    switch (
        backend_end_chord(request->consumer->backend, request->chord->group, on_removed, request)) {
    case BACKEND_PENDING:
        break;
    case BACKEND_FULL:
        stalled_add(request, remove_keys);
        break;
    case BACKEND_NOTHING:
    case BACKEND_FAILED:
        leave(request);
    }
}

/* ---- the record of it ---- */

static void record(struct request *request, const struct backend_parts *parts, const char *error)
{
    request->chord->ending = true;
    request->chord->failing = error != NULL;
    request->follow_ups.refused = request->follow_ups.failed = false;
    record_prepare_chord(request, parts, error);
    record_submit(request);
}

/* The record's messages are with the broker: the body is on its way, or its end is told. */
static void on_followed(struct request *request)
{
    const struct follow_ups *sent = &request->follow_ups;
    if (sent->given_up)
        give_up(request, "the worker stops");
    else if (sent->refused && !request->chord->failing)
        record(request, NULL, "Callback error: the broker has not taken the message");
    else if (request->chord->failing || sent->failed || request->chord->ids != NULL)
        leave(request);
    else
        remove_keys(request);
}

void chord_ended(struct request *request, const msgpack_object *report)
{
    struct chord *next = chord_read(request, report);
    if (next != NULL) {
        free(request->chord->next);
        request->chord->next = next;
    }
    request_set_state(request, REQUEST_JOINING);
    follow_up_then(request, on_followed);
}

/* ---- the part ---- */

static void on_added(void *context, const char *error, const struct backend_parts *parts)
{
    struct request *request = context;
    if (parts != NULL)
        record(request, parts, error);
    else if (error != NULL)
        give_up(request, error);
    else
        leave(request);
}

static enum backend_answer ask(struct request *request)
{
    const struct chord *chord = request->chord;
    struct backend *backend = request->consumer->backend;
    if (chord->ids != NULL)
        return backend_get_results(backend, chord->ids, chord->id_count, on_added, request);
    return backend_add_part(backend, &chord->part, on_added, request);
}

static void add_part(struct request *request)
{
    request_set_state(request, REQUEST_JOINING);
    switch (ask(request)) {
    case BACKEND_PENDING:
        break;
    case BACKEND_FULL:
        stalled_add(request, add_part);
        break;
    case BACKEND_NOTHING:
    case BACKEND_FAILED:
        give_up(request, "the result backend cannot keep it");
    }
}

void chord_go_on(struct request *request)
{
    struct consumer *consumer = request->consumer;
    /* Elsewhere a task of Celery's looks after chords (celery-wire.md 5.5). */
    if (request->chord != NULL && !backend_has_chords(consumer->backend))
        chord_drop(request);
    if (request->chord == NULL)
        finish_close(request, request->verb);
    else if (consumer->state >= CONSUMER_CLOSING)
        give_up(request, "the worker stops");
    else
        add_part(request);
}
