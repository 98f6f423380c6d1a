/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the records: ends of tasks that a child writes down for us, as jobs of the tasks' own
 * requests (PROTOCOL.md, "Records"). Must not know what led to them. */

#include <stdio.h>

#include "codec/frame.h"
#include "worker/consumer/internal.h"
#include "worker/consumer/packing.h"
#include "worker/log/log.h"

enum { TRIES_MAX = 3, PHRASE_SIZE = 96 };

static const char CHORD[] = "chord";

/* What it is that a child writes down, for logs. */
static const char *phrase_of(const struct request *request, char ret[PHRASE_SIZE])
{
    if (request->recorded == CHORD)
        snprintf(ret, PHRASE_SIZE, "the end of its chord");
    else
        snprintf(ret, PHRASE_SIZE, "its end (%s)", request->recorded);
    return ret;
}

/* The packed request is there: it becomes the job. */
static void make_job(struct request *request, const char *recorded)
{
    request->recorded = recorded;
    request->record_tries = 0;
    request->job = (struct pool_job){
        .request = buffer_bytes(&request->packed),
        .body = request->message.body,
    };
}

void record_prepare(struct request *request, const struct failure *failure)
{
    request->recorded = NULL;
    if (!request->consumer->registry.records)
        return;
    buffer_clear(&request->packed, 0);
    int error = packing_request(request, failure, &request->packed);
    if (error == 0)
        make_job(request, failure->type);
    else
        log_error("Task %s: its end (%s) cannot be handed to a child that records it: %s",
                  request_label(request), failure->type, codec_strerror(error));
}

static int pack_chord(struct request *request, const struct backend_parts *parts, const char *error)
{
    buffer_clear(&request->packed, 0);
    request->packed.limit = FRAME_MAX / 2; /* the body goes with it */
    return packing_chord(request, parts, error, &request->packed);
}

void record_prepare_chord(struct request *request, const struct backend_parts *parts,
                          const char *error)
{
    int rc = pack_chord(request, parts, error);
    if (rc == CODEC_ETOOBIG)
        rc = pack_chord(request, NULL, "Join error: the results of its parts are too large");
    request->recorded = NULL;
    if (rc == 0)
        make_job(request, CHORD);
    else
        log_error("Task %s: the end of its chord cannot be handed to a child: %s",
                  request_label(request), codec_strerror(rc));
}

/* The worker stops, and nothing is run any more. */
static void abandon(struct request *request)
{
    char phrase[PHRASE_SIZE];
    phrase_of(request, phrase);
    if (request->settled) {
        log_error("Task %s: %s was not recorded, as the worker stops; it had been acknowledged "
                  "early",
                  request_label(request), phrase);
        finish_close(request, BROKER_ACK);
    } else {
        log_warning("Task %s: %s was not recorded, as the worker stops: it goes back to its queue",
                    request_label(request), phrase);
        finish_close(request, BROKER_NACK_REQUEUE);
    }
}

void record_submit(struct request *request)
{
    if (request->recorded == NULL) {
        finish_close(request, request->verb);
    } else if (request->consumer->state > CONSUMER_DRAINING) {
        abandon(request);
    } else {
        request->record_tries++;
        jobs_submit(request, REQUEST_RECORDING);
    }
}

void record_failure(struct request *request, const struct failure *failure)
{
    record_prepare(request, failure);
    record_submit(request);
}

static void fail(struct request *request, struct text why)
{
    char phrase[PHRASE_SIZE];
    phrase_of(request, phrase);
    if (request->record_tries < TRIES_MAX) {
        log_warning("Task %s: %s could not be recorded and is tried again: %.*s",
                    request_label(request), phrase, text_quoted_size(why), why.data);
        record_submit(request);
        return;
    }
    log_error("Task %s: %s could not be recorded, tried %d times: %.*s", request_label(request),
              phrase, TRIES_MAX, (int)why.size, why.data);
    finish_close(request, request->verb);
}

static void succeed(struct request *request, const struct pool_ending *ending)
{
    if (chord_is_ending(request)) {
        chord_ended(request, ending->report);
        return;
    }
    chord_keep(request, ending->report);
    finish_with(request, (struct bytes){ending->document.data, ending->document.size});
}

static void end_done(struct request *request, const struct pool_ending *ending)
{
    struct text state = {"no state", 8};
    value_as_text(value_get(ending->report, "state"), &state);
    if (text_equal(state, "SUCCESS")) {
        succeed(request, ending);
        return;
    }
    struct text why = state;
    if (!value_as_text(value_get(ending->report, "exception"), &why))
        value_as_text(value_get(ending->report, "reason"), &why);
    fail(request, why);
}

void record_ended(struct request *request, const struct pool_ending *ending)
{
    static const char lost[] = "the process that was to record it is gone";
    if (ending->verdict == POOL_DONE)
        end_done(request, ending);
    else if (ending->verdict == POOL_TERMINATED || ending->verdict == POOL_RETURNED)
        abandon(request);
    else
        fail(request, (struct text){lost, sizeof(lost) - 1});
}
