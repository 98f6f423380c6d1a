/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns Python's %-style formats. Knows no file and no level but the one it writes. */

#include "worker/log/format.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 64, WIDTH_MAX = 256 };

/* Text of an attribute; short ones are made in `room`. */
typedef const char *attribute_text(const struct format_record *record, char room[TEXT_SIZE]);
typedef double attribute_number(const struct format_record *record);

static const char *text_of_asctime(const struct format_record *record, char room[TEXT_SIZE])
{
    snprintf(room, TEXT_SIZE, "%s,%03ld", record->stamp, record->now.tv_nsec / 1000000);
    return room;
}

static const char *text_of_level(const struct format_record *record, char room[TEXT_SIZE])
{
    (void)room;
    return log_level_name(record->level);
}

static const char *text_of_process_name(const struct format_record *record, char room[TEXT_SIZE])
{
    (void)room;
    return record->process_name;
}

static const char *text_of_message(const struct format_record *record, char room[TEXT_SIZE])
{
    (void)room;
    return record->message;
}

static const char *text_of_name(const struct format_record *record, char room[TEXT_SIZE])
{
    (void)record;
    (void)room;
    return "celeriac";
}

static const char *text_of_thread_name(const struct format_record *record, char room[TEXT_SIZE])
{
    (void)record;
    (void)room;
    return "MainThread";
}

static double number_of_level(const struct format_record *record)
{
    return (double)record->level;
}

static double number_of_process(const struct format_record *record)
{
    (void)record;
    return (double)getpid();
}

static double number_of_thread(const struct format_record *record)
{
    (void)record;
    return (double)gettid();
}

static double number_of_created(const struct format_record *record)
{
    return (double)record->now.tv_sec + (double)record->now.tv_nsec / 1e9;
}

static double number_of_msecs(const struct format_record *record)
{
    return (double)record->now.tv_nsec / 1e6;
}

static double number_of_uptime(const struct format_record *record)
{
    return record->uptime * 1000;
}

static const struct attribute {
    const char *name;
    attribute_text *text;
    attribute_number *number; /* where there is no text */
} attributes[] = {
    {"asctime", text_of_asctime, NULL},
    {"created", NULL, number_of_created},
    {"levelname", text_of_level, NULL},
    {"levelno", NULL, number_of_level},
    {"message", text_of_message, NULL},
    {"msecs", NULL, number_of_msecs},
    {"name", text_of_name, NULL},
    {"process", NULL, number_of_process},
    {"processName", text_of_process_name, NULL},
    {"relativeCreated", NULL, number_of_uptime},
    {"thread", NULL, number_of_thread},
    {"threadName", text_of_thread_name, NULL},
};

/* ---- reading ---- */

static bool read_attribute(const char **text, struct format_piece *piece, char *problem,
                           size_t size)
{
    const char *name = *text + 1;
    const char *end = **text == '(' ? strchr(name, ')') : NULL;
    if (end == NULL) {
        snprintf(problem, size, "a %% is not followed by (attribute) or %%");
        return false;
    }
    size_t length = (size_t)(end - name);
    for (unsigned i = 0; i < ARRAY_LEN(attributes); i++) {
        if (strlen(attributes[i].name) != length || memcmp(attributes[i].name, name, length) != 0)
            continue;
        piece->attribute = i;
        *text = end + 1;
        return true;
    }
    snprintf(problem, size, "%%(%.*s) is not known to the main process",
             (int)(length < TEXT_SIZE ? length : TEXT_SIZE), name);
    return false;
}

static int read_number(const char **text)
{
    int number = 0;
    for (; isdigit((unsigned char)**text); (*text)++)
        number = number < WIDTH_MAX ? number * 10 + (**text - '0') : WIDTH_MAX;
    return number < WIDTH_MAX ? number : WIDTH_MAX;
}

