#include "lib/base/config_lines.h"

#include <stddef.h>
#include <string.h>

enum quotes { BEFORE, PLAIN, SINGLE, DOUBLE };

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || is_newline(c);
}

static char take(struct config_lines *lines)
{
    if (*lines->at == '\n')
        lines->line++;
    return *lines->at++;
}

/* Returns false at the end. */
static bool skip_to_setting(struct config_lines *lines)
{
    while (lines->at < lines->end) {
        if (*lines->at == '#' || *lines->at == ';') {
            while (lines->at < lines->end && !is_newline(*lines->at))
                lines->at++;
        } else if (is_blank(*lines->at)) {
            (void)take(lines);
        } else {
            return true;
        }
    }
    return false;
}

/* What a backslash in double quotes makes of the character behind it; returns the end. */
static char *unescape(char *out, char c)
{
    if (c == '\n')
        return out;
    if (strchr("\"\\`$", c) == NULL || c == '\0')
        *out++ = '\\';
    *out++ = c;
    return out;
}

/* Decodes the value in its own place. Returns NULL, or what is wrong. */
static const char *read_value(struct config_lines *lines)
{
    char *out = lines->at, *kept = out; /* kept: up to the last character that is no mere blank */
    enum quotes quotes = BEFORE;
    bool has_nul = false;

    while (lines->at < lines->end) {
        const char c = take(lines);
        const bool escapes = c == '\\' && quotes != SINGLE && lines->at < lines->end;

        has_nul = has_nul || c == '\0';
        if ((quotes == BEFORE || quotes == PLAIN) && is_newline(c))
            break;
        if (escapes) {
            const char next = take(lines);

            has_nul = has_nul || next == '\0';
            if (quotes == DOUBLE)
                out = unescape(out, next);
            else if (!is_newline(next))
                *out++ = next;
            quotes = quotes == DOUBLE ? DOUBLE : PLAIN;
            kept = out;
        } else if (quotes == BEFORE && (c == '\'' || c == '"')) {
            quotes = c == '"' ? DOUBLE : SINGLE;
        } else if ((quotes == SINGLE && c == '\'') || (quotes == DOUBLE && c == '"')) {
            quotes = BEFORE;
            kept = out;
        } else if (quotes != BEFORE || !is_blank(c)) {
            quotes = quotes == BEFORE ? PLAIN : quotes;
            if (quotes != PLAIN || c != '\\')
                *out++ = c;
            if (quotes != PLAIN || !is_blank(c))
                kept = out;
        }
    }
    *kept = '\0';
    return quotes == SINGLE || quotes == DOUBLE ? "a quote is not closed"
           : has_nul                            ? "it holds a NUL byte"
                                                : NULL;
}

static bool is_name(const char *name, size_t length)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

    for (size_t i = 0; i < length; i++) {
        if (memchr(letters, name[i], sizeof(letters) - 1) == NULL &&
            (i == 0 || name[i] < '0' || name[i] > '9'))
            return false;
    }
    return length > 0;
}

bool config_lines_next(struct config_lines *lines, struct config_line *out)
{
    char *name, *end;

    if (!skip_to_setting(lines))
        return false;
    *out = (struct config_line){.number = lines->line};
    name = lines->at;
    while (lines->at < lines->end && *lines->at != '=' && !is_newline(*lines->at))
        lines->at++;
    end = lines->at;
    if (end == lines->end || *end != '=') {
        out->problem = "it is not NAME=VALUE";
        return true;
    }
    while (end > name && is_blank(end[-1]))
        end--;
    out->name = name;
    out->value = ++lines->at;
    out->problem = read_value(lines);
    if (out->problem == NULL && !is_name(name, (size_t)(end - name)))
        out->problem = "a name is letters, digits and _ alone, in a line NAME=VALUE";
    *end = '\0';
    if (out->problem != NULL)
        out->name = out->value = NULL;
    return true;
}
