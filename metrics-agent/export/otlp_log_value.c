#include "metrics-agent/export/otlp_log_value.h"

#include "lib/base/json_walk.h"

#include <math.h>

enum {
    INT_DIGITS_SAFE = 18,
    DOUBLE_DIGITS_MAX = 300, /* of a number without an exponent that is surely a finite double */
};

/* A value that is JSON, as the content of a JSON string. */
static void put_escaped(struct json_writer *body, struct text value)
{
    size_t i, from = 0;

    for (i = 0; i < value.len; i++) {
        char c = value.at[i];

        if (c != '"' && c != '\\' && (unsigned char)c >= 0x20)
            continue;
        json_writer_bytes(body, value.at + from, i - from);
        from = i + 1;
        if (c == '"')
            PUT(body, "\\\"");
        else if (c == '\\')
            PUT(body, "\\\\");
        else
            PUT(body, " "); /* a tab or carriage return between values */
    }
    json_writer_bytes(body, value.at + from, value.len - from);
}

/* Where a backslash stands, a string is. */
bool otlp_log_value_escapes(struct text line)
{
    const char *const end = line.at + line.len, *at = line.at;
    char character[UTF8_MAX];

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        at++;
        if (json_walk_unescape(&at, end, character) == 0)
            return false;
    }
    return true;
}

void otlp_log_value_text(struct json_writer *body, struct text content, bool plain)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const char *const end = content.at + content.len, *from = content.at, *at = from;

    while (!plain && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        const char *after = at + 1;
        char character[UTF8_MAX];
        const size_t len = json_walk_unescape(&after, end, character);

        if (len == sizeof(replacement) - 1 && memcmp(character, replacement, len) == 0) {
            json_writer_bytes(body, from, (size_t)(at - from));
            json_writer_bytes(body, replacement, len);
            from = after;
        }
        at = after;
    }
    json_writer_bytes(body, from, (size_t)(end - from));
}

/* Whether a number may be beyond a double's range. */
static bool is_vast(struct text value)
{
    double number;

    return (value.len > DOUBLE_DIGITS_MAX || memchr(value.at, 'e', value.len) != NULL ||
            memchr(value.at, 'E', value.len) != NULL) &&
           json_walk_double(value, &number) == 0 && isinf(number);
}

/* Whether a whole number surely fits into 64 bits; -0 is a double's. */
static bool is_int64(struct text value)
{
    return value.len <= INT_DIGITS_SAFE && !text_is(value, "-0");
}

int otlp_log_value_put(struct json_writer *body, struct text value, bool plain)
{
    char first = value.at[0];

    if (first == '"') {
        PUT(body, "{\"stringValue\":\"");
        otlp_log_value_text(body, otlp_log_value_unquoted(value), plain);
        PUT(body, "\"");
    } else if (first == '{' || first == '[') {
        PUT(body, "{\"stringValue\":\"");
        put_escaped(body, value);
        PUT(body, "\"");
    } else if (text_is(value, "true") || text_is(value, "false")) {
        PUT(body, "{\"boolValue\":");
        json_writer_bytes(body, value.at, value.len);
    } else if (text_is(value, "null")) {
        PUT(body, "{");
    } else {
        enum json_number number = json_walk_number(value);

        if (number == JSON_NUMBER_NONE)
            return -1;
        if (number == JSON_NUMBER_WHOLE && is_int64(value)) {
            PUT(body, "{\"intValue\":\"");
            json_writer_bytes(body, value.at, value.len);
            PUT(body, "\"");
        } else if (is_vast(value)) {
            PUT(body, "{\"stringValue\":\"");
            json_writer_bytes(body, value.at, value.len);
            PUT(body, "\"");
        } else {
            PUT(body, "{\"doubleValue\":");
            json_writer_bytes(body, value.at, value.len);
            /* Some parsers refuse a whole number of this size before they know what it is for. */
            if (number == JSON_NUMBER_WHOLE)
                PUT(body, ".0");
        }
    }
    PUT(body, "}");
    return 0;
}
