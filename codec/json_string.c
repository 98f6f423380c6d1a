/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns escapes: which bytes may stand for themselves between quotes, and what stands for the
 * others. */

#include "codec/json_string.h"

#include <string.h>

#include "codec/error.h"
#include "codec/utf8.h"

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* True if one of eight bytes is not plain. A borrow between bytes can only happen where one of them
 * is special already. */
static bool has_special(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE * '"';
    uint64_t backslash = word ^ EACH_BYTE * '\\';
    uint64_t rubout = word ^ EACH_BYTE * 0x7f;
    uint64_t found = (word - EACH_BYTE * ' ') | (quote - EACH_BYTE) | (backslash - EACH_BYTE) |
                     (rubout - EACH_BYTE) | word;
    return (found & EACH_BYTE * 0x80) != 0;
}

/* What Python writes as it is. It reads DEL as it is too, but writes an escape. */
static bool is_plain(char c)
{
    return (uint8_t)c >= ' ' && (uint8_t)c < 0x7f && c != '"' && c != '\\';
}

static const char *skip_plain(const char *at, const char *end)
{
    uint64_t word;
    for (; (size_t)(end - at) >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if (has_special(word))
            break;
    }
    while (at < end && is_plain(*at))
        at++;
    return at;
}

const char *json_string_scan(const char *at, const char *end, const char **ret_quote,
                             bool *ret_escaped)
{
    bool escaped = false;
    const char *problem = NULL;
    for (;;) {
        at = skip_plain(at, end);
        if (at == end) {
            problem = "the text ends inside a string";
            break;
        }
        if (*at == '"')
            break;
        if (*at == '\\') {
            escaped = true;
            at += end - at >= 2 ? 2 : 1;
            continue;
        }
        uint32_t code;
        size_t size = utf8_read(at, end, &code);
        if (size == 0 || utf8_is_surrogate(code)) {
            problem = "bytes that are no UTF-8";
            break;
        }
        if (code < ' ') {
            problem = "a control character inside a string";
            break;
        }
        at += size;
    }
    *ret_quote = at;
    *ret_escaped = escaped;
    return problem;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads the four hex digits of \uXXXX; UINT32_MAX if they are none. */
static uint32_t read_hex4(const char *at, const char *end)
{
    if (end - at < 4)
        return UINT32_MAX;
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return UINT32_MAX;
        code = code << 4 | (uint32_t)digit;
    }
    return code;
}

/* Reads what follows \u, with the second half of a surrogate pair if it is there. NULL if broken.
 */
static const char *read_unicode(const char *at, const char *end, uint32_t *ret)
{
    uint32_t code = read_hex4(at, end);
    if (code == UINT32_MAX)
        return NULL;
    at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = read_hex4(at + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
            at += 6;
        }
    }
    *ret = code;
    return at;
}

size_t json_string_unescape(struct text inside, char *ret)
{
    static const char meanings[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                       ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    const char *at = inside.data;
    const char *end = at + inside.size;
    char *out = ret;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((backslash != NULL ? backslash : end) - at);
        memcpy(out, at, run);
        out += run;
        if (backslash == NULL)
            break;
        char kind = backslash[1]; /* the scan saw to it that a backslash is not the last byte */
        at = backslash + 2;
        if (kind == 'u') {
            uint32_t code;
            at = read_unicode(at, end, &code);
            if (at == NULL)
                return SIZE_MAX;
            out += utf8_write(code, out);
        } else if (meanings[(uint8_t)kind] != '\0') {
            *out++ = meanings[(uint8_t)kind];
        } else {
            return SIZE_MAX;
        }
    }
    return (size_t)(out - ret);
}

static char *write_unicode(uint32_t unit, char *at)
{
    static const char hex[] = "0123456789abcdef";
    *at++ = '\\';
    *at++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *at++ = hex[unit >> shift & 0x0f];
    return at;
}

static int append_escape(uint32_t code, struct buffer *buffer)
{
    static const char letters[128] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                      ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    char escape[12];
    char *at = escape;
    if (code < sizeof(letters) && letters[code] != '\0') {
        *at++ = '\\';
        *at++ = letters[code];
    } else if (code < 0x10000) {
        at = write_unicode(code, at);
    } else {
        at = write_unicode(0xd800 | (code - 0x10000) >> 10, at);
        at = write_unicode(0xdc00 | (code & 0x3ff), at);
    }
    return buffer_append(buffer, escape, (size_t)(at - escape));
}

static int append_inside(struct text text, struct buffer *buffer)
{
    const char *at = text.data;
    const char *end = at + text.size;
    while (at < end) {
        const char *special = skip_plain(at, end);
        int rc = buffer_append(buffer, at, (size_t)(special - at));
        if (rc != 0 || special == end)
            return rc;
        uint32_t code;
        size_t size = utf8_read(special, end, &code);
        if (size == 0)
            return CODEC_EINVALID;
        rc = append_escape(code, buffer);
        if (rc != 0)
            return rc;
        at = special + size;
    }
    return 0;
}

int json_string_write(struct text text, struct buffer *buffer)
{
    int rc = buffer_append(buffer, "\"", 1);
    if (rc == 0 && text.size > 0)
        rc = append_inside(text, buffer);
    return rc != 0 ? rc : buffer_append(buffer, "\"", 1);
}
