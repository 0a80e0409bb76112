#include "fcgi-app/json_value.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRIVATE_USE_FIRST = 0xE000,
    PRIVATE_USE_LAST = 0xF8FF,
    /* "1e309": no shorter number is beyond the range. */
    OVERFLOWING_LENGTH_MIN = 5,
    /* Two quotes and the marker around a number. */
    MARKED_EXTRA = 2 + JSON_VALUE_MARKER_LENGTH,
};

static const size_t parse_flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;

const char *json_value_marked(const json_t *value, const struct json_value_marker *marker,
                              size_t *length)
{
    const char *text = json_string_value(value);

    if (text == NULL || marker->bytes[0] == '\0' ||
        json_string_length(value) < JSON_VALUE_MARKER_LENGTH ||
        memcmp(text, marker->bytes, JSON_VALUE_MARKER_LENGTH) != 0)
        return NULL;
    *length = json_string_length(value) - JSON_VALUE_MARKER_LENGTH;
    return text + JSON_VALUE_MARKER_LENGTH;
}

static void write_string(struct json_writer *w, const json_t *value,
                         const struct json_value_marker *marker)
{
    size_t length;
    const char *number = json_value_marked(value, marker, &length);

    if (number != NULL)
        json_writer_string_n(w, number, length);
    else
        json_writer_string_n(w, json_string_value(value), json_string_length(value));
}

static void write_object(struct json_writer *w, const json_t *value,
                         const struct json_value_marker *marker)
{
    const char *key;
    json_t *member;

    json_writer_begin_object(w);
    json_object_foreach((json_t *)value, key, member)
    {
        json_writer_key(w, key);
        json_value_write(w, member, marker);
    }
    json_writer_end_object(w);
}

static void write_array(struct json_writer *w, const json_t *value,
                        const struct json_value_marker *marker)
{
    size_t index;
    json_t *element;

    json_writer_begin_array(w);
    json_array_foreach(value, index, element)
    {
        json_value_write(w, element, marker);
    }
    json_writer_end_array(w);
}

/* Recursion is bounded by jansson's own limit of depth (2048) at parsing. */
void json_value_write(struct json_writer *w, const json_t *value,
                      const struct json_value_marker *marker)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(w, value, marker);
        return;
    case JSON_ARRAY:
        write_array(w, value, marker);
        return;
    case JSON_STRING:
        write_string(w, value, marker);
        return;
    case JSON_REAL:
        json_writer_double(w, json_real_value(value));
        return;
    case JSON_INTEGER:
        json_writer_int(w, json_integer_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        json_writer_bool(w, json_is_true(value));
        return;
    case JSON_NULL:
        json_writer_null(w);
        return;
    }
    assert(!"a jansson type that does not exist");
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* The length of the JSON number at the start of `text` (RFC 8259 section 6), or 0. */
static size_t number_length(const char *text)
{
    const char *at = text;
    size_t digits;

    if (*at == '-')
        at++;
    digits = count_digits(at);
    if (digits == 0 || (*at == '0' && digits > 1))
        return 0;
    at += digits;
    if (*at == '.') {
        digits = count_digits(at + 1);
        if (digits == 0)
            return 0;
        at += 1 + digits;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-')
            at++;
        digits = count_digits(at);
        if (digits == 0)
            return 0;
        at += digits;
    }
    return (size_t)(at - text);
}

/*
 * Whether the number token at `text` overflows and stands where a value may stand: a number before
 * a colon is a syntax error, and making it a string would hide that.
 */
static bool is_overflowing_value(const char *text, size_t token)
{
    const char *after = text + token;
    char *end;

    if (token < OVERFLOWING_LENGTH_MIN || number_length(text) != token)
        return false;
    if (!isinf(strtod(text, &end)) || end != after)
        return false;
    return after[strspn(after, " \t\r\n")] != ':';
}

