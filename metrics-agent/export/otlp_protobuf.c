#include "metrics-agent/export/otlp_protobuf.h"

#include "lib/base/json_scan.h"
#include "lib/base/json_walk.h"
#include "metrics-agent/export/otlp_number.h"
#include "metrics-agent/export/protobuf.h"

#include <stdbool.h>
#include <string.h>

enum {
    BASE64_BITS = 6,
    BASE64_GROUP = 4, /* digits for three bytes */
};

#define ONEOF (1U << OTLP_SCHEMA_FIELDS_MAX) /* in a set of fields: one of the oneof's */

/* The JSON that is left, and the bytes that came of it. */
struct transcoder {
    const char *at, *end;
    struct protobuf *out;
    const struct otlp_field *field; /* whose value is being read; NULL outside of any */
    const char *wrong;              /* NULL as long as nothing is */
    unsigned depth;
};

static const char not_json[] = "invalid JSON", no_room[] = "too long for a request",
                  not_hex[] = "not hexadecimal";

/* For what returns false: notes why. */
static bool fail(struct transcoder *t, const char *wrong)
{
    t->wrong = wrong;
    return false;
}

/* What could not be put had no room. */
static bool put(struct transcoder *t, bool done)
{
    return done || fail(t, no_room);
}

/* Few writers leave blanks, so it is asked here whether there are any. */
static void skip_blank(struct transcoder *t)
{
    if (t->at < t->end && (unsigned char)*t->at <= ' ')
        t->at = json_scan_blank(t->at, t->end);
}

static bool is_next(struct transcoder *t, char c)
{
    skip_blank(t);
    return t->at < t->end && *t->at == c;
}

/* Takes the byte `c`, with blanks before it, if it is next. */
static bool take(struct transcoder *t, char c)
{
    if (!is_next(t, c))
        return false;
    t->at++;
    return true;
}

/* Takes a whole value as it stands; something has to follow it. */
static bool take_value(struct transcoder *t, struct text *value)
{
    const char *stop;

    skip_blank(t);
    stop = json_scan_value(t->at, t->end);
    if (stop == NULL || stop >= t->end)
        return fail(t, not_json);
    *value = (struct text){t->at, (size_t)(stop - t->at)};
    t->at = stop;
    return true;
}

static bool take_null(struct transcoder *t)
{
    struct text value;

    return take_value(t, &value) && (text_is(value, "null") || fail(t, not_json));
}

/* A member that is not known: its name, and the value that follows. */
static bool skip_member(struct transcoder *t, struct text name)
{
    struct json_fault fault;
    struct text value;

    t->field = NULL;
    return take_value(t, &value) &&
           ((json_walk_valid(name, false, &fault) && json_walk_valid(value, false, &fault)) ||
            fail(t, fault.what));
}

static bool is_string(struct text value)
{
    return value.len >= 2 && value.at[0] == '"';
}

static struct text unquoted(struct text value)
{
    return (struct text){value.at + 1, value.len - 2};
}

static bool put_unescaped(struct transcoder *t, struct text text)
{
    const char *at = text.at, *const end = at + text.len;
    char character[UTF8_MAX];
    size_t len;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        const size_t plain = (size_t)((slash != NULL ? slash : end) - at);

        if (!put(t, protobuf_put(t->out, at, plain)))
            return false;
        at += plain;
        if (slash == NULL)
            return true;
        at++;
        len = json_walk_unescape(&at, end, character);
        if (len == 0)
            return fail(t, "invalid escape");
        if (!put(t, protobuf_put(t->out, character, len)))
            return false;
    }
    return true;
}

/*
 * Turns the content of a string that is to be decoded into what it is without escapes. That lies,
 * with a NUL behind it, where the next bytes will be put: no decoder puts more than it has read.
 */
static bool undo_escapes(struct transcoder *t, struct text *text)
{
    const size_t start = t->out->len;

    if (memchr(text->at, '\\', text->len) == NULL)
        return true;
    if (!put_unescaped(t, *text) || !put(t, protobuf_put(t->out, "", 1)))
        return false;
    *text = (struct text){(const char *)t->out->bytes + start, t->out->len - start - 1};
    t->out->len = start;
    return true;
}

static bool put_hex(struct transcoder *t, struct text text)
{
    unsigned char *const to = t->out->bytes + t->out->len;
    const size_t len = text.len / 2;

    if (len > t->out->cap - t->out->len)
        return fail(t, no_room);
    if (!undo_escapes(t, &text))
        return false;
    if (text.len % 2 != 0)
        return fail(t, not_hex);
    for (size_t i = 0; i < text.len / 2; i++) {
        const int value = text_hex_byte(text.at + 2 * i);

        if (value < 0)
            return fail(t, not_hex);
        to[i] = (unsigned char)value;
    }
    t->out->len += text.len / 2;
    return true;
}

