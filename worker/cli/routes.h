/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLI_ROUTES_H
#define CELERIAC_CLI_ROUTES_H

/* task_routes as a line of text can say it: "feed.*=feeds, images.resize=images", or Celery's
 * dictionary as JSON: {"feed.*": {"queue": "feeds"}, "images.resize": "images"}. */

#include "worker/consumer/consumer.h"

enum { ROUTES_ERROR_SIZE = 512 };

struct routes {
    struct routing_rule *items;
    size_t count;
    msgpack_zone *zone; /* of all of it */
};

/* `text` NULL: no routes. -1, and nothing to free, with a sentence in `error`. */
MUST_CHECK int routes_read(struct routes *routes, const char *text, char error[ROUTES_ERROR_SIZE]);
void routes_done(struct routes *routes);

#endif
