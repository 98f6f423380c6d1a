/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_BANNER_H
#define CELERIAC_CLI_BANNER_H

#include "broker/url.h"
#include "worker/cli/options.h"
#include "worker/cli/queues.h"

struct banner {
    const char *nodename;
    const struct options *options;
    const struct broker_url *url;
    const char *results;
    unsigned concurrency;
    const struct queues *queues;
    const msgpack_object *description; /* HELLO's */
};

/* Writes the start banner to stdout, laid out as Celery's. */
void banner_print(const struct banner *banner);

#endif
