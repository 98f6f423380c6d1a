/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_POOL_FORKSERVER_H
#define CELERIAC_POOL_FORKSERVER_H

/* One forkserver process. Its pool has at most one at a time. */

#include "worker/pool/internal.h"

MUST_CHECK int forkserver_start(struct pool *pool);
/* Ends one whose pool could not start: waits for it, which takes no time after a SIGKILL. */
void forkserver_abandon(struct forkserver *server);
/* True if a SPAWN can be sent now. */
bool forkserver_ready(const struct forkserver *server);
/* Hands a socket, and maybe a claim page (borrowed), to a new child. 0 or a negative errno. */
MUST_CHECK int forkserver_spawn(struct forkserver *server, const struct pool_child *child,
                                const int *descriptors, size_t count);
/* False: it is not up, or too much waits for it. */
bool forkserver_signal(struct forkserver *server, const char *name, struct bytes arguments);
void forkserver_leave(struct forkserver *server);
void forkserver_kill(struct forkserver *server, const char *why);
/* It has ended. `status` NULL: nobody knows how. */
void forkserver_exited(struct forkserver *server, const int *status);
/* Reads what it has sent. */
void forkserver_listen(struct forkserver *server);
/* The deadline has passed. */
void forkserver_expired(struct forkserver *server, double now);

#endif