static bool read_conversion(const char **text, struct format_piece *piece, char *problem,
                            size_t size)
{
    for (; **text != '\0' && strchr("-0+ #", **text) != NULL; (*text)++) {
        piece->left |= **text == '-';
        piece->zero |= **text == '0';
    }
    piece->width = read_number(text);
    piece->precision = -1;
    if (**text == '.') {
        (*text)++;
        piece->precision = read_number(text);
    }
    char conversion = **text;
    bool is_text = attributes[piece->attribute].text != NULL;
    piece->conversion = conversion == 'i' || conversion == 'u' ? 'd' : conversion;
    if (conversion == '\0' || strchr(is_text ? "s" : "sdiuf", conversion) == NULL) {
        snprintf(problem, size, "%%(%s) does not end in a letter that fits",
                 attributes[piece->attribute].name);
        return false;
    }
    (*text)++;
    return true;
}

static bool read_piece(const char **text, struct format_piece *piece, char *problem, size_t size)
{
    const char *start = *text;
    if (start[0] == '%' && start[1] == '%') {
        piece->size = 1;
        *text += 2;
        return true;
    }
    if (start[0] != '%') {
        piece->size = strcspn(start, "%");
        *text += piece->size;
        return true;
    }
    (*text)++;
    return read_attribute(text, piece, problem, size) &&
           read_conversion(text, piece, problem, size);
}

bool format_read(const char *text, struct format *ret, char *problem, size_t size)
{
    ret->count = 0;
    if (strlen(text) >= sizeof(ret->text)) {
        snprintf(problem, size, "it is longer than %zu bytes", sizeof(ret->text) - 1);
        return false;
    }
    memcpy(ret->text, text, strlen(text) + 1);
    const char *rest = ret->text;
    while (*rest != '\0') {
        if (ret->count == FORMAT_PIECES_MAX) {
            snprintf(problem, size, "it has more than %d parts", FORMAT_PIECES_MAX);
            return false;
        }
        struct format_piece *piece = &ret->pieces[ret->count++];
        *piece = (struct format_piece){.start = (size_t)(rest - ret->text)};
        if (!read_piece(&rest, piece, problem, size))
            return false;
    }
    return true;
}

/* ---- writing ---- */

struct output {
    char *data;
    size_t size, used; /* used may pass size: nothing is written there */
};

static void append(struct output *output, const char *data, size_t size)
{
    if (output->used < output->size) {
        size_t room = output->size - output->used;
        memcpy(output->data + output->used, data, size < room ? size : room);
    }
    output->used += size;
}

static void pad(struct output *output, char with, size_t from, size_t to)
{
    for (; from < to; from++)
        append(output, &with, 1);
}

/* A number as %d, %f or %s shows it: "12", "12.500000", "12.5". */
static void write_number(const struct format_piece *piece, double number, char room[TEXT_SIZE])
{
    bool whole = number == (double)(long long)number;
    if (piece->conversion == 'f')
        snprintf(room, TEXT_SIZE, "%.*f",
                 piece->precision < 0 ? 6 : (piece->precision < 20 ? piece->precision : 20),
                 number);
    else if (piece->conversion == 'd' || whole)
        snprintf(room, TEXT_SIZE, "%lld", (long long)number);
    else
        snprintf(room, TEXT_SIZE, "%.17g", number);
}

static void write_attribute(const struct format_piece *piece, const struct format_record *record,
                            struct output *output)
{
    char room[TEXT_SIZE];
    const struct attribute *attribute = &attributes[piece->attribute];
    const char *text = room;
    if (attribute->text != NULL)
        text = attribute->text(record, room);
    else
        write_number(piece, attribute->number(record), room);
    size_t size = strlen(text);
    if (piece->conversion == 's' && piece->precision >= 0 && size > (size_t)piece->precision)
        size = (size_t)piece->precision;
    size_t width = (size_t)piece->width;
    bool zero = piece->zero && piece->conversion != 's' && !piece->left;
    if (!piece->left)
        pad(output, zero ? '0' : ' ', size, width);
    append(output, text, size);
    if (piece->left)
        pad(output, ' ', size, width);
}

size_t format_write(const struct format *format, const struct format_record *record, char *ret,
                    size_t size)
{
    struct output output = {.data = ret, .size = size};
    for (size_t i = 0; i < format->count; i++) {
        const struct format_piece *piece = &format->pieces[i];
        if (piece->size > 0)
            append(&output, format->text + piece->start, piece->size);
        else
            write_attribute(piece, record, &output);
    }
    return output.used;
}
