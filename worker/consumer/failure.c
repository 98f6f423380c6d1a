/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns how the end of a task is told. Writes nothing down. */

#include "worker/consumer/failure.h"

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
