/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_LINK_H
#define CELERIAC_BROKER_LINK_H

/* One AMQP connection on the loop, from the attempt to connect to its end; a reconnect is a new
 * link. It reads and writes without waiting, and looks after the heartbeats. */

#include <uv.h>

#include "broker/connect.h"

struct link;

struct link_handler {
    void (*on_open)(void *context);
    /* Never opened; `refused`: trying again is useless. */
    void (*on_failed)(void *context, bool refused, const char *text);
    /* A frame of channel 1 or above. What it points to is gone after the call. */
    void (*on_frame)(void *context, const amqp_frame_t *frame);
    void (*on_blocked)(void *context, bool blocked);
    /* There is room again after link_may_send said no. */
    void (*on_writable)(void *context);
    /* Gone: closed by the server (`code` is the server's, else 0), by the network, or after
     * link_end. */
    void (*on_lost)(void *context, int code, const char *text);
    /* The memory of a link is gone: the last call. */
    void (*on_freed)(void *context);
};

/* Starts connecting. What `params` points to, and `handler`, are borrowed until on_freed. NULL: out
 * of memory. */
struct link *link_open(uv_loop_t *loop, const struct connect_params *params,
                       const struct link_handler *handler, void *context);
/* Ends it, in any state, with nothing more called but on_freed. */
void link_free(struct link *link);
/* Closes in order: what was sent before is handled by the server, then on_lost comes within a
 * second. */
void link_end(struct link *link);

/* Bytes of the largest frame that may be sent, once open. */
size_t link_frame_max(const struct link *link);
/* The last channel that may be opened, once open; 0: any. */
unsigned link_channel_max(const struct link *link);
/* True if `size` bytes may be sent as bulk now; if not, on_writable follows. */
bool link_may_send(struct link *link, size_t size);
/* Queues a method or frame until link_flush. Without link_may_send only for what is rare and small.
 * False: the link is lost, on_lost follows. */
bool link_send_method(struct link *link, amqp_channel_t channel, amqp_method_number_t id,
                      void *decoded);
bool link_send_frame(struct link *link, const amqp_frame_t *frame);
/* To be called at the end of a loop turn. Accepts NULL. */
void link_flush(struct link *link);

#endif
