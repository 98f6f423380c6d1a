/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_CONNECT_H
#define CELERIAC_BROKER_CONNECT_H

/* TCP, TLS, login and channels: all that may wait. Runs on a helper thread and touches nothing but
 * its arguments. */

#include <amqp.h>

#include "broker/url.h"
#include "broker/words.h"

enum connect_error {
    CONNECT_FAILED = -1,  /* worth another try */
    CONNECT_REFUSED = -2, /* the server knows us and says no: user or password */
};

struct connect_params {
    const struct broker_url *url;
    const char *product, *version;
    double timeout;    /* seconds for everything together, DNS excepted */
    double heartbeat;  /* seconds proposed; 0: none */
    unsigned channels; /* opened as 1, 2 ... */
    bool confirms;     /* confirm.select on channel 1 */
};

struct connect_result {
    amqp_connection_state_t amqp; /* the caller owns it */
    unsigned heartbeat;           /* seconds agreed on; librabbitmq sends and checks none */
};

/* 0 and an open connection, or an error and words that name no password. */
MUST_CHECK int connect_run(const struct connect_params *params, struct connect_result *ret,
                           char text[WORDS_SIZE]);
/* Tells the kernel how long sent data may stay unacknowledged before the connection is dead; 0
 * seconds: as the system does. */
void connect_set_user_timeout(int fd, unsigned seconds);
/* The same, longer than the heartbeat (seconds) takes to notice. `blocked`: the server reads
 * nothing on purpose, and what waits for it must not count as lost. */
void connect_set_patience(int fd, unsigned heartbeat, bool blocked);

#endif
