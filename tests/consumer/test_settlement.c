/* SPDX-License-Identifier: BSD-3-Clause */
/* The table alone; what a settlement does at the broker is shown in tests/interop and tests/faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/consumer/settlement.h"

enum { COUNT = 500 };

static struct request *new_request(const char *id, int64_t retries, int64_t losses, bool orphan)
{
    struct request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    request->kept_id = strdup(id);
    request->message.id = (struct text){request->kept_id, strlen(id)};
    request->message.retries = retries;
    request->losses = losses;
    request->orphan = orphan;
    return request;
}

static struct request *find(const struct settlement *settlement, const char *id, int64_t retries,
                            int64_t losses)
{
    struct request redelivered = {.message = {.id = {id, strlen(id)}, .retries = retries},
                                  .losses = losses};
    return settlement_find_orphan(settlement, &redelivered);
}

static void a_redelivery_finds_the_orphan_of_its_id(void **state)
{
    (void)state;
    struct settlement settlement;
    assert_true(settlement_init(&settlement));
    struct request *orphans[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char id[32];
        snprintf(id, sizeof(id), "id-%zu", i);
        orphans[i] = new_request(id, 0, 0, true);
        settlement_add(&settlement, orphans[i]);
    }
    assert_ptr_equal(find(&settlement, "id-7", 0, 0), orphans[7]);
    assert_ptr_equal(find(&settlement, "id-499", 0, 0), orphans[499]);
    assert_null(find(&settlement, "id-500", 0, 0));
    settlement_remove(&settlement, orphans[7]);
    assert_null(find(&settlement, "id-7", 0, 0));
    request_free(orphans[7]);
    assert_int_equal(settlement.count, COUNT - 1);
    settlement_done(&settlement);
}

static void only_the_same_try_of_a_task_is_attached(void **state)
{
    (void)state;
    struct settlement settlement;
    assert_true(settlement_init(&settlement));
    settlement_add(&settlement, new_request("a", 1, 1, true));
    settlement_add(&settlement, new_request("live", 0, 0, false));
    assert_non_null(find(&settlement, "a", 1, 1));
    assert_null(find(&settlement, "a", 0, 1));    /* another retry */
    assert_null(find(&settlement, "a", 1, 0));    /* from before a loss */
    assert_null(find(&settlement, "live", 0, 0)); /* its delivery stands */
    settlement_done(&settlement);
}

static void the_oldest_finished_request_is_found(void **state)
{
    (void)state;
    struct settlement settlement;
    assert_true(settlement_init(&settlement));
    struct request *first = new_request("first", 0, 0, true);
    struct request *second = new_request("second", 0, 0, true);
    struct request *third = new_request("third", 0, 0, true);
    settlement_add(&settlement, first);
    settlement_add(&settlement, second);
    settlement_add(&settlement, third);
    assert_null(settlement_oldest_finished(&settlement));
    third->state = REQUEST_FINISHED;
    second->state = REQUEST_FINISHED;
    assert_ptr_equal(settlement_oldest_finished(&settlement), second);
    settlement_done(&settlement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redelivery_finds_the_orphan_of_its_id),
        cmocka_unit_test(only_the_same_try_of_a_task_is_attached),
        cmocka_unit_test(the_oldest_finished_request_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
