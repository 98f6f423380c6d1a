/* SPDX-License-Identifier: BSD-3-Clause */
/* A child and its main process race for the same jobs: one of them has each, never both. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/claims.h"

enum { FRAMES = 2000000, BATCH = CLAIMS_UNDER_WAY };

/* What both processes see. */
struct race {
    struct claims claims;
    _Atomic uint32_t staged, tried; /* frames, up to which it has come */
    uint8_t begun[FRAMES];
};

static void await(const _Atomic uint32_t *count, uint32_t value)
{
    while (atomic_load_explicit(count, memory_order_acquire) < value)
        sched_yield();
}

/* PROTOCOL.md's other way. */
static bool begin_by_setting_a_bit(struct claims *claims, uint32_t frame)
{
    _Atomic uint32_t *word = &claims->words[frame % CLAIMS_WORDS];
    atomic_fetch_or_explicit(word, 1, memory_order_acq_rel);
    return atomic_load_explicit(word, memory_order_acquire) == 1;
}

static void run_child(struct race *race, bool (*begin)(struct claims *, uint32_t))
{
    for (uint32_t frame = 0; frame < FRAMES; frame++) {
        await(&race->staged, frame + 1);
        race->begun[frame] = begin(&race->claims, frame);
        atomic_store_explicit(&race->tried, frame + 1, memory_order_release);
    }
}

static void run_race(bool (*begin)(struct claims *, uint32_t))
{
    struct race *race =
        mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(race, MAP_FAILED);
    uint8_t *withdrawn = calloc(FRAMES, 1);
    pid_t pid = fork();
    if (pid == 0) {
        run_child(race, begin);
        _exit(0);
    }
    for (uint32_t first = 0; first < FRAMES; first += BATCH) {
        for (uint32_t frame = first; frame < first + BATCH; frame++)
            claims_stage(&race->claims, frame);
        atomic_store_explicit(&race->staged, first + BATCH, memory_order_release);
        /* They meet at a different place each time. */
        await(&race->tried, first + first / BATCH % BATCH);
        for (uint32_t frame = first + BATCH; frame-- > first;)
            withdrawn[frame] = claims_withdraw(&race->claims, frame);
        await(&race->tried, first + BATCH);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    uint32_t begun = 0;
    for (uint32_t frame = FRAMES - CLAIMS_WORDS; frame < FRAMES; frame++) {
        assert_int_equal(claims_withdraw(&race->claims, frame), withdrawn[frame]);
        assert_int_equal(claims_begun(&race->claims, frame), race->begun[frame]);
    }
    for (uint32_t frame = 0; frame < FRAMES; frame++) {
        assert_int_equal(race->begun[frame] + withdrawn[frame], 1);
        begun += race->begun[frame];
    }
    print_message("%u begun, %u withdrawn\n", begun, FRAMES - begun);
    assert_true(begun > 0 && begun < FRAMES);
    free(withdrawn);
    munmap(race, sizeof(*race));
}

static void exactly_one_has_each_job(void **state)
{
    (void)state;
    run_race(claims_begin);
}

static void exactly_one_has_each_job_if_the_child_sets_a_bit(void **state)
{
    (void)state;
    run_race(begin_by_setting_a_bit);
}

static void a_withdrawn_job_stays_withdrawn(void **state)
{
    (void)state;
    struct claims claims;
    claims_stage(&claims, 70);
    assert_false(claims_begun(&claims, 70));
    assert_true(claims_withdraw(&claims, 70));
    assert_true(claims_withdraw(&claims, 70));
    assert_false(claims_begin(&claims, 70));
    assert_true(claims_withdraw(&claims, 70));
}

static void a_withdrawn_job_stays_so_when_the_child_has_set_its_bit(void **state)
{
    (void)state;
    struct claims claims;
    claims_stage(&claims, 5);
    assert_true(claims_withdraw(&claims, 5));
    assert_false(begin_by_setting_a_bit(&claims, 5));
    assert_int_equal(claims.words[5], 3);
    assert_true(claims_withdraw(&claims, 5));
    assert_false(claims_begun(&claims, 5));
    claims_stage(&claims, 5 + CLAIMS_WORDS);
    assert_true(begin_by_setting_a_bit(&claims, 5 + CLAIMS_WORDS));
    assert_true(claims_begun(&claims, 5 + CLAIMS_WORDS));
    assert_false(claims_withdraw(&claims, 5 + CLAIMS_WORDS));
}

static void a_begun_job_is_never_withdrawn(void **state)
{
    (void)state;
    struct claims claims;
    claims_stage(&claims, 7);
    assert_true(claims_begin(&claims, 7));
    assert_true(claims_begun(&claims, 7));
    assert_false(claims_withdraw(&claims, 7));
    assert_false(claims_begin(&claims, 7));
    assert_true(claims_begun(&claims, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_one_has_each_job),
        cmocka_unit_test(exactly_one_has_each_job_if_the_child_sets_a_bit),
        cmocka_unit_test(a_withdrawn_job_stays_withdrawn),
        cmocka_unit_test(a_withdrawn_job_stays_so_when_the_child_has_set_its_bit),
        cmocka_unit_test(a_begun_job_is_never_withdrawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
