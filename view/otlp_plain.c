#include "view/otlp_plain.h"

#include "lib/base/json_walk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 64, /* of an enum */
    ID_MAX = 64,
    NUMBER_TEXT_MAX = 64, /* bytes of a whole number that is taken as it stands */
};

#define WHOLE_MAX 9007199254740992.0 /* 2^53: all whole doubles up to it are exact */

/* --- Members --- */

struct text otlp_plain_get(struct text message, const char *name)
{
    struct text found = {NULL, 0}, key, value;
    const char *at = NULL;

    while (json_walk_next(message, &at, &key, &value)) {
        if (json_walk_is_member(key, name) && !json_walk_is(value, "null"))
            found = value;
    }
    return found;
}

static struct text content(struct text value)
{
    const struct text string = json_walk_string(value);

    return string.at != NULL ? string : value;
}

uint64_t otlp_plain_uint(struct text value)
{
    const struct text number = content(value);
    uint64_t whole;
    double real;

    if (text_parse_uint(number, &whole) == 0)
        return whole;
    return json_walk_double(number, &real) == 0 && real >= 0 && real < 18446744073709551616.0
               ? (uint64_t)real
               : 0;
}

size_t otlp_plain_enum(struct text value, const char *prefix, const char *const *names,
                       size_t count)
{
    char name[2 * NAME_MAX_BYTES];
    const uint64_t number = otlp_plain_uint(value);

    for (size_t i = 0; i < count && number == 0; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", prefix, names[i]);
        if (json_walk_is(json_walk_string(value), name))
            return i;
    }
    return number < count ? (size_t)number : 0;
}

/* --- Plain JSON --- */

/* A string's content, its escapes resolved and only those made that have to be. */
static void write_string(struct json_writer *w, struct text inside)
{
    const char *at = inside.at, *const end = inside.at + inside.len;

    if (w->comma)
        json_writer_bytes(w, ",", 1);
    json_writer_bytes(w, "\"", 1);
    while (at < end) {
        const char *const backslash = memchr(at, '\\', (size_t)(end - at));
        char character[UTF8_MAX];
        size_t len;

        json_writer_text(w, at, (size_t)((backslash != NULL ? backslash : end) - at));
        if (backslash == NULL)
            break;
        at = backslash + 1;
        len = json_walk_unescape(&at, end, character);
        if (len == 0)
            break;
        json_writer_text(w, character, len);
    }
    json_writer_literal(w, "\"", true);
}

void otlp_plain_key(struct json_writer *w, struct text key)
{
    write_string(w, key);
    json_writer_literal(w, ":", false);
}

/* 200, 200.0 and 2e2 are one number. */
static void write_number(struct json_writer *w, struct text number)
{
    double value;

    if (json_walk_number(number) == JSON_NUMBER_WHOLE && number.len < NUMBER_TEXT_MAX &&
        !text_is(number, "-0"))
        json_writer_raw_value(w, number.at, number.len);
    else if (json_walk_double(number, &value) != 0)
        json_writer_null(w);
    else if (value == trunc(value) && fabs(value) < WHOLE_MAX)
        json_writer_int(w, (int64_t)value);
    else
        json_writer_double(w, value);
}

void otlp_plain_write(struct json_writer *w, struct text value)
{
    const char first = value.len > 0 ? value.at[0] : '\0';
    struct text key, element;
    const char *at = NULL;

    switch (first) {
    case '{':
        json_writer_begin_object(w);
        while (json_walk_next(value, &at, &key, &element)) {
            otlp_plain_key(w, key);
            otlp_plain_write(w, element);
        }
        json_writer_end_object(w);
        return;
    case '[':
        json_writer_begin_array(w);
        while (json_walk_next(value, &at, NULL, &element))
            otlp_plain_write(w, element);
        json_writer_end_array(w);
        return;
    case '"':
        write_string(w, json_walk_string(value));
        return;
    case 't':
    case 'f':
        json_writer_bool(w, first == 't');
        return;
    default:
        write_number(w, value);
    }
}

/* --- Values of OTLP --- */

static void write_pairs(struct json_writer *w, struct text pairs)
{
    json_writer_begin_object(w);
    otlp_plain_attributes(w, pairs);
    json_writer_end_object(w);
}

static void write_list(struct json_writer *w, struct text list)
{
    const char *at = NULL;
    struct text element;

    json_writer_begin_array(w);
    while (json_walk_next(list, &at, NULL, &element))
        otlp_plain_any(w, element);
    json_writer_end_array(w);
}

void otlp_plain_any(struct json_writer *w, struct text any)
{
    struct text key, value, kind = {NULL, 0}, inside = {NULL, 0};
    const char *at = NULL;

    while (json_walk_next(any, &at, &key, &value)) {
        if (!json_walk_is(value, "null")) {
            kind = key;
            inside = value;
        }
    }
    if (json_walk_is_member(kind, "arrayValue"))
        write_list(w, otlp_plain_get(inside, "values"));
    else if (json_walk_is_member(kind, "kvlistValue"))
        write_pairs(w, otlp_plain_get(inside, "values"));
    /* Numbers may stand in strings, but NaN and the infinities have to. */
    else if ((json_walk_is_member(kind, "intValue") || json_walk_is_member(kind, "doubleValue")) &&
             json_walk_number(content(inside)) != JSON_NUMBER_NONE)
        write_number(w, content(inside));
    else if (kind.at != NULL)
        otlp_plain_write(w, inside);
    else
        json_writer_null(w);
}

void otlp_plain_attributes(struct json_writer *w, struct text attributes)
{
    struct text element, member, content_of;
    const char *at = NULL;

    while (json_walk_next(attributes, &at, NULL, &element)) {
        struct text key = {NULL, 0}, value = {NULL, 0};
        const char *inner = NULL;

        while (json_walk_next(element, &inner, &member, &content_of)) {
            if (json_walk_is(member, "key"))
                key = json_walk_string(content_of);
            else if (json_walk_is(member, "value"))
                value = content_of;
        }
        if (key.at == NULL)
            continue;
        otlp_plain_key(w, key);
        otlp_plain_any(w, value);
    }
}

void otlp_plain_id(struct json_writer *w, struct text id)
{
    const struct text hex = json_walk_string(id);
    char lower[ID_MAX];
    size_t len = hex.len < sizeof(lower) ? hex.len : 0;

    for (size_t i = 0; i < len; i++)
        lower[i] = hex.at[i] >= 'A' && hex.at[i] <= 'Z' ? (char)(hex.at[i] | 0x20) : hex.at[i];
    json_writer_string_n(w, lower, len);
}
