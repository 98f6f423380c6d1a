/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the bit patterns of UTF-8. Knows no format that uses them. */

#include "codec/utf8.h"

#include <string.h>

/* Characters by their bytes: the mark of the first byte, the bits that are mark, and the smallest
 * code that needs that many. */
static const struct {
    uint8_t mark, mask;
    uint32_t smallest;
} forms[] = {
    [2] = {0xc0, 0xe0, 0x80},
    [3] = {0xe0, 0xf0, 0x800},
    [4] = {0xf0, 0xf8, 0x10000},
};

static size_t char_size(uint8_t first)
{
    for (size_t size = 2; size < ARRAY_LEN(forms); size++) {
        if ((first & forms[size].mask) == forms[size].mark)
            return size;
    }
    return 0;
}

size_t utf8_read(const char *at, const char *end, uint32_t *ret)
{
    uint8_t first = (uint8_t)*at;
    if (first < 0x80) {
        *ret = first;
        return 1;
    }
    size_t size = char_size(first);
    if (size == 0 || (size_t)(end - at) < size)
        return 0;
    uint32_t code = first & (uint8_t)~forms[size].mask;
    for (size_t i = 1; i < size; i++) {
        uint8_t next = (uint8_t)at[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (next & 0x3f);
    }
    if (code < forms[size].smallest || code > 0x10ffff)
        return 0;
    *ret = code;
    return size;
}

size_t utf8_write(uint32_t code, char ret[UTF8_CHAR_MAX])
{
    if (code < 0x80) {
        ret[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        ret[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    ret[0] = (char)(forms[size].mark | code);
    return size;
}

size_t utf8_ascii_run(const char *at, const char *end)
{
    const char *start = at;
    uint64_t word;
    for (; (size_t)(end - at) >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (at < end && (uint8_t)*at < 0x80)
        at++;
    return (size_t)(at - start);
}

bool utf8_is_valid(struct text text)
{
    if (text.size == 0)
        return true;
    const char *at = text.data;
    const char *end = at + text.size;
    for (;;) {
        at += utf8_ascii_run(at, end);
        if (at == end)
            return true;
        uint32_t code;
        size_t size = utf8_read(at, end, &code);
        if (size == 0 || utf8_is_surrogate(code))
            return false;
        at += size;
    }
}

size_t utf8_repair(struct text text, char *ret)
{
    const char *at = text.data;
    const char *end = at + text.size;
    char *out = ret;
    while (at < end) {
        uint32_t code;
        size_t size = utf8_read(at, end, &code);
        if (size == 0 || utf8_is_surrogate(code))
            code = 0xfffd;
        out += utf8_write(code, out);
        at += size == 0 ? 1 : size;
    }
    return (size_t)(out - ret);
}
