/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_BROKER_PROXY_H
#define CELERIAC_TESTS_BROKER_PROXY_H

/* A TCP proxy on a thread that can be cut, and frozen as a network is when a cable is pulled. */

#include <stdbool.h>

struct proxy;

/* Forwards to 127.0.0.1:`target`; with 0 it accepts and never answers. */
struct proxy *proxy_new(int target);
void proxy_free(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);
/* Ends every connection there is. */
void proxy_cut(struct proxy *proxy);
/* Nothing is forwarded in either direction, and nothing is read, until it is thawed. */
void proxy_freeze(struct proxy *proxy, bool frozen);
/* Connections accepted so far. */
unsigned proxy_accepted(const struct proxy *proxy);

#endif
