/* SPDX-License-Identifier: BSD-3-Clause */
/* Broker URLs <-> struct broker_url. Knows the text only: it resolves and opens nothing. No error
 * sentence quotes a part that could hold a piece of a password (an unescaped '/' moves it into
 * host, port or vhost). */

#include "broker/url.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/value.h"

enum { PORT_AMQP = 5672, PORT_AMQPS = 5671, PORT_MAX = 65535, OPTION_MAX = 512 };

struct parser {
    struct broker_url *url;
    size_t number; /* of the URL in the list, from 1 */
    char *error;
};

static int refuse(const struct parser *parser, const char *what)
{
    snprintf(parser->error, BROKER_URL_ERROR_SIZE, "broker URL number %zu: %s", parser->number,
             what);
    return -1;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c | 0x20) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The character at `*i`, which moves to the last one it takes. A '%' that starts no escape stands
 * for itself, as in Python. */
static char decode_one(struct text text, bool plus_is_space, size_t *i)
{
    char c = text.data[*i];
    if (c == '+' && plus_is_space)
        return ' ';
    if (c != '%' || text.size - *i <= 2)
        return c;
    int high = hex_digit(text.data[*i + 1]);
    int low = hex_digit(text.data[*i + 2]);
    if (high < 0 || low < 0)
        return c;
    *i += 2;
    return (char)(high * 16 + low);
}

/* Percent-decodes into `ret`. False if it does not fit, or a NUL is hidden in it. */
static bool decode(struct text text, bool plus_is_space, char *ret, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = decode_one(text, plus_is_space, &i);
        if (c == '\0' || used + 1 >= size)
            return false;
        ret[used++] = c;
    }
    ret[used] = '\0';
    return true;
}

/* Cuts `text` at the first `separator`: returns what was before it and leaves what follows; without
 * one, all and nothing. */
static struct text cut(struct text *text, char separator, bool *ret_found)
{
    const char *at = text->size ? memchr(text->data, separator, text->size) : NULL;
    struct text before = *text;
    *ret_found = at != NULL;
    if (at) {
        before.size = (size_t)(at - text->data);
        *text = (struct text){at + 1, text->size - before.size - 1};
    } else {
        *text = (struct text){text->data + text->size, 0};
    }
    return before;
}

static bool is_scheme(struct text text, const char *scheme)
{
    return text.size == strlen(scheme) && strncasecmp(text.data, scheme, text.size) == 0;
}

static int parse_scheme(const struct parser *parser, struct text *rest)
{
    static const char *const plain[] = {"amqp", "pyamqp", "librabbitmq"};
    const char *end = rest->size ? memmem(rest->data, rest->size, "://", 3) : NULL;
    if (!end)
        return refuse(parser, "it does not start with amqp:// or amqps://");
    struct text scheme = {rest->data, (size_t)(end - rest->data)};
    *rest = (struct text){end + 3, rest->size - scheme.size - 3};
    parser->url->tls = is_scheme(scheme, "amqps");
    if (parser->url->tls)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (is_scheme(scheme, plain[i]))
            return 0;
    return refuse(parser, "the scheme is not supported (there are amqp and amqps)");
}

static int parse_user(const struct parser *parser, struct text user_info)
{
    bool found = false;
    struct text user = cut(&user_info, ':', &found);
    if (!decode(user, false, parser->url->user, BROKER_URL_PART_MAX))
        return refuse(parser, "the user name is too long or holds a NUL");
    if (!decode(user_info, false, parser->url->password, BROKER_URL_PART_MAX))
        return refuse(parser, "the password is too long or holds a NUL");
    return 0;
}

static int parse_port(const struct parser *parser, struct text text)
{
    int port = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c < '0' || c > '9' || port > PORT_MAX)
            port = PORT_MAX + 1;
        else
            port = port * 10 + (c - '0');
    }
    if (text.size > 0 && (port < 1 || port > PORT_MAX))
        return refuse(parser,
                      "the port is not a number from 1 to 65535 (a '/', '?', '#', '@' or ';' "
                      "in a password must be percent-encoded)");
    parser->url->port = port;
    return 0;
}

static int parse_host(const struct parser *parser, struct text text)
{
    bool found = false;
    struct text host;
    if (text.size > 0 && text.data[0] == '[') {
        text = (struct text){text.data + 1, text.size - 1};
        host = cut(&text, ']', &found);
        if (!found || (text.size > 0 && text.data[0] != ':'))
            return refuse(parser, "the IPv6 address is not enclosed in [ and ]");
        if (text.size > 0)
            text = (struct text){text.data + 1, text.size - 1};
    } else {
        host = cut(&text, ':', &found);
    }
    if (!decode(host, false, parser->url->host, BROKER_URL_PART_MAX))
        return refuse(parser, "the host name is too long or holds a NUL");
    return parse_port(parser, text);
}

static int parse_authority(const struct parser *parser, struct text text)
{
    const char *at = text.size ? memrchr(text.data, '@', text.size) : NULL;
    if (at) {
        struct text user_info = {text.data, (size_t)(at - text.data)};
        if (parse_user(parser, user_info))
            return -1;
        text = (struct text){at + 1, text.size - user_info.size - 1};
    }
    return parse_host(parser, text);
}

/* The options of the query: one setter a kind, one line an option. */
static bool set_seconds(void *field, const char *value)
{
    char *end = NULL;
    double seconds = strtod(value, &end);
    if (end == value || *end || !isfinite(seconds) || seconds < 0)
        return false;
    *(double *)field = seconds;
    return true;
}

