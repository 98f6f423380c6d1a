/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns what a job says of its end. Knows neither how it ran nor where its result is stored. */

#include "worker/runtime/native/outcome.h"

#include <stdio.h>
#include <string.h>

#include "codec/frame.h"
#include "codec/result_message.h"
#include "worker/log/log.h"
#include "worker/runtime/native/pack.h"

enum {
    RESULT_TEXT_SIZE = 1024, /* bytes of a result's text for logs and events, with the null */
    /* Of a chord's part: it shares a frame with a document of about the same size. */
    MEMBER_MAX = 67 * 1024 * 1024,
};

static const char *const state_names[] = {
    [OUTCOME_SUCCESS] = "SUCCESS",   [OUTCOME_FAILURE] = "FAILURE",
    [OUTCOME_RETRY] = "RETRY",       [OUTCOME_IGNORED] = "IGNORED",
    [OUTCOME_REJECTED] = "REJECTED", [OUTCOME_UNDECODABLE] = "UNDECODABLE",
    [OUTCOME_INVALID] = "INVALID",
};

void outcome_fail_encoding(struct outcome *outcome, const char *serializer, int error,
                           msgpack_zone *zone)
{
    const char *what = outcome->state == OUTCOME_SUCCESS ? "result" : "exception";
    outcome->state = OUTCOME_FAILURE;
    failure_raise(&outcome->failure, zone, "kombu.exceptions.EncodeError",
                  "the task's %s cannot be encoded as %s: %s", what, serializer,
                  codec_strerror(error));
}

bool outcome_set_part(struct outcome *outcome, const struct after_part *part,
                      const struct document *document, struct canvas *canvas)
{
    struct document own = *document;
    struct buffer buffer;
    buffer_init(&buffer, MEMBER_MAX);
    own.task_id = part->task_id;
    int rc = document_write_member(&own, canvas->result_serializer, canvas->zone, &buffer);
    const char *copy =
        rc != 0 ? NULL
                : text_copy(canvas->zone, (struct text){(const char *)buffer.data, buffer.size});
    if (copy != NULL) {
        outcome->part = *part;
        outcome->member = (struct bytes){copy, buffer.size};
    } else if (rc == 0) {
        failure_raise_bare(&canvas->failure, "MemoryError");
    } else {
        failure_raise(&canvas->failure, canvas->zone, "kombu.exceptions.EncodeError",
                      "the part of a chord cannot be encoded: %s", codec_strerror(rc));
    }
    buffer_done(&buffer);
    return copy != NULL;
}

bool outcome_take_part(struct outcome *outcome, const struct request *request,
                       const struct task_body *body, const struct document *document,
                       struct canvas *canvas)
{
    const struct after_part part = after_part_of(request, body, document->result == NULL);
    return part.chord == NULL || outcome_set_part(outcome, &part, document, canvas);
}

/* What the repr of a failure is, and None where there is none. */
static void name_failure(const struct failure *failure, char *ret, size_t size)
{
    if (failure->raised)
        failure_text(failure, ret, size);
    else
        snprintf(ret, size, "None");
}

static void put_failure(struct pack *pack, const struct outcome *outcome, msgpack_zone *zone)
{
    char text[FAILURE_TEXT_SIZE];
    name_failure(&outcome->failure, text, sizeof(text));
    pack_string(pack, "exception");
    pack_string(pack, text);
    pack_string(pack, "traceback");
    pack_text(pack, failure_traceback(&outcome->failure, zone));
}

static void put_result(struct pack *pack, const struct outcome *outcome, msgpack_zone *zone)
{
    char text[RESULT_TEXT_SIZE];
    (void)zone;
    pack_string(pack, "result");
    pack_text(pack, (struct text){text, result_repr(&outcome->result, text, sizeof(text))});
}

static void put_requeue(struct pack *pack, const struct outcome *outcome, msgpack_zone *zone)
{
    (void)zone;
    pack_string(pack, "requeue");
    pack_bool(pack, outcome->requeue);
}

static void put_reason(struct pack *pack, const struct outcome *outcome, msgpack_zone *zone)
{
    (void)zone;
    pack_string(pack, "reason");
    pack_string(pack, outcome->reason);
}

static void put_part(struct pack *pack, const struct outcome *outcome)
{
    int64_t index;
    pack_string(pack, "chord");
    pack_map(pack, outcome->part.results.type == MSGPACK_OBJECT_ARRAY ? 2 : 3);
    pack_string(pack, "group");
    pack_text(pack, outcome->part.group);
    if (outcome->part.results.type == MSGPACK_OBJECT_ARRAY) {
        pack_string(pack, "results");
        pack_value(pack, &outcome->part.results);
        return;
    }
    pack_string(pack, "index");
    if (value_as_int(&outcome->part.index, &index))
        pack_int(pack, index);
    else
        pack_nil(pack);
    pack_string(pack, "member");
    pack_bytes(pack, outcome->member);
}

