/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CODEC_CLAIMS_H
#define CELERIAC_CODEC_CLAIMS_H

/* The claim page of PROTOCOL.md: memory shared by the main process and one child, with a word for
 * each JOB frame that is under way. Whoever changes the word from STAGED has the job: the child by
 * beginning it, the main process by taking it back. Since only one of them can find STAGED, a job
 * that was taken back never begins, and one that cannot be taken back has begun.
 *
 * Our child compares and exchanges. One that has no such operation may set the lowest bit instead,
 * which makes BEGUN of STAGED and REFUSED of WITHDRAWN. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec/base.h"

enum { CLAIMS_PAGE_SIZE = 4096, CLAIMS_WORDS = 64 };

/* The most JOB frames that are sent, and neither answered nor known to be skipped: words are never
 * used again before both sides are done with them. */
enum { CLAIMS_UNDER_WAY = 16 };

enum claims_word {
    CLAIMS_STAGED = 0,
    CLAIMS_BEGUN = 1,
    CLAIMS_WITHDRAWN = 2,
    CLAIMS_REFUSED = CLAIMS_WITHDRAWN | CLAIMS_BEGUN, /* withdrawn, and the child knows */
};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a word is shared by processes: no locks of libc");

/* At the beginning of the page. Frames are numbered from 0 by either side, in the socket's order.
 */
struct claims {
    _Atomic uint32_t words[CLAIMS_WORDS];
};

/* The main process, before it sends the frame. The socket orders this before the child's exchange.
 */
static inline void claims_stage(struct claims *claims, uint32_t frame)
{
    atomic_store_explicit(&claims->words[frame % CLAIMS_WORDS], CLAIMS_STAGED,
                          memory_order_release);
}

/* What the word was; it is `word` now if that was STAGED. */
static inline uint32_t claims_exchange(struct claims *claims, uint32_t frame, uint32_t word)
{
    uint32_t was = CLAIMS_STAGED;
    atomic_compare_exchange_strong_explicit(&claims->words[frame % CLAIMS_WORDS], &was, word,
                                            memory_order_acq_rel, memory_order_acquire);
    return was;
}

/* The child, before it opens anything of the job. False: it has been taken back, drop the frame. */
MUST_CHECK static inline bool claims_begin(struct claims *claims, uint32_t frame)
{
    return claims_exchange(claims, frame, CLAIMS_BEGUN) == CLAIMS_STAGED;
}

/* The main process. True: the job has not begun and never will, however often this is asked. */
MUST_CHECK static inline bool claims_withdraw(struct claims *claims, uint32_t frame)
{
    uint32_t was = claims_exchange(claims, frame, CLAIMS_WITHDRAWN);
    return was == CLAIMS_STAGED || was == CLAIMS_WITHDRAWN || was == CLAIMS_REFUSED;
}

static inline bool claims_begun(const struct claims *claims, uint32_t frame)
{
    return atomic_load_explicit(&claims->words[frame % CLAIMS_WORDS], memory_order_acquire) ==
           CLAIMS_BEGUN;
}

#endif