static bool set_file(void *field, const char *value)
{
    size_t size = strlen(value);
    if (size == 0 || size >= BROKER_URL_PART_MAX)
        return false;
    memcpy(field, value, size + 1);
    return true;
}

static bool set_verify(void *field, const char *value)
{
    static const char *const prefix = "CERT_";
    if (strncasecmp(value, prefix, strlen(prefix)) == 0)
        value += strlen(prefix);
    bool none = strcasecmp(value, "none") == 0;
    *(bool *)field = !none;
    return none || strcasecmp(value, "required") == 0 || strcasecmp(value, "optional") == 0;
}

static const struct option {
    const char *name;
    bool (*set)(void *field, const char *value);
    size_t offset;
} options[] = {
    {"heartbeat", set_seconds, offsetof(struct broker_url, heartbeat)},
    {"connection_timeout", set_seconds, offsetof(struct broker_url, connection_timeout)},
    {"connect_timeout", set_seconds, offsetof(struct broker_url, connection_timeout)},
    {"ssl_ca_certs", set_file, offsetof(struct broker_url, ca_file)},
    {"ssl_certfile", set_file, offsetof(struct broker_url, cert_file)},
    {"ssl_keyfile", set_file, offsetof(struct broker_url, key_file)},
    {"ssl_cert_reqs", set_verify, offsetof(struct broker_url, tls_verify)},
};

static int parse_option(const struct parser *parser, struct text text)
{
    char name[32];
    char value[OPTION_MAX];
    char what[BROKER_URL_ERROR_SIZE / 2];
    bool found = false;
    struct text key = cut(&text, '=', &found);
    if (!decode(key, true, name, sizeof(name)))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *option = &options[i];
        if (strcmp(name, option->name) != 0)
            continue;
        if (decode(text, true, value, sizeof(value)) &&
            option->set((char *)parser->url + option->offset, value))
            return 0;
        snprintf(what, sizeof(what), "the value of %s cannot be used", option->name);
        return refuse(parser, what);
    }
    if (strncmp(name, "ssl_", 4) == 0)
        return refuse(parser, "an ssl_ option is not known (there are ssl_ca_certs, ssl_certfile, "
                              "ssl_keyfile and ssl_cert_reqs)");
    return 0;
}

static int parse_query(const struct parser *parser, struct text query)
{
    bool found = true;
    while (found) {
        struct text option = cut(&query, '&', &found);
        if (option.size > 0 && parse_option(parser, option))
            return -1;
    }
    return 0;
}

static void set_default(char *field, const char *text)
{
    if (field[0] == '\0')
        memcpy(field, text, strlen(text) + 1);
}

static void set_defaults(struct broker_url *url)
{
    set_default(url->user, "guest");
    set_default(url->password, "guest");
    set_default(url->vhost, "/");
    set_default(url->host, "127.0.0.1");
    if (strcasecmp(url->host, "localhost") == 0)
        memcpy(url->host, "127.0.0.1", sizeof("127.0.0.1"));
    if (url->port == 0)
        url->port = url->tls ? PORT_AMQPS : PORT_AMQP;
}

static int parse_one(const struct parser *parser, struct text text)
{
    bool found = false;
    *parser->url =
        (struct broker_url){.heartbeat = -1, .connection_timeout = -1, .tls_verify = true};
    if (parse_scheme(parser, &text))
        return -1;
    text = cut(&text, '#', &found);
    struct text query = text;
    text = cut(&query, '?', &found);
    struct text path = text;
    struct text authority = cut(&path, '/', &found);
    if (parse_authority(parser, authority))
        return -1;
    if (!decode(path, false, parser->url->vhost, BROKER_URL_PART_MAX))
        return refuse(parser, "the virtual host is too long or holds a NUL");
    if (parse_query(parser, query))
        return -1;
    if ((parser->url->cert_file[0] == '\0') != (parser->url->key_file[0] == '\0'))
        return refuse(parser, "ssl_certfile and ssl_keyfile go together");
    set_defaults(parser->url);
    return 0;
}

static struct text trim(struct text text)
{
    while (text.size > 0 && strchr(" \t\r\n", text.data[0]))
        text = (struct text){text.data + 1, text.size - 1};
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]))
        text.size--;
    return text;
}

int broker_urls_parse(const char *text, struct broker_url ret[BROKER_URLS_MAX], size_t *ret_count,
                      char error[BROKER_URL_ERROR_SIZE])
{
    struct broker_url url;
    struct text rest = {text, strlen(text)};
    size_t count = 0;
    bool found = true;
    while (found) {
        struct text one = trim(cut(&rest, ';', &found));
        struct parser parser = {&url, count + 1, error};
        if (one.size == 0)
            continue;
        if (count == BROKER_URLS_MAX)
            return refuse(&parser, "there are too many (at most 16)");
        if (parse_one(&parser, one))
            return -1;
        ret[count++] = url;
    }
    if (count == 0) {
        snprintf(error, BROKER_URL_ERROR_SIZE, "the broker URL is empty");
        return -1;
    }
    *ret_count = count;
    return 0;
}

void broker_url_masked(const struct broker_url *url, char *ret, size_t size)
{
    bool is_ipv6 = strchr(url->host, ':') != NULL;
    snprintf(ret, size, "%s://%s:**@%s%s%s:%d/%s", url->tls ? "amqps" : "amqp", url->user,
             is_ipv6 ? "[" : "", url->host, is_ipv6 ? "]" : "", url->port, url->vhost);
    for (char *c = ret; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}