/* Base64 without its padding; false if there is too little or too much of it. */
static bool unpadded(struct text *text)
{
    const size_t whole = text->len;

    while (text->len > 0 && text->at[text->len - 1] == '=')
        text->len--;
    return text->len % BASE64_GROUP != 1 &&
           (text->len == whole || (whole % BASE64_GROUP == 0 && whole - text->len < 3));
}

/* RFC 4648, both alphabets, padded or not. */
static bool put_base64(struct transcoder *t, struct text text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                      wrong[] = "not base64";
    unsigned bits = 0, count = 0;

    if (!undo_escapes(t, &text))
        return false;
    if (!unpadded(&text))
        return fail(t, wrong);
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.at[i] == '-' ? '+' : text.at[i] == '_' ? '/' : text.at[i];
        const char *digit = memchr(digits, c, sizeof digits - 1);
        unsigned char byte;

        if (digit == NULL)
            return fail(t, wrong);
        bits = bits << BASE64_BITS | (unsigned)(digit - digits);
        count += BASE64_BITS;
        if (count < 8)
            continue;
        count -= 8;
        byte = (unsigned char)(bits >> count);
        if (!put(t, protobuf_put(t->out, &byte, 1)))
            return false;
    }
    return true;
}

/* A field of bytes: a string in one of its three forms. */
static bool put_text(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    size_t start;

    if (!is_string(value))
        return fail(t, "not a string");
    if (!put(t, protobuf_open(t->out, field->number, &start)))
        return false;
    value = unquoted(value);
    if (field->kind == OTLP_STRING ? !put_unescaped(t, value)
        : field->kind == OTLP_ID   ? !put_hex(t, value)
                                   : !put_base64(t, value))
        return false;
    return put(t, protobuf_close(t->out, start));
}

/* How a whole number is written, and the magnitudes of the greatest and the least one. */
static const struct whole {
    enum protobuf_type type;
    uint64_t most, least;
} wholes[] = {
    [OTLP_INT32] = {PROTOBUF_VARINT, INT32_MAX, UINT64_C(1) << 31},
    [OTLP_SINT32] = {PROTOBUF_VARINT, INT32_MAX, UINT64_C(1) << 31},
    [OTLP_UINT32] = {PROTOBUF_VARINT, UINT32_MAX, 0},
    [OTLP_INT64] = {PROTOBUF_VARINT, INT64_MAX, UINT64_C(1) << 63},
    [OTLP_UINT64] = {PROTOBUF_VARINT, UINT64_MAX, 0},
    [OTLP_FIXED32] = {PROTOBUF_FIXED32, UINT32_MAX, 0},
    [OTLP_FIXED64] = {PROTOBUF_FIXED64, UINT64_MAX, 0},
    [OTLP_SFIXED64] = {PROTOBUF_FIXED64, INT64_MAX, UINT64_C(1) << 63},
};

static bool find_enum(const struct otlp_enum *values, struct text name, struct otlp_number *number)
{
    for (size_t i = 0; values != NULL && i < values->count; i++) {
        if (text_is(name, values->names[i])) {
            *number = (struct otlp_number){false, i};
            return true;
        }
    }
    return false;
}

/* The text of a number: of a number of the JSON grammar, or a string's content. */
static bool number_text(struct transcoder *t, struct text *value)
{
    if (!is_string(*value))
        return json_walk_number(*value) != JSON_NUMBER_NONE || fail(t, "not a number");
    *value = unquoted(*value);
    return undo_escapes(t, value);
}

static bool read_whole(struct transcoder *t, const struct otlp_field *field, struct text value,
                       struct otlp_number *number)
{
    const char *wrong = NULL;

    if (!number_text(t, &value))
        return false;
    if (field->kind != OTLP_INT32 || !find_enum(field->values, value, number))
        wrong = otlp_number_whole(value, number);
    return wrong == NULL || fail(t, wrong);
}

static bool put_whole(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    const struct whole *const whole = &wholes[field->kind];
    struct otlp_number number = {false, 0};
    uint64_t n;

    /* Most are strings of digits alone. */
    if ((!is_string(value) || text_parse_uint(unquoted(value), &number.magnitude) != 0) &&
        !read_whole(t, field, value, &number))
        return false;
    if (number.magnitude > (number.negative ? whole->least : whole->most))
        return fail(t, "a number out of range");
    n = number.negative ? 0 - number.magnitude : number.magnitude;
    if (field->kind == OTLP_SINT32)
        n = number.magnitude * 2 - (number.negative && number.magnitude > 0);
    return put(t, whole->type == PROTOBUF_VARINT
                      ? protobuf_put_varint(t->out, n)
                      : protobuf_put_fixed(t->out, n, whole->type == PROTOBUF_FIXED32 ? 4 : 8));
}

static bool put_double(struct transcoder *t, struct text value)
{
    const char *wrong;
    uint64_t bits;
    double n;

    if (!number_text(t, &value))
        return false;
    wrong = otlp_number_double(value, &n);
    if (wrong != NULL)
        return fail(t, wrong);
    memcpy(&bits, &n, sizeof bits);
    return put(t, protobuf_put_fixed(t->out, bits, 8));
}

