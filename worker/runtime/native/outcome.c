/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the shape of what a job leaves behind. Knows neither how it ran nor where its result is
 * stored. */

#include "worker/runtime/native/outcome.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/result_message.h"
#include "codec/serializer.h"
#include "worker/log/log.h"
#include "worker/runtime/native/pack.h"

enum { RESULT_TEXT_SIZE = 1024 }; /* bytes of a result's text for logs and events, with the null */

static const char *const state_names[] = {
    [OUTCOME_SUCCESS] = "SUCCESS",
    [OUTCOME_FAILURE] = "FAILURE",
    [OUTCOME_UNDECODABLE] = "UNDECODABLE",
    [OUTCOME_INVALID] = "INVALID",
};

static int64_t now_usec(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int write_document(const struct outcome *outcome, const struct request *request,
                          msgpack_zone *zone, const struct serializer *serializer,
                          struct buffer *document)
{
    struct result_message message = {.task_id = request->id,
                                     .status = state_names[outcome->state],
                                     .group_id = request_header(request, "group"),
                                     .parent_id = request_header(request, "parent_id"),
                                     .date_done = now_usec()};
    struct result_exception exception;
    msgpack_object message_text = outcome->failure.message;
    if (outcome->state == OUTCOME_SUCCESS) {
        message.result = &outcome->result;
    } else {
        exception = (struct result_exception){.type = outcome->failure.type,
                                              .module = outcome->failure.module,
                                              .arguments = {.type = MSGPACK_OBJECT_ARRAY}};
        if (!value_is_nil(&message_text))
            exception.arguments.via.array = (msgpack_object_array){1, &message_text};
        message.exception = &exception;
        message.traceback = failure_traceback(&outcome->failure, zone);
    }
    return result_message_write(&message, serializer, document);
}

/* What was too much for the encoder, in words for the client. */
static void replace_by_encode_error(struct outcome *outcome, const char *serializer, int error,
                                    msgpack_zone *zone)
{
    const char *what = outcome->state == OUTCOME_SUCCESS ? "result" : "exception";
    outcome->state = OUTCOME_FAILURE;
    failure_raise(&outcome->failure, zone, "kombu.exceptions.EncodeError",
                  "the task's %s cannot be encoded as %s: %s", what, serializer,
                  codec_strerror(error));
}

bool outcome_document(struct outcome *outcome, const struct request *request, msgpack_zone *zone,
                      struct buffer *document)
{
    if (request->ignore_result || outcome->state > OUTCOME_FAILURE)
        return true;
    const struct serializer *serializer = NULL;
    const char *name = text_copy(zone, request->result_serializer);
    if (name != NULL)
        serializer = serializer_by_name(name);
    if (serializer == NULL)
        serializer = serializer_by_name("json");
    int error = write_document(outcome, request, zone, serializer, document);
    if (error == 0)
        return true;
    replace_by_encode_error(outcome, serializer->name, error, zone);
    return write_document(outcome, request, zone, serializer, document) == 0;
}

static void put_failure(struct pack *pack, const struct failure *failure, msgpack_zone *zone)
{
    char text[FAILURE_TEXT_SIZE];
    failure_text(failure, text, sizeof(text));
    pack_string(pack, "exception");
    pack_string(pack, text);
    pack_string(pack, "traceback");
    pack_text(pack, failure_traceback(failure, zone));
}

static void put_result(struct pack *pack, const msgpack_object *result)
{
    char text[RESULT_TEXT_SIZE];
    pack_string(pack, "result");
    pack_text(pack, (struct text){text, result_repr(result, text, sizeof(text))});
}

bool outcome_report(const struct outcome *outcome, msgpack_zone *zone, struct buffer *report)
{
    struct pack pack;
    pack_init(&pack, report);
    pack_map(&pack, outcome->state == OUTCOME_FAILURE ? 4 : 3);
    pack_string(&pack, "state");
    pack_string(&pack, state_names[outcome->state]);
    pack_string(&pack, "runtime");
    pack_double(&pack, outcome->runtime);
    if (outcome->state == OUTCOME_SUCCESS) {
        put_result(&pack, &outcome->result);
    } else if (outcome->state == OUTCOME_FAILURE) {
        put_failure(&pack, &outcome->failure, zone);
    } else {
        pack_string(&pack, "reason");
        pack_string(&pack, outcome->reason);
    }
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

void outcome_log(const struct outcome *outcome, const struct request *request, msgpack_zone *zone)
{
    if (outcome->state == OUTCOME_SUCCESS)
        log_success(outcome, request);
    else if (outcome->state == OUTCOME_FAILURE)
        log_failure(outcome, request, zone);
}
