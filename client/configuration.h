/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_CONFIGURATION_H
#define CELERIAC_CLIENT_CONFIGURATION_H

/* A client's settings as they are used: checked, with the defaults filled in, and its own. */

#include "client/source.h"
#include "codec/serializer.h"

enum { CONFIGURATION_SECONDS_MAX = 366 * 24 * 3600 }; /* of any time that can be given */

struct configuration {
    msgpack_zone *zone; /* of the strings */
    struct celeriac_client_config settings;
    const struct serializer *serializer;
    struct station_config brokers;
    const struct source_type *source; /* NULL: there are no results */
};

/* `given_size` bytes of the struct are there. On failure there is nothing to end. */
MUST_CHECK int configuration_init(struct configuration *configuration,
                                  const struct celeriac_client_config *given, size_t given_size,
                                  struct report *report);
void configuration_done(struct configuration *configuration);

/* A struct of `size` bytes from the caller's, which may be that of an older header, or of a newer
 * one: what it lacks is 0. */
void configuration_copy_sized(void *ret, size_t size, const void *given, size_t given_size);

#endif