static bool put_bool(struct transcoder *t, struct text value)
{
    if (!text_is(value, "true") && !text_is(value, "false"))
        return fail(t, "neither true nor false");
    return put(t, protobuf_put_varint(t->out, value.at[0] == 't'));
}

/* A number or a boolean, without its tag. */
static bool put_number(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    return field->kind == OTLP_BOOL     ? put_bool(t, value)
           : field->kind == OTLP_DOUBLE ? put_double(t, value)
                                        : put_whole(t, field, value);
}

static enum protobuf_type wire_type(enum otlp_kind kind)
{
    return kind == OTLP_BOOL     ? PROTOBUF_VARINT
           : kind == OTLP_DOUBLE ? PROTOBUF_FIXED64
                                 : wholes[kind].type;
}

static bool put_members(struct transcoder *t, const struct otlp_message *message);

/* A value that is not null, in the field's tag. */
static bool put_one(struct transcoder *t, const struct otlp_field *field)
{
    struct text value;
    size_t start;

    if (field->kind == OTLP_MESSAGE)
        return put(t, protobuf_open(t->out, field->number, &start)) &&
               put_members(t, field->message) && put(t, protobuf_close(t->out, start));
    if (!take_value(t, &value))
        return false;
    if (field->kind < OTLP_BOOL)
        return put_text(t, field, value);
    return put(t, protobuf_put_tag(t->out, field->number, wire_type(field->kind))) &&
           put_number(t, field, value);
}

static bool put_list(struct transcoder *t, const struct otlp_field *field)
{
    const bool packed = field->kind >= OTLP_BOOL;
    struct text value;
    size_t start = 0;

    if (!take(t, '['))
        return fail(t, "not a list");
    if (take(t, ']'))
        return true;
    if (packed && !put(t, protobuf_open(t->out, field->number, &start)))
        return false;
    do {
        if (packed ? !take_value(t, &value) || !put_number(t, field, value) : !put_one(t, field))
            return false;
        t->field = field;
    } while (take(t, ','));
    if (!take(t, ']'))
        return fail(t, not_json);
    return !packed || put(t, protobuf_close(t->out, start));
}

/* `seen` has a bit for each field that the object has had. */
static bool put_field(struct transcoder *t, const struct otlp_message *message,
                      const struct otlp_field *field, uint32_t *seen)
{
    const uint32_t bit = UINT32_C(1) << (field - message->fields);

    t->field = field;
    if ((*seen & bit) != 0)
        return fail(t, "twice in an object");
    *seen |= bit;
    if (is_next(t, 'n'))
        return take_null(t);
    if (field->oneof && (*seen & ONEOF) != 0)
        return fail(t, "a second value where one can be");
    if (field->oneof)
        *seen |= ONEOF;
    return field->repeated ? put_list(t, field) : put_one(t, field);
}

/* The fields of an object, without its length. */
static bool put_members(struct transcoder *t, const struct otlp_message *message)
{
    uint32_t seen = 0;
    struct text key;
    size_t hint = 0;

    if (!take(t, '{'))
        return fail(t, "not an object");
    if (t->depth > OTLP_PROTOBUF_DEPTH_MAX)
        return fail(t, "nested too deep");
    if (take(t, '}'))
        return true;
    t->depth++;
    do {
        const struct otlp_field *field;

        if (!take_value(t, &key))
            return false;
        if (!is_string(key) || !take(t, ':'))
            return fail(t, not_json);
        field = otlp_schema_field(message, unquoted(key), &hint);
        if (field == NULL ? !skip_member(t, key) : !put_field(t, message, field, &seen))
            return false;
    } while (take(t, ','));
    t->depth--;
    return take(t, '}') || fail(t, not_json);
}

int otlp_protobuf_encode(unsigned char *out, size_t cap, size_t *out_len,
                         const struct otlp_message *request, struct text json,
                         struct otlp_fault *fault)
{
    struct protobuf message = {.bytes = out, .cap = cap};
    struct transcoder t = {.at = json.at, .end = json.at + json.len, .out = &message};

    if (put_members(&t, request)) {
        skip_blank(&t);
        t.field = NULL;
        if (t.at != t.end)
            (void)fail(&t, not_json);
    }
    *out_len = message.len;
    if (t.wrong == NULL)
        return 0;
    *fault = (struct otlp_fault){t.field != NULL ? t.field->name : "", t.wrong};
    return -1;
}

uint64_t otlp_protobuf_rejected(const void *answer, size_t len)
{
    const unsigned char *partial, *unused;
    uint64_t partial_len, rejected;

    if (!protobuf_find(answer, len, 1, PROTOBUF_BYTES, &partial, &partial_len) ||
        !protobuf_find(partial, (size_t)partial_len, 1, PROTOBUF_VARINT, &unused, &rejected))
        return 0;
    /* It is an int64: a negative number rejects nothing. */
    return rejected <= INT64_MAX ? rejected : 0;
}
