/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the reading of a Redis URL. Opens no connection. */

#include "backend/redis_url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/value.h"

static int fail(char error[REDIS_URL_ERROR_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(char error[REDIS_URL_ERROR_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, REDIS_URL_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return -1;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    int letter = digit | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Copies with %-escapes undone. False: it does not fit, or an escape stands for NUL. */
static bool unescape(struct text text, char *ret, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        if (byte == '%' && i + 2 < text.size && hex_digit(text.data[i + 1]) >= 0 &&
            hex_digit(text.data[i + 2]) >= 0) {
            byte = (char)(hex_digit(text.data[i + 1]) * 16 + hex_digit(text.data[i + 2]));
            i += 2;
        }
        if (byte == '\0' || used + 1 >= size)
            return false;
        ret[used++] = byte;
    }
    ret[used] = '\0';
    return true;
}

static bool read_number(struct text text, int max, int *ret)
{
    int number = 0;
    if (text.size == 0 || text.size > 9)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    if (number > max)
        return false;
    *ret = number;
    return true;
}

/* Cuts *text in two at the first of `stops`; the second part begins with it, or is empty. */
static struct text cut(struct text *text, const char *stops)
{
    size_t size = 0;
    while (size < text->size && strchr(stops, text->data[size]) == NULL)
        size++;
    struct text rest = {text->data + size, text->size - size};
    text->size = size;
    return rest;
}

static int read_user(struct text user, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    struct text password = cut(&user, ":");
    if (password.size > 0)
        password = (struct text){password.data + 1, password.size - 1};
    if (!unescape(user, ret->user, sizeof(ret->user)) ||
        !unescape(password, ret->password, sizeof(ret->password)))
        return fail(error, "the Redis URL's user or password is too long");
    return 0;
}

static int read_host(struct text host, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    struct text port = {NULL, 0};
    if (host.size > 0 && host.data[0] == '[') { /* an IPv6 address */
        struct text address = {host.data + 1, host.size - 1};
        port = cut(&address, "]");
        if (port.size == 0)
            return fail(error, "the Redis URL's host lacks its ']'");
        port = (struct text){port.data + 1, port.size - 1};
        host = address;
    } else {
        port = cut(&host, ":");
    }
    if (host.size == 0)
        snprintf(ret->host, sizeof(ret->host), "localhost");
    else if (!unescape(host, ret->host, sizeof(ret->host)))
        return fail(error, "the Redis URL's host is too long");
    if (port.size > 1 &&
        !read_number((struct text){port.data + 1, port.size - 1}, 65535, &ret->port))
        return fail(error, "the Redis URL's port is no number from 0 to 65535");
    return 0;
}

static int read_db(struct text db, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    while (db.size > 0 && db.data[0] == '/')
        db = (struct text){db.data + 1, db.size - 1};
    if (db.size > 0 && !read_number(db, 999999, &ret->db))
        return fail(error, "the Redis URL's database is no number: redis://host:port/0");
    return 0;
}

/* db (or virtual_host) beats the path; what Celery takes beyond that are the client's timeouts,
 * which are settings of ours. */
static int read_query(struct text query, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    while (query.size > 1) {
        struct text item = {query.data + 1, query.size - 1};
        query = cut(&item, "&");
        struct text value = cut(&item, "=");
        bool is_db = text_equal(item, "virtual_host") || text_equal(item, "db");
        if (is_db && value.size > 1 &&
            read_db((struct text){value.data + 1, value.size - 1}, ret, error) != 0)
            return -1;
    }
    return 0;
}

static int read_network(struct text rest, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    struct text path = cut(&rest, "/");
    const char *at = rest.size > 0 ? memrchr(rest.data, '@', rest.size) : NULL;
    if (at != NULL) {
        struct text user = {rest.data, (size_t)(at - rest.data)};
        rest = (struct text){at + 1, rest.size - user.size - 1};
        if (read_user(user, ret, error) != 0)
            return -1;
    }
    if (read_host(rest, ret, error) != 0)
        return -1;
    return read_db(path, ret, error);
}

static int read_socket(struct text rest, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    const char *slash = rest.size > 0 ? memchr(rest.data, '/', rest.size) : NULL;
    const char *at = slash != NULL ? memchr(rest.data, '@', (size_t)(slash - rest.data)) : NULL;
    if (slash == NULL)
        return fail(error, "a Redis socket's URL has three slashes: socket:///path");
    if (at != NULL &&
        read_user((struct text){rest.data, (size_t)(at - rest.data)}, ret, error) != 0)
        return -1;
    struct text path = {slash, rest.size - (size_t)(slash - rest.data)};
    if (!unescape(path, ret->path, sizeof(ret->path)))
        return fail(error, "the path of the Redis socket is longer than %zu bytes",
                    sizeof(ret->path) - 1);
    ret->host[0] = '\0';
    return 0;
}

static const struct {
    const char *scheme;
    int (*read)(struct text rest, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE]);
} schemes[] = {
    {"redis", read_network},
    {"socket", read_socket},
    {"unix", read_socket},
    {"redis+socket", read_socket},
};

int redis_url_parse(const char *text, struct redis_url *ret, char error[REDIS_URL_ERROR_SIZE])
{
    struct redis_url url = {.port = 6379};
    struct text scheme = {text, strlen(text)};
    struct text rest = cut(&scheme, ":");
    size_t skipped = rest.size >= 3 && memcmp(rest.data, "://", 3) == 0 ? 3 : rest.size;
    rest = (struct text){rest.data + skipped, rest.size - skipped};
    struct text query = cut(&rest, "?");
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (strlen(schemes[i].scheme) != scheme.size ||
            strncasecmp(schemes[i].scheme, text, scheme.size) != 0)
            continue;
        if (schemes[i].read(rest, &url, error) != 0 || read_query(query, &url, error) != 0)
            return -1;
        *ret = url;
        return 0;
    }
    if (scheme.size == 6 && strncasecmp(text, "rediss", 6) == 0)
        return fail(error, "rediss:// needs TLS, which hiredis as it is packaged here cannot do: "
                           "use redis:// through a tunnel or a socket");
    return fail(error, "'%.*s' is no scheme of a Redis URL: redis, socket, unix",
                text_quoted_size(scheme), text);
}
