/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the question whether a node is meant. Knows no command. */

#include "worker/consumer/control_match.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

enum { PATTERN_SIZE = 256, EXPRESSION_SIZE = 8 * PATTERN_SIZE };

static bool is_named(const char *nodename, const msgpack_object *destination)
{
    struct text text;
    const msgpack_object *name;
    /* As in Python, where a str has its parts as its members. */
    if (value_as_text(destination, &text))
        return memmem(text.data, text.size, nodename, strlen(nodename)) != NULL;
    for (size_t i = 0; (name = value_at(destination, i)) != NULL; i++)
        if (value_as_text(name, &text) && text_equal(text, nodename))
            return true;
    return false;
}

/* ---- pcre ---- */

struct expression {
    char text[EXPRESSION_SIZE];
    size_t size;
};

static void add(struct expression *expression, const char *text, size_t size)
{
    memcpy(expression->text + expression->size, text, size);
    expression->size += size;
    expression->text[expression->size] = '\0';
}

static void add_string(struct expression *expression, const char *text)
{
    add(expression, text, strlen(text));
}

/* Appends what stands for a backslash and `letter`. False: a reference, or unknown. */
static bool add_escape(struct expression *expression, char letter)
{
    const char pair[] = {'\\', letter};
    if (letter == 'd')
        add_string(expression, "[0-9]");
    else if (letter == 'D')
        add_string(expression, "[^0-9]");
    else if (letter != '\0' &&
             (strchr("wWsSbB", letter) != NULL || !(letter >= '0' && letter <= '9')))
        add(expression, pair, sizeof(pair));
    else
        return false;
    return true;
}

/* One construct of the pattern; returns how many bytes of it were read, 0 if there is no
 * counterpart. A match is all that is asked for, so lazy is as good as greedy. */
static size_t translate_one(const char *at, struct expression *expression)
{
    if (at[0] == '\\')
        return add_escape(expression, at[1]) ? 2 : 0;
    if (strncmp(at, "(?:", 3) == 0) {
        add_string(expression, "(");
        return 3;
    }
    if (at[0] == '{' || strncmp(at, "(?", 2) == 0)
        return 0;
    add(expression, at, 1);
    return strchr("*+?", at[0]) != NULL && at[1] == '?' ? 2 : 1;
}

static bool translate(const char *pattern, struct expression *ret)
{
    ret->size = 0;
    add_string(ret, "^(");
    while (*pattern != '\0') {
        size_t read = translate_one(pattern, ret);
        if (read == 0)
            return false;
        pattern += read;
    }
    add_string(ret, ")");
    return true;
}

static enum control_match match_pcre(const char *nodename, const char *pattern)
{
    struct expression expression;
    regex_t regex;
    if (!translate(pattern, &expression) ||
        regcomp(&regex, expression.text, REG_EXTENDED | REG_NOSUB) != 0)
        return CONTROL_UNCLEAR;
    bool matches = regexec(&regex, nodename, 0, NULL, 0) == 0;
    regfree(&regex);
    return matches ? CONTROL_OURS : CONTROL_OTHERS;
}

static enum control_match match_glob(const char *nodename, const char *pattern)
{
    return fnmatch(pattern, nodename, FNM_NOESCAPE) == 0 ? CONTROL_OURS : CONTROL_OTHERS;
}

static enum control_match match_pattern(const char *nodename, struct text pattern,
                                        struct text matcher)
{
    static const struct {
        const char *name;
        enum control_match (*match)(const char *nodename, const char *pattern);
    } matchers[] = {{"glob", match_glob}, {"pcre", match_pcre}};
    char copy[PATTERN_SIZE];
    if (pattern.size >= sizeof(copy) || memchr(pattern.data, '\0', pattern.size) != NULL)
        return CONTROL_UNCLEAR;
    memcpy(copy, pattern.data, pattern.size);
    copy[pattern.size] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(matchers); i++)
        if (text_equal(matcher, matchers[i].name))
            return matchers[i].match(nodename, copy);
    return CONTROL_UNCLEAR;
}

enum control_match control_match(const char *nodename, const struct control_message *message)
{
    if (!value_is_nil(&message->destination))
        return is_named(nodename, &message->destination) ? CONTROL_OURS : CONTROL_OTHERS;
    if (message->pattern.size > 0 && message->matcher.size > 0)
        return match_pattern(nodename, message->pattern, message->matcher);
    return CONTROL_OURS;
}
