#include "metrics-agent/export/import_lines.h"

#include "lib/base/json_walk.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static void add(struct import_lines *lines, const char *from, const char *to, size_t end, char *out)
{
    while (to > from && is_blank(to[-1]))
        to--;
    memcpy(out + lines->len, from, (size_t)(to - from));
    lines->len += (size_t)(to - from);
    out[lines->len++] = '\n';
    lines->count++;
    lines->consumed = end;
}

static bool is_object(const char *from, size_t len)
{
    struct json_fault fault;

    return *from == '{' && json_walk_valid((struct text){.at = from, .len = len}, false, &fault);
}

void import_lines_cut(struct import_lines *lines, const char *text, size_t len, bool last,
                      char *out)
{
    const char *const end = text + len;
    const char *at = text;

    lines->count = lines->len = lines->consumed = 0;
    while (lines->count < IMPORT_LINES_MAX) {
        const char *newline;

        while (at < end && is_blank(*at))
            at++;
        lines->consumed = (size_t)(at - text);
        if (at == end)
            return;
        newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) {
            if (last && is_object(at, (size_t)(end - at)))
                add(lines, at, end, len, out);
            return;
        }
        add(lines, at, newline, (size_t)(newline + 1 - text), out);
        at = newline + 1;
    }
}