/* The length of the string token at `text`, which begins with a quote; at most `left`. */
static size_t string_token(const char *text, size_t left)
{
    size_t i = 1;

    while (i < left && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i < left ? i + 1 : left;
}

static size_t number_token(const char *text)
{
    return strspn(text, "+-.eE0123456789");
}

/* Copies the body with each overflowing number marked. Returns the length of the copy. */
static size_t mark_overflowing(char *out, const char *body, size_t length, const char *marker)
{
    size_t n = 0;
    size_t i = 0;

    while (i < length) {
        size_t token = 1;

        if (body[i] == '"') {
            token = string_token(body + i, length - i);
        } else if (body[i] == '-' || (body[i] >= '0' && body[i] <= '9')) {
            token = number_token(body + i);
            if (is_overflowing_value(body + i, token)) {
                out[n++] = '"';
                memcpy(out + n, marker, JSON_VALUE_MARKER_LENGTH);
                n += JSON_VALUE_MARKER_LENGTH;
                memcpy(out + n, body + i, token);
                n += token;
                out[n++] = '"';
                i += token;
                continue;
            }
        }
        memcpy(out + n, body + i, token);
        n += token;
        i += token;
    }
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The code point of an escape's four digits or of a three-byte character, 0 where there is none. */
static unsigned code_point_at(const char *text, size_t left)
{
    const unsigned char *b = (const unsigned char *)text;
    unsigned value = 0;

    if (left >= 3 && (b[0] & 0xF0) == 0xE0 && (b[1] & 0xC0) == 0x80 && (b[2] & 0xC0) == 0x80)
        return (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
    if (left < 6 || b[0] != '\\' || b[1] != 'u')
        return 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(text[i]);

        if (digit < 0)
            return 0;
        value = value << 4 | (unsigned)digit;
    }
    return value;
}

/* Finds a private-use character that the body does not hold. Returns 0, or -1 if it holds all. */
static int choose_marker(struct json_value_marker *marker, const char *body, size_t length)
{
    bool used[PRIVATE_USE_LAST - PRIVATE_USE_FIRST + 1] = {false};

    for (size_t i = 0; i < length; i++) {
        unsigned code = code_point_at(body + i, length - i);

        if (code >= PRIVATE_USE_FIRST && code <= PRIVATE_USE_LAST)
            used[code - PRIVATE_USE_FIRST] = true;
    }
    for (unsigned i = 0; i < sizeof(used); i++) {
        unsigned code = PRIVATE_USE_FIRST + i;

        if (used[i])
            continue;
        marker->bytes[0] = (char)(0xE0 | code >> 12);
        marker->bytes[1] = (char)(0x80 | (code >> 6 & 0x3F));
        marker->bytes[2] = (char)(0x80 | (code & 0x3F));
        marker->bytes[3] = '\0';
        return 0;
    }
    return -1;
}

/* Takes what the markers added before *position off again. */
static void adjust_position(int *position, const char *copy, size_t length,
                            const struct json_value_marker *marker)
{
    size_t limit = *position > 0 && (size_t)*position < length ? (size_t)*position : length;
    int added = 0;

    for (size_t i = 0; i + JSON_VALUE_MARKER_LENGTH <= limit; i++) {
        if (memcmp(copy + i, marker->bytes, JSON_VALUE_MARKER_LENGTH) == 0)
            added += MARKED_EXTRA;
    }
    *position = *position > added ? *position - added : 0;
}

/* jansson takes a NUL between two tokens for the end of the text. */
static bool has_nul(const char *body, size_t length, json_error_t *error)
{
    const char *nul = memchr(body, '\0', length);

    if (nul == NULL)
        return false;
    (void)snprintf(error->text, sizeof(error->text), "NUL byte");
    error->position = (int)(nul - body);
    return true;
}

json_t *json_value_parse(const char *body, size_t length, struct json_value_marker *marker,
                         json_error_t *error)
{
    json_t *value;
    char *copy;
    size_t copy_length;

    assert(body[length] == '\0');
    marker->bytes[0] = '\0';
    if (has_nul(body, length, error))
        return NULL;
    value = json_loadb(body, length, parse_flags, error);
    if (value != NULL || json_error_code(error) != json_error_numeric_overflow)
        return value;
    if (choose_marker(marker, body, length) != 0)
        return NULL;
    copy = malloc(2 * length + 1);
    if (copy == NULL)
        return NULL;
    copy_length = mark_overflowing(copy, body, length, marker->bytes);
    value = json_loadb(copy, copy_length, parse_flags, error);
    if (value == NULL)
        adjust_position(&error->position, copy, copy_length, marker);
    free(copy);
    return value;
}