bool outcome_report(const struct outcome *outcome, msgpack_zone *zone, struct buffer *report)
{
    /* What a state has to say besides itself. */
    static const struct {
        void (*put)(struct pack *pack, const struct outcome *outcome, msgpack_zone *zone);
        size_t pairs;
    } details[] = {
        [OUTCOME_SUCCESS] = {put_result, 1},   [OUTCOME_FAILURE] = {put_failure, 2},
        [OUTCOME_RETRY] = {put_failure, 2},    [OUTCOME_IGNORED] = {NULL, 0},
        [OUTCOME_REJECTED] = {put_requeue, 1}, [OUTCOME_UNDECODABLE] = {put_reason, 1},
        [OUTCOME_INVALID] = {put_reason, 1},
    };
    bool has_part = outcome->part.group.data != NULL;
    struct pack pack;
    pack_init(&pack, report);
    pack_map(&pack, 2 + details[outcome->state].pairs + has_part);
    pack_string(&pack, "state");
    pack_string(&pack, state_names[outcome->state]);
    pack_string(&pack, "runtime");
    pack_double(&pack, outcome->runtime);
    if (details[outcome->state].put != NULL)
        details[outcome->state].put(&pack, outcome, zone);
    if (has_part)
        put_part(&pack, outcome);
    return !pack.broken;
}

enum { LABEL_SIZE = 512 };

/* "NAME[ID]", with the name that the message wants shown. */
static const char *label_of(const struct request *request, char ret[LABEL_SIZE])
{
    struct text name = request_header(request, "shadow");
    if (name.size == 0)
        name = request->task;
    snprintf(ret, LABEL_SIZE, "%.*s[%.*s]", (int)(name.size < 255 ? name.size : 255), name.data,
             (int)(request->id.size < 255 ? request->id.size : 255), request->id.data);
    log_clean(ret);
    return ret;
}

static void log_success(const struct outcome *outcome, const struct request *request)
{
    if (!log_enabled(LOG_INFO))
        return;
    char runtime[64], result[RESULT_TEXT_SIZE], label[LABEL_SIZE];
    msgpack_object seconds = value_double(outcome->runtime);
    result_repr(&seconds, runtime, sizeof(runtime));
    result_repr(&outcome->result, result, sizeof(result));
    log_clean(result);
    log_info("Task %s succeeded in %ss: %s", label_of(request, label), runtime, result);
}

static void log_failure(const struct outcome *outcome, const struct request *request,
                        msgpack_zone *zone)
{
    char text[FAILURE_TEXT_SIZE], label[LABEL_SIZE];
    failure_text(&outcome->failure, text, sizeof(text));
    struct text traceback = failure_traceback(&outcome->failure, zone);
    const char *separator = "";
    if (traceback.data == NULL) {
        traceback.data = "";
    } else {
        separator = "\n";
        traceback.size -= strlen("\n"); /* the line's own ends it */
    }
    log_error("Task %s raised unexpected: %s%s%.*s", label_of(request, label), text, separator,
              (int)traceback.size, traceback.data);
}

static void log_retry(const struct outcome *outcome, const struct request *request)
{
    char text[FAILURE_TEXT_SIZE], label[LABEL_SIZE], seconds[64];
    if (!log_enabled(LOG_INFO))
        return;
    msgpack_object countdown = outcome->countdown == (double)(int64_t)outcome->countdown
                                   ? value_int((int64_t)outcome->countdown)
                                   : value_double(outcome->countdown);
    result_repr(&countdown, seconds, sizeof(seconds));
    name_failure(&outcome->failure, text, sizeof(text));
    log_info("Task %s retry: Retry in %ss%s%s", label_of(request, label), seconds,
             outcome->failure.raised ? ": " : "", outcome->failure.raised ? text : "");
}

void outcome_log(const struct outcome *outcome, const struct request *request, msgpack_zone *zone)
{
    char label[LABEL_SIZE];
    if (outcome->state == OUTCOME_SUCCESS)
        log_success(outcome, request);
    else if (outcome->state == OUTCOME_FAILURE)
        log_failure(outcome, request, zone);
    else if (outcome->state == OUTCOME_RETRY)
        log_retry(outcome, request);
    else if (outcome->state == OUTCOME_IGNORED)
        log_info("Task %s ignored", label_of(request, label));
    else if (outcome->state == OUTCOME_REJECTED)
        log_warning("Task %s reject requeue=%s", label_of(request, label),
                    outcome->requeue ? "True" : "False");
}
