/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_FUZZ_FUZZ_H
#define CELERIAC_TESTS_FUZZ_FUZZ_H

/* What the targets share. */

#include <stddef.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* A promise that must hold whatever the input is. */
#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#endif
