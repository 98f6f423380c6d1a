/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the records: ends of tasks that a child writes down for us, as jobs of the tasks' own
 * requests (PROTOCOL.md, "Records"). Must not know what led to them. */

#include "worker/consumer/internal.h"
#include "worker/consumer/packing.h"
#include "worker/log/log.h"

enum { TRIES_MAX = 3 };

void record_prepare(struct request *request, const struct failure *failure)
{
    struct pool_job *job = &request->job;
    request->recorded = NULL;
    if (failure->event == NULL)
        return;
    buffer_clear(&request->packed, 0);
    int error = packing_request(request, failure, &request->packed);
    if (error != 0) {
        log_error("Task %s: its end (%s) cannot be handed to a child that records it: %s",
                  request_label(request), failure->type, codec_strerror(error));
        return;
    }
    request->recorded = failure->type;
    request->record_tries = 0;
    *job = (struct pool_job){
        .request = buffer_bytes(&request->packed),
        .body = request->message.body,
    };
}

/* The worker stops, and nothing is run any more. */
static void abandon(struct request *request)
{
    if (request->settled) {
        log_error("Task %s: its end (%s) was not recorded, as the worker stops; it had been "
                  "acknowledged early",
                  request_label(request), request->recorded);
        finish_close(request, BROKER_ACK);
    } else {
        log_warning("Task %s: its end (%s) was not recorded, as the worker stops: it goes back to "
                    "its queue",
                    request_label(request), request->recorded);
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

static void fail(struct request *request, struct text why)
{
    if (request->record_tries < TRIES_MAX) {
        log_warning("Task %s: its end (%s) could not be recorded and is tried again: %.*s",
                    request_label(request), request->recorded, text_quoted_size(why), why.data);
        record_submit(request);
        return;
    }
    log_error("Task %s: its end (%s) could not be recorded, tried %d times: %.*s",
              request_label(request), request->recorded, TRIES_MAX, (int)why.size, why.data);
    finish_close(request, request->verb);
}

static void end_done(struct request *request, const struct pool_ending *ending)
{
    struct text state = {"no state", 8};
    value_as_text(value_get(ending->report, "state"), &state);
    if (text_equal(state, "SUCCESS")) {
        finish_with(request, (struct bytes){ending->document.data, ending->document.size});
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
