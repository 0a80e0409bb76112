#include "lib/base/printable.h"

#include "lib/base/utf8.h"

#include <stdarg.h>
#include <string.h>

/* A character of one to three bytes: none beyond U+FFFF is filtered. */
static unsigned code_point(const char *text, size_t len)
{
    const unsigned char *const at = (const unsigned char *)text;

    switch (len) {
    case 1:
        return at[0];
    case 2:
        return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
    default:
        return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
    }
}

bool printable_character(const char *at, size_t len)
{
    const unsigned code = code_point(at, len);

    if (len > 3)
        return true;
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && code != 0x061c && code != 0x200e &&
           code != 0x200f && (code < 0x2028 || code > 0x202e) && (code < 0x2066 || code > 0x2069);
}

void printable_escape(char out[PRINTABLE_ESCAPE], const char *at, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned code = code_point(at, len);

    out[0] = '\\';
    out[1] = 'u';
    for (size_t i = PRINTABLE_ESCAPE - 1; i > 1; i--) {
        out[i] = digits[code & 0xf];
        code >>= 4;
    }
}

size_t printable_copy(char *out, size_t size, const char *text, size_t len)
{
    const char *const end = text + len;
    size_t used = 0;

    while (text < end) {
        const size_t sequence = utf8_sequence(text, end);
        char escape[PRINTABLE_ESCAPE];
        const char *piece = text;
        size_t piece_len = sequence;

        if (sequence == 0) {
            piece = "\xef\xbf\xbd"; /* U+FFFD */
            piece_len = 3;
        } else if (!printable_character(text, sequence)) {
            printable_escape(escape, text, sequence);
            piece = escape;
            piece_len = sizeof(escape);
        }
        if (piece_len > size - used)
            break;
        memcpy(out + used, piece, piece_len);
        used += piece_len;
        text += sequence > 0 ? sequence : 1;
    }
    return used;
}

void printable_write(FILE *to, const char *text, size_t len)
{
    const char *const end = text + len;

    while (text < end) {
        const size_t sequence = utf8_sequence(text, end), taken = sequence > 0 ? sequence : 1;
        char out[PRINTABLE_ESCAPE];

        (void)fwrite(out, 1, printable_copy(out, sizeof(out), text, taken), to);
        text += taken;
    }
}

void printable_error(const char *format, ...)
{
    char text[PRINTABLE_LINE_MAX], line[PRINTABLE_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* In one write: stderr is not buffered. */
    (void)fprintf(stderr, "%.*s\n",
                  (int)printable_copy(line, sizeof(line), text, strnlen(text, sizeof(text))), line);
}
