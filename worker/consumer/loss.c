/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the poison rule. Touches no queue and no process. */

#include "worker/consumer/loss.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum loss_action loss_decide(const struct loss_facts *facts)
{
    if (!facts->acks_late || !facts->reject_on_worker_lost)
        return LOSS_FAIL_ACK;
    if (facts->counted + 1 >= (int64_t)facts->max_losses)
        return LOSS_FAIL;
    return facts->queue_counts ? LOSS_REQUEUE : LOSS_REPUBLISH;
}

bool loss_queue_counts(const msgpack_object *headers)
{
    return value_get(headers, "x-delivery-count") != NULL;
}

int64_t loss_count(const msgpack_object *headers)
{
    int64_t count;
    if (!value_as_int(value_get(headers, "x-delivery-count"), &count) &&
        !value_as_int(value_get(headers, LOSS_HEADER), &count))
        return 0;
    return count > 0 ? count : 0;
}

void loss_describe(bool has_status, int wait_status, uint64_t job, char ret[LOSS_TEXT_SIZE])
{
    char cause[64] = "unknown status";
    if (has_status && WIFSIGNALED(wait_status)) {
        int number = WTERMSIG(wait_status);
        const char *name = sigabbrev_np(number);
        snprintf(cause, sizeof(cause), "signal %d (SIG%s)", number, name != NULL ? name : "?");
    } else if (has_status) {
        snprintf(cause, sizeof(cause), "exitcode %d", WEXITSTATUS(wait_status));
    }
    snprintf(ret, LOSS_TEXT_SIZE, "Worker exited prematurely: %s Job: %llu.", cause,
             (unsigned long long)job);
}
