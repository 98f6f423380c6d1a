/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the order of messages with one task id. A task that retries sends its next message before it
 * has stored RETRY; if another child took that message at once, RETRY could be stored last and stay
 * for ever. So a message waits here until the request with its id that came before it has ended. */

#include "worker/consumer/internal.h"

static bool can_be_followed(const struct request *request)
{
    return request->state >= REQUEST_BEHIND && request->state < REQUEST_FINISHED &&
           request->follower == NULL;
}

bool behind_wait(struct request *request)
{
    struct request *leader =
        settlement_find_other(&request->consumer->settlement, request, can_be_followed);
    if (leader == NULL)
        return false;
    leader->follower = request;
    request->leader = leader;
    request_set_state(request, REQUEST_BEHIND);
    return true;
}

void behind_leave(struct request *request)
{
    struct request *leader = request->leader;
    struct request *follower = request->follower;
    request->leader = request->follower = NULL;
    if (leader != NULL)
        leader->follower = follower;
    if (follower == NULL)
        return;
    follower->leader = leader;
    if (leader == NULL)
        waiting_add(follower, 0);
}
