#include "cli/columns.h"

#include "lib/base/utf8.h"

#include <string.h>
#include <wchar.h>

/* Of the character at `at`, whose bytes are *size. */
static size_t width_at(const char *at, const char *end, size_t *size)
{
    static const unsigned char leads[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    wchar_t code;
    int width;

    *size = utf8_sequence(at, end);
    if (*size < 2) {
        *size = 1;
        return 1;
    }
    code = (wchar_t)((unsigned char)at[0] & leads[*size]);
    for (size_t i = 1; i < *size; i++)
        code = (wchar_t)(code << 6 | ((unsigned char)at[i] & 0x3f));
    width = wcwidth(code);
    return width < 0 ? 1 : (size_t)width;
}

size_t columns_of(const char *text, size_t len)
{
    const char *const end = text + len;
    size_t columns = 0, size;

    for (; text < end; text += size)
        columns += width_at(text, end, &size);
    return columns;
}

size_t columns_fit(const char *text, size_t len, size_t columns)
{
    const char *at = text, *const end = text + len;
    size_t size;

    for (; at < end; at += size) {
        const size_t width = width_at(at, end, &size);

        if (width > columns)
            break;
        columns -= width;
    }
    return (size_t)(at - text);
}

size_t columns_break(const char *text, size_t len, size_t columns)
{
    const size_t fit = columns_fit(text, len, columns);
    const char *blank, *end;

    if (fit == len || text[fit] == ' ')
        return fit;
    blank = memrchr(text, ' ', fit);
    if (blank == NULL || blank == text)
        return fit;
    end = memchr(text + fit, ' ', len - fit);
    if (end == NULL)
        end = text + len;
    return columns_of(blank + 1, (size_t)(end - blank) - 1) <= columns ? (size_t)(blank - text)
                                                                       : fit;
}
