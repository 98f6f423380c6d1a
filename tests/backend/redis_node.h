/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_TESTS_BACKEND_REDIS_NODE_H
#define CELERIAC_TESTS_BACKEND_REDIS_NODE_H

/* A throwaway Redis (tests/support/redis.py), and a blocking client to look into it. */

#include <hiredis/hiredis.h>

/* As cmocka's group set-up and teardown. */
int redis_node_start(void **state);
int redis_node_stop(void **state);
/* "redis://127.0.0.1:PORT/0" */
const char *redis_node_url(void);
/* "restart", "stop", "start", "kill": fails the test if it does not work. */
void redis_node_command(const char *command);
/* A client of database 0; redisFree it. */
redisContext *redis_node_client(void);

#endif
