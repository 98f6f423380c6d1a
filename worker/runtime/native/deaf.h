/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_NATIVE_DEAF_H
#define CELERIAC_NATIVE_DEAF_H

/* Makes this process, and those that it forks, deaf to the signals that are meant for the main
 * process or for its whole group, and to SIGPIPE: a task that writes to a closed socket gets EPIPE,
 * as in Python. Programs that they start are not deaf. */
void deaf_become(void);

#endif
