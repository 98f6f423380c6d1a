/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CLIENT_SOURCE_H
#define CELERIAC_CLIENT_SOURCE_H

/* Where results come from: one of a table of sources, chosen by the URL of the result backend. */

#include "client/report.h"
#include "client/station.h"
#include "codec/buffer.h"

struct source_config {
    struct waiting *waiting;
    const char *url;
    const char *key_prefix;               /* "": none */
    const char *reply_to;                 /* the name of the reply queue */
    const struct station_config *brokers; /* for rpc:// */
    double expires;                       /* seconds */
    double connection_timeout;            /* seconds */
};

/* A result document that has come. */
struct document {
    struct buffer body;
    char content_type[64]; /* "": look at the body */
    bool final;            /* its state is the last one */
};

/* Every function that waits has a deadline, of the loop's time; errors are those of
 * celeriac/client.h, with a sentence. */
struct source_type {
    const char *schemes[6]; /* without "://"; NULL behind the last */
    /* Makes what is passed as `self`. Borrows the configuration for its life. */
    int (*open)(const struct source_config *config, void **ret, struct report *report);
    void (*close)(void *self);
    /* A task is about to be sent, whose result will be wanted: be ready for it. */
    int (*expect)(void *self, const char *id, uint64_t deadline, struct report *report);
    /* It was not sent. */
    void (*cancel)(void *self, const char *id);
    /* Its result is not wanted. */
    int (*forget)(void *self, const char *id, uint64_t deadline, struct report *report);
    /* Waits for a document; with `final` for one whose state is the last. 0: *ret has it, an empty
     * one if nothing is known. ETIMEOUT only with `final`. The caller ends *ret's body. */
    int (*fetch)(void *self, const char *id, bool final, uint64_t deadline, struct document *ret,
                 struct report *report);
};

extern const struct source_type source_mailbox, source_redis;

#endif
