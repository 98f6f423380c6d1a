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
    return LOSS_REPUBLISH;
}

static int64_t count_of(const msgpack_object *headers, const char *name)
{
    int64_t count;
    return value_as_int(value_get(headers, name), &count) && count > 0 ? count : 0;
}

int64_t loss_count(const msgpack_object *headers)
{
    return count_of(headers, LOSS_HEADER);
}

bool loss_suspect(const msgpack_object *headers, unsigned max_losses)
{
    int64_t last_chance = (int64_t)max_losses - 1;
    return last_chance > 0 && (loss_count(headers) >= last_chance ||
                               count_of(headers, "x-delivery-count") >= last_chance);
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
