/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the pool that only decide: verdicts, the order of the queue, the back-off. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/pool/queue.h"
#include "worker/pool/restart.h"
#include "worker/pool/verdict.h"

enum { BACK = -1 };

static const struct {
    struct verdict_facts facts;
    int verdict; /* or BACK */
    bool began;
} verdicts[] = {
    /* by itself: partly written; written; started; asked for STARTED and not; the same once too
       often */
    {{VERDICT_BY_ITSELF, false, false, false, false, 0}, BACK, false},
    {{VERDICT_BY_ITSELF, true, false, false, false, 0}, POOL_LOST, true},
    {{VERDICT_BY_ITSELF, true, true, true, false, 0}, POOL_LOST, true},
    {{VERDICT_BY_ITSELF, true, true, false, false, 0}, BACK, false},
    {{VERDICT_BY_ITSELF, true, true, false, false, 2 * 8 + 7}, BACK, false},
    {{VERDICT_BY_ITSELF, true, true, false, false, 3 * 8}, POOL_LOST, false},
    {{VERDICT_BY_ITSELF, false, false, false, false, 3 * 8}, POOL_LOST, false},
    /* while the pool stops */
    {{VERDICT_BY_ITSELF, false, false, false, true, 0}, POOL_RETURNED, false},
    {{VERDICT_BY_ITSELF, true, true, false, true, 3 * 8}, POOL_RETURNED, false},
    {{VERDICT_BY_ITSELF, true, false, false, true, 0}, POOL_LOST, true},
    {{VERDICT_STOP, true, true, false, true, 0}, POOL_RETURNED, false},
    {{VERDICT_STOP, true, false, false, true, 0}, POOL_TERMINATED, true},
    {{VERDICT_STOP, true, true, true, true, 0}, POOL_TERMINATED, true},
    /* asked for */
    {{VERDICT_HARD_LIMIT, true, true, true, false, 0}, POOL_TIME_LIMIT, true},
    {{VERDICT_HARD_LIMIT, true, true, true, true, 0}, POOL_TIME_LIMIT, true},
    {{VERDICT_KILL_JOB, true, true, true, false, 0}, POOL_TERMINATED, true},
    {{VERDICT_KILL_JOB, true, true, false, false, 0}, POOL_TERMINATED, false},
    {{VERDICT_KILL_JOB, false, false, false, true, 0}, POOL_TERMINATED, false},
};

static void a_verdict_follows_from_what_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        enum pool_verdict verdict = POOL_DONE;
        bool back = verdict_put_back(&verdicts[i].facts, &verdict);
        print_message("case %zu\n", i);
        assert_int_equal(back, verdicts[i].verdict == BACK);
        if (!back)
            assert_int_equal(verdict, verdicts[i].verdict);
        assert_int_equal(verdict_began(&verdicts[i].facts), verdicts[i].began);
    }
}

static void assert_order(const struct queue *queue, const uint64_t *numbers, size_t count)
{
    const struct pool_job *job = queue->head, *previous = NULL;
    for (size_t i = 0; i < count; i++, previous = job, job = job->next) {
        assert_int_equal(job->number, numbers[i]);
        assert_ptr_equal(job->previous, previous);
    }
    assert_null(job);
    assert_ptr_equal(queue->tail, previous);
    assert_int_equal(queue->count, count);
}

static void the_queue_is_in_the_order_of_numbers(void **state)
{
    (void)state;
    struct queue queue = {NULL, NULL, 0};
    struct pool_job jobs[7] = {{.number = 0}};
    static const int arrivals[] = {4, 5, 6, 2, 1, 3};
    for (int i = 0; i < 7; i++)
        jobs[i].number = (uint64_t)i;
    for (size_t i = 0; i < ARRAY_LEN(arrivals); i++)
        queue_insert(&queue, &jobs[arrivals[i]]);
    assert_order(&queue, (const uint64_t[]){1, 2, 3, 4, 5, 6}, 6);
    queue_remove(&queue, &jobs[1]);
    queue_remove(&queue, &jobs[6]);
    queue_remove(&queue, &jobs[4]);
    assert_order(&queue, (const uint64_t[]){2, 3, 5}, 3);
    queue_insert(&queue, &jobs[4]);
    queue_remove(&queue, &jobs[2]);
    queue_remove(&queue, &jobs[3]);
    queue_remove(&queue, &jobs[4]);
    queue_remove(&queue, &jobs[5]);
    assert_order(&queue, NULL, 0);
}

static void the_back_off_doubles_up_to_half_a_minute(void **state)
{
    (void)state;
    static const double delays[] = {0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30};
    struct restart restart = {0};
    double now = 1000;
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        restart_failed(&restart, now);
        restart_failed(&restart, now + 0.05); /* one of the same batch */
        if (delays[i] > 0)
            assert_false(restart_allowed(&restart, now + delays[i] - 0.001));
        assert_true(restart_allowed(&restart, now + delays[i]));
        now += delays[i];
    }
    restart_succeeded(&restart);
    restart_failed(&restart, now);
    assert_true(restart_allowed(&restart, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_follows_from_what_is_known),
        cmocka_unit_test(the_queue_is_in_the_order_of_numbers),
        cmocka_unit_test(the_back_off_doubles_up_to_half_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
