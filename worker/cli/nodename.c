/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns node names; asks the kernel for the host name and nothing else. */

#include "worker/cli/nodename.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct piece {
    const char *data;
    size_t size;
};

static struct piece expansion_of(char letter, const char *name, const char *host)
{
    const char *dot = strchr(host, '.');
    size_t short_size = dot != NULL ? (size_t)(dot - host) : strlen(host);
    switch (letter) {
    case 'h':
        return (struct piece){host, strlen(host)};
    case 'n':
        return name != NULL ? (struct piece){name, strlen(name)} : (struct piece){host, short_size};
    case 'd':
        return dot != NULL ? (struct piece){dot + 1, strlen(dot + 1)} : (struct piece){"", 0};
    case '%':
        return (struct piece){"%", 1};
    default:
        return (struct piece){NULL, 0};
    }
}

/* The piece that *text begins with, an expansion or a character; moves behind it. */
static struct piece next_piece(const char **text, const char *name, const char *host)
{
    const char *start = *text;
    if (*start == '%') {
        struct piece expansion = expansion_of(start[1], name, host);
        if (expansion.data != NULL) {
            *text = start + 2;
            return expansion;
        }
    }
    *text = start + 1;
    return (struct piece){start, 1};
}

int nodename_expand(const char *text, const char *name, const char *host, char *ret, size_t size)
{
    size_t used = 0;
    while (*text != '\0') {
        struct piece piece = next_piece(&text, name, host);
        if (used + piece.size >= size)
            return -1;
        memcpy(ret + used, piece.data, piece.size);
        used += piece.size;
    }
    ret[used] = '\0';
    return 0;
}

int nodename_make(const char *option, char *ret, size_t size)
{
    char host[256] = "localhost";
    gethostname(host, sizeof(host) - 1);
    if (option == NULL)
        option = "celery@%h";
    char name[512];
    snprintf(name, sizeof(name), "%s%s", strchr(option, '@') == NULL ? "celery@" : "", option);
    return nodename_expand(name, NULL, host, ret, size);
}

int nodename_expand_file(const char *text, const char *nodename, char *ret, size_t size)
{
    const char *at = strchr(nodename, '@');
    char name[512];
    snprintf(name, sizeof(name), "%.*s", (int)(at - nodename), nodename);
    return nodename_expand(text, name, at + 1, ret, size);
}
