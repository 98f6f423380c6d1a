/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CELERIAC_BROKER_WORDS_H
#define CELERIAC_BROKER_WORDS_H

/* What librabbitmq and the server say, as text for people. */

#include <amqp.h>

enum { WORDS_SIZE = 640 };

/* "320 CONNECTION_FORCED - broker forced connection closure" from a connection.close or
 * channel.close (which look alike). */
void words_of_close(const amqp_method_t *method, char ret[WORDS_SIZE]);
/* The code of such a method, else 0. */
int words_code(const amqp_method_t *method);
/* From the reply of a call that failed. */
void words_of_reply(const amqp_rpc_reply_t *reply, char ret[WORDS_SIZE]);
/* From one of librabbitmq's status values. */
void words_of_status(int status, char ret[WORDS_SIZE]);

/* uv_poll's `status`, which is EBADF for any error of the socket `fd`, in the socket's own words.
 */
const char *words_of_poll(int fd, int status);

#endif
