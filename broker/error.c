/* SPDX-License-Identifier: BSD-3-Clause */
/* The words for enum broker_error. */

#include "broker/broker.h"

const char *broker_strerror(int error)
{
    static const char *const words[] = {
        [-BROKER_OK] = "no error",
        [-BROKER_ENOMEM] = "out of memory",
        [-BROKER_EFULL] = "the outbox is full",
        [-BROKER_EINVALID] = "a name or header that AMQP cannot carry",
        [-BROKER_ECLOSED] = "the broker was stopped",
    };
    if (error > 0 || -error >= (int)ARRAY_LEN(words))
        return "unknown error";
    return words[-error];
}
