#include "lib/base/json_scan.h"

#include "lib/base/utf8.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "plain8 counts from the low byte");

enum class {
    CLASS_BAD,
    CLASS_PLAIN, /* blanks, separators, and the letters of numbers, true, false and null */
    CLASS_QUOTE,
    CLASS_OPEN,
    CLASS_CLOSE,
};

static const uint8_t classes[256] = {
    [' '] = CLASS_PLAIN, ['\t'] = CLASS_PLAIN, ['\r'] = CLASS_PLAIN, [','] = CLASS_PLAIN,
    [':'] = CLASS_PLAIN, ['-'] = CLASS_PLAIN,  ['+'] = CLASS_PLAIN,  ['.'] = CLASS_PLAIN,
    ['0'] = CLASS_PLAIN, ['1'] = CLASS_PLAIN,  ['2'] = CLASS_PLAIN,  ['3'] = CLASS_PLAIN,
    ['4'] = CLASS_PLAIN, ['5'] = CLASS_PLAIN,  ['6'] = CLASS_PLAIN,  ['7'] = CLASS_PLAIN,
    ['8'] = CLASS_PLAIN, ['9'] = CLASS_PLAIN,  ['e'] = CLASS_PLAIN,  ['E'] = CLASS_PLAIN,
    ['t'] = CLASS_PLAIN, ['r'] = CLASS_PLAIN,  ['u'] = CLASS_PLAIN,  ['f'] = CLASS_PLAIN,
    ['a'] = CLASS_PLAIN, ['l'] = CLASS_PLAIN,  ['s'] = CLASS_PLAIN,  ['n'] = CLASS_PLAIN,
    ['"'] = CLASS_QUOTE, ['{'] = CLASS_OPEN,   ['['] = CLASS_OPEN,   ['}'] = CLASS_CLOSE,
    [']'] = CLASS_CLOSE,
};

static uint64_t load8(const unsigned char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/*
 * How many of eight bytes, in the order of memory, are plain string bytes before the first quote,
 * backslash, control or byte of 0x80 and above. A carry can only mark bytes after a true mark.
 */
static unsigned plain8(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    uint64_t hit = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                   ((word - ones * 0x20) & ~word) | word;

    hit &= tops;
    return hit == 0 ? 8 : (unsigned)__builtin_ctzll(hit) / 8;
}

/*
 * Moves *at, just after an opening quote, to just after the closing one. Returns JSON_SCAN_OBJECT
 * on success.
 */
static enum json_scan skip_string(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *p = *at;

    for (;;) {
        while (end - p >= 8) {
            const unsigned plain = plain8(load8(p));

            p += plain;
            if (plain < 8)
                break;
        }
        if (p >= end)
            return JSON_SCAN_CUT;
        if (*p == '"') {
            *at = p + 1;
            return JSON_SCAN_OBJECT;
        }
        if (*p == '\\') {
            if (end - p < 2)
                return JSON_SCAN_CUT;
            p += p[1] < 0x20 || p[1] >= 0x80 ? 1 : 2;
        } else if (*p < 0x20) {
            return JSON_SCAN_CONTROL;
        } else if (*p >= 0x80) {
            size_t n = utf8_sequence((const char *)p, (const char *)end);

            if (n == 0)
                return JSON_SCAN_UTF8;
            p += n;
        } else {
            p++;
        }
    }
}

/*
 * Moves *at, at an opening bracket, to just after the one that closes it. Returns JSON_SCAN_OBJECT
 * on success.
 */
static enum json_scan skip_brackets(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *p = *at;
    uint64_t arrays[JSON_SCAN_DEPTH_MAX / 64] = {0}; /* a bit for each that is open */
    unsigned depth = 0;

    do {
        switch (classes[*p++]) {
        case CLASS_PLAIN:
            break;
        case CLASS_QUOTE: {
            enum json_scan string = skip_string(&p, end);

            if (string != JSON_SCAN_OBJECT)
                return string;
            break;
        }
        case CLASS_OPEN:
            if (depth == JSON_SCAN_DEPTH_MAX)
                return JSON_SCAN_MALFORMED;
            arrays[depth / 64] = arrays[depth / 64] << 1 | (p[-1] == '[');
            depth++;
            break;
        case CLASS_CLOSE:
            depth--;
            if ((arrays[depth / 64] & 1) != (p[-1] == ']'))
                return JSON_SCAN_MALFORMED;
            arrays[depth / 64] >>= 1;
            if (depth == 0) {
                *at = p;
                return JSON_SCAN_OBJECT;
            }
            break;
        default:
            if (p[-1] < 0x20)
                return JSON_SCAN_CONTROL;
            return p[-1] >= 0x80 && utf8_sequence((const char *)p - 1, (const char *)end) == 0
                       ? JSON_SCAN_UTF8
                       : JSON_SCAN_MALFORMED;
        }
    } while (p < end);
    return JSON_SCAN_CUT;
}

enum json_scan json_scan_line(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    enum json_scan found;

    if (len == 0 || *p != '{')
        return JSON_SCAN_MALFORMED;
    found = skip_brackets(&p, end);
    if (found != JSON_SCAN_OBJECT)
        return found;
    return json_scan_blank((const char *)p, text + len) == text + len ? JSON_SCAN_OBJECT
                                                                      : JSON_SCAN_MALFORMED;
}

const char *json_scan_object(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;

    if (at >= end || *at != '{')
        return NULL;
    return skip_brackets(&p, (const unsigned char *)end) == JSON_SCAN_OBJECT ? (const char *)p
                                                                             : NULL;
}

const char *json_scan_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

const char *json_scan_value(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at, *stop = (const unsigned char *)end;
    unsigned depth = 0;

    if (p >= stop)
        return NULL;
    do {
        switch (classes[*p]) {
        case CLASS_QUOTE:
            p++;
            if (skip_string(&p, stop) != JSON_SCAN_OBJECT)
                return NULL;
            break;
        case CLASS_OPEN:
            depth++;
            p++;
            break;
        case CLASS_CLOSE:
            if (depth == 0)
                return NULL;
            depth--;
            p++;
            break;
        default:
            if (depth > 0) {
                p++;
                break;
            }
            while (p < stop && strchr(",:{}[]\" \t\r\n", *p) == NULL)
                p++;
            return (const char *)p > at ? (const char *)p : NULL;
        }
    } while (depth > 0 && p < stop);
    return depth == 0 ? (const char *)p : NULL;
}
