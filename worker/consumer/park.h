/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_CONSUMER_PARK_H
#define CELERIAC_CONSUMER_PARK_H

/* Messages that are due later than worker_eta_hold do not wait here: a copy goes to a delay queue
 * (delay.h), which gives it back to the queue it came from; then the original is acknowledged. So
 * do those that are due in two seconds or later while too many wait here already, so that neither
 * memory nor AMQP's window of 65,535 ends. */

#include <stdbool.h>

#include "worker/consumer/request.h"

enum { PARK_CROWD = 32768, PARK_CROWD_BYTES = 128 * 1024 * 1024 };

/* True if the request has been taken: it is on its way to a delay queue, and intake_keep gets it if
 * it cannot go there. */
bool park_take(struct request *request);

#endif
