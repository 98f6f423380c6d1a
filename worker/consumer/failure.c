/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the choice between a record and a document. Writes neither. */

#include "worker/consumer/failure.h"

#include "worker/consumer/internal.h"

msgpack_object failure_argument(const struct failure *failure)
{
    if (failure->message != NULL)
        return value_string(failure->message);
    if (!failure->has_number)
        return value_nil();
    if (failure->number == (double)(int64_t)failure->number)
        return value_int(
            (int64_t)failure->number); /* Celery writes the limit as it was set: mostly an int */
    return value_double(failure->number);
}

void failure_prepare(struct request *request, const struct failure *failure)
{
    if (request->consumer->registry.records)
        record_prepare(request, failure);
    else
        document_write(request, failure);
}

void failure_finish(struct request *request)
{
    if (request->consumer->registry.records)
        record_submit(request);
    else
        finish_with(request, buffer_bytes(&request->document));
}

void failure_end(struct request *request, const struct failure *failure)
{
    failure_prepare(request, failure);
    failure_finish(request);
}
