/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the handlers that do nothing. They are handlers, since a program that is started begins with
 * the default in place of a handler, but inherits that a signal is ignored. */

#include "worker/runtime/native/deaf.h"

#include <signal.h>
#include <stddef.h>

#include "codec/base.h"

static void do_nothing(int number)
{
    (void)number;
}

void deaf_become(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        sigaction(numbers[i], &action, NULL);
}
