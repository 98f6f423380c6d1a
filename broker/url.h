/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_URL_H
#define CELERIAC_BROKER_URL_H

/* Broker URLs as Celery reads them (celery-wire.md 8.4):
 * amqp://user:password@host:port/vhost?query, several separated by
 * ';'. Schemes amqp, pyamqp, librabbitmq; amqps with TLS where librabbitmq was built with it. */

#include <stdbool.h>
#include <stddef.h>

#include "codec/base.h"

enum { BROKER_URLS_MAX = 16, BROKER_URL_PART_MAX = 256, BROKER_URL_ERROR_SIZE = 256 };

struct broker_url {
    double heartbeat;          /* seconds; -1: not named in the query */
    double connection_timeout; /* seconds; -1: not named */
    int port;                  /* 5672, with TLS 5671 */
    bool tls;
    bool tls_verify; /* false with ssl_cert_reqs=CERT_NONE */
    char user[BROKER_URL_PART_MAX], password[BROKER_URL_PART_MAX]; /* guest, guest */
    char host[BROKER_URL_PART_MAX];  /* "localhost" becomes 127.0.0.1, as in kombu */
    char vhost[BROKER_URL_PART_MAX]; /* percent-decoded; empty or missing: "/" */
    char ca_file[BROKER_URL_PART_MAX], cert_file[BROKER_URL_PART_MAX],
        key_file[BROKER_URL_PART_MAX];
};

/* Parses `text` into ret[0..*ret_count). 0, or -1 with a sentence in `error` that names the URL's
 * part, never its password. */
MUST_CHECK int broker_urls_parse(const char *text, struct broker_url ret[BROKER_URLS_MAX],
                                 size_t *ret_count, char error[BROKER_URL_ERROR_SIZE]);

/* "amqp://guest:**@127.0.0.1:5672//" as Celery's log shows it. */
void broker_url_masked(const struct broker_url *url, char *ret, size_t size);

#endif
