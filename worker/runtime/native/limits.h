/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_LIMITS_H
#define CELERIAC_NATIVE_LIMITS_H

/* The soft time limit in the child: SIGUSR1, queued with the number of the job that it is meant
 * for. */

#include <stdbool.h>
#include <stdint.h>

/* Handles SIGUSR1 from now on. */
void limits_install(void);
/* A job starts: a signal for it counts from now on. */
void limits_begin(uint64_t job);
/* The job has ended: signals are ignored. */
void limits_end(void);
/* True if the signal for the job that runs has come. Any thread. */
bool limits_reached(void);
/* Sleeps; false as soon as the limit is reached, without a gap between looking and sleeping. */
bool limits_sleep(double seconds);

#endif
