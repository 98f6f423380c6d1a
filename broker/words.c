/* SPDX-License-Identifier: BSD-3-Clause */
/* Words for what went wrong. Server text is cut to what fits, with control characters blanked: it
 * goes into log lines. */

#include "broker/words.h"

#include <stdio.h>
#include <sys/socket.h>

#include <uv.h>

static const amqp_channel_close_t *as_close(const amqp_method_t *method)
{
    if (method->id != AMQP_CONNECTION_CLOSE_METHOD && method->id != AMQP_CHANNEL_CLOSE_METHOD)
        return NULL;
    return method->decoded;
}

int words_code(const amqp_method_t *method)
{
    const amqp_channel_close_t *close = as_close(method);
    return close ? close->reply_code : 0;
}

void words_of_close(const amqp_method_t *method, char ret[WORDS_SIZE])
{
    const amqp_channel_close_t *close = as_close(method);
    if (!close) {
        snprintf(ret, WORDS_SIZE, "the server sent an unexpected method (%#x)", method->id);
        return;
    }
    snprintf(ret, WORDS_SIZE, "%u %.*s", close->reply_code, (int)close->reply_text.len,
             (const char *)close->reply_text.bytes);
    for (char *c = ret; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

void words_of_status(int status, char ret[WORDS_SIZE])
{
    const char *words = amqp_error_string2(status);
    if (status == AMQP_STATUS_TIMEOUT)
        words = "the server did not answer in time";
    else if (status == AMQP_STATUS_HEARTBEAT_TIMEOUT)
        words = "no heartbeat from the server";
    else if (status == AMQP_STATUS_CONNECTION_CLOSED)
        words = "the server closed the connection";
    else if (status == AMQP_STATUS_SOCKET_ERROR)
        words = "the connection broke";
    snprintf(ret, WORDS_SIZE, "%s", words);
}

void words_of_reply(const amqp_rpc_reply_t *reply, char ret[WORDS_SIZE])
{
    if (reply->reply_type == AMQP_RESPONSE_SERVER_EXCEPTION)
        words_of_close(&reply->reply, ret);
    else
        words_of_status(reply->library_error, ret);
}

const char *words_of_poll(int fd, int status)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
        return uv_strerror(uv_translate_sys_error(error));
    return uv_strerror(status);
}
