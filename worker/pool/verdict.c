/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the rules of PROTOCOL.md about jobs whose child is gone. Must not know how any of the facts
 * was found out. */

#include "worker/pool/verdict.h"

bool verdict_began(const struct verdict_facts *facts)
{
    return facts->started || (facts->written && !facts->want_started);
}

bool verdict_put_back(const struct verdict_facts *facts, enum pool_verdict *ret)
{
    static const enum pool_verdict by_reason[] = {
        [VERDICT_BY_ITSELF] = POOL_LOST,
        [VERDICT_HARD_LIMIT] = POOL_TIME_LIMIT,
        [VERDICT_KILL_JOB] = POOL_TERMINATED,
        [VERDICT_STOP] = POOL_TERMINATED,
    };
    bool asked_for = facts->reason == VERDICT_HARD_LIMIT || facts->reason == VERDICT_KILL_JOB;
    if (!asked_for && !verdict_began(facts)) {
        if (facts->stopping) {
            *ret = POOL_RETURNED;
            return false;
        }
        if (facts->returned < VERDICT_RETURNS_MAX)
            return true;
    }
    *ret = by_reason[facts->reason];
    return false;
}
