/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_BANNER_H
#define CELERIAC_CLI_BANNER_H

#include "broker/url.h"
#include "worker/cli/queues.h"
#include "worker/log/log.h"

struct banner {
    const char *nodename;
    const char *app; /* of -A; NULL: not given */
    enum log_level loglevel;
    const struct broker_url *url;
    const char *results; /* where, unless HELLO says it */
    unsigned concurrency;
    const struct queues *queues;
    const msgpack_object *description; /* HELLO's */
};

/* Writes the start banner to stdout, laid out as Celery's. */
void banner_print(const struct banner *banner);

#endif
