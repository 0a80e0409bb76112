#include "metrics-agent/page/html.h"

#include "lib/base/printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 16384, COPY = 1024 };

/* Room for `len` bytes and a NUL. */
static bool grow(struct html *html, size_t len)
{
    size_t room = html->room != 0 ? html->room : ROOM_FIRST;
    char *bigger;

    if (html->full)
        return false;
    if (len < html->room - html->len)
        return true;
    if (html->len >= html->max || len >= html->max - html->len) {
        html->full = true;
        return false;
    }
    while (room - html->len <= len)
        room *= 2;
    if (room > html->max)
        room = html->max;
    bigger = realloc(html->text, room);
    if (bigger == NULL) {
        html->full = true;
        return false;
    }
    html->text = bigger;
    html->room = room;
    return true;
}

static void add(struct html *html, const char *text, size_t len)
{
    if (!grow(html, len))
        return;
    memcpy(html->text + html->len, text, len);
    html->len += len;
    html->text[html->len] = '\0';
}

void html_raw(struct html *html, const char *markup)
{
    add(html, markup, strlen(markup));
}

void html_format(struct html *html, const char *format, ...)
{
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len <= 0 || !grow(html, (size_t)len))
        return;
    va_start(arguments, format);
    (void)vsnprintf(html->text + html->len, (size_t)len + 1, format, arguments);
    va_end(arguments);
    html->len += (size_t)len;
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void add_escaped(struct html *html, const char *text, size_t len)
{
    size_t from = 0;

    for (size_t i = 0; i < len; i++) {
        const char *const replacement = entity(text[i]);

        if (replacement == NULL)
            continue;
        add(html, text + from, i - from);
        html_raw(html, replacement);
        from = i + 1;
    }
    add(html, text + from, len - from);
}

void html_text(struct html *html, const char *text)
{
    size_t len = strlen(text);
    char copy[COPY * PRINTABLE_ESCAPE];

    while (len > 0) {
        size_t piece = len < COPY ? len : COPY;

        /* Not in the middle of a character. */
        while (piece < len && piece > COPY - 4 && ((unsigned char)text[piece] & 0xC0) == 0x80)
            piece--;
        add_escaped(html, copy, printable_copy(copy, sizeof(copy), text, piece));
        text += piece;
        len -= piece;
    }
}

void html_query(struct html *html, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            strchr("-._~", c) != NULL)
            add(html, text, 1);
        else
            html_format(html, "%%%02X", c);
    }
}

void html_cut(struct html *html, size_t len)
{
    if (len >= html->len)
        return;
    html->len = len;
    html->text[len] = '\0';
    html->full = false;
}

void html_free(struct html *html)
{
    free(html->text);
    html->text = NULL;
    html->len = html->room = 0;
}
