#include "metrics-agent/export/otlp_protobuf.h"

#include "lib/base/json_scan.h"
#include "lib/base/json_walk.h"
#include "metrics-agent/export/otlp_schema.h"
#include "metrics-agent/export/protobuf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64_BITS = 6 };

/* The JSON that is left, and the bytes that came of it. */
struct transcoder {
    const char *at, *end;
    struct protobuf *out;
    unsigned depth;
};

static void skip_blank(struct transcoder *t)
{
    t->at = json_scan_blank(t->at, t->end);
}

/* Takes the byte `c`, with blanks before it, if it is next. */
static bool take(struct transcoder *t, char c)
{
    skip_blank(t);
    if (t->at == t->end || *t->at != c)
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
        return false;
    *value = (struct text){t->at, (size_t)(stop - t->at)};
    t->at = stop;
    return true;
}

static bool is_string(struct text value)
{
    return value.len >= 2 && value.at[0] == '"';
}

static struct text unquoted(struct text value)
{
    return is_string(value) ? (struct text){value.at + 1, value.len - 2} : value;
}

/*
 * A string's content. Half a surrogate pair becomes U+FFFD, since one invalid string would have the
 * whole request refused.
 */
static bool put_unescaped(struct transcoder *t, struct text text)
{
    const char *at = text.at, *const end = at + text.len;
    char character[UTF8_MAX];
    size_t len;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        const size_t plain = (size_t)((slash != NULL ? slash : end) - at);

        if (!protobuf_put(t->out, at, plain))
            return false;
        at += plain;
        if (slash == NULL)
            return true;
        at++;
        len = json_walk_unescape(&at, end, character);
        if (len == 0 || !protobuf_put(t->out, character, len))
            return false;
    }
    return true;
}

static bool put_hex(struct transcoder *t, struct text text)
{
    if (text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        const int value = text_hex_byte(text.at + i);
        const unsigned char byte = (unsigned char)value;

        if (value < 0 || !protobuf_put(t->out, &byte, 1))
            return false;
    }
    return true;
}

/* RFC 4648, both alphabets, padded or not. */
static bool put_base64(struct transcoder *t, struct text text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, count = 0;

    while (text.len > 0 && text.at[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.at[i] == '-' ? '+' : text.at[i] == '_' ? '/' : text.at[i];
        const char *digit = memchr(digits, c, sizeof digits - 1);
        unsigned char byte;

        if (digit == NULL)
            return false;
        bits = bits << BASE64_BITS | (unsigned)(digit - digits);
        count += BASE64_BITS;
        if (count < 8)
            continue;
        count -= 8;
        byte = (unsigned char)(bits >> count);
        if (!protobuf_put(t->out, &byte, 1))
            return false;
    }
    return true;
}

static bool put_text(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    const struct text text = unquoted(value);
    size_t start;

    if (!is_string(value) || !protobuf_open(t->out, field->number, &start))
        return false;
    if (field->kind == OTLP_STRING ? !put_unescaped(t, text)
        : field->kind == OTLP_ID   ? !put_hex(t, text)
                                   : !put_base64(t, text))
        return false;
    return protobuf_close(t->out, start);
}

/* A whole number up to `max`, in quotes or not. */
static bool number(struct text value, uint64_t max, uint64_t *n)
{
    return text_parse_uint(unquoted(value), n) == 0 && *n <= max;
}

static bool put_int64(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    struct text text = unquoted(value);
    const bool negative = text.len > 0 && text.at[0] == '-';
    uint64_t n;

    if (negative)
        text = (struct text){text.at + 1, text.len - 1};
    if ((text.len > 0 && text.at[0] == '"') ||
        !number(text, negative ? UINT64_C(1) << 63 : INT64_MAX, &n))
        return false;
    return protobuf_put_tag(t->out, field->number, PROTOBUF_VARINT) &&
           protobuf_put_varint(t->out, negative ? 0 - n : n);
}

static bool read_double(struct text text, double *n)
{
    if (text_is(text, "NaN"))
        *n = __builtin_nan("");
    else if (text_is(text, "Infinity"))
        *n = __builtin_inf();
    else if (text_is(text, "-Infinity"))
        *n = -__builtin_inf();
    else /* a quote, a comma or a bracket follows */
        return json_walk_double(text, n) == 0;
    return true;
}

static bool put_double(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    uint64_t bits;
    double n;

    if (!read_double(unquoted(value), &n))
        return false;
    memcpy(&bits, &n, sizeof bits);
    return protobuf_put_tag(t->out, field->number, PROTOBUF_FIXED64) &&
           protobuf_put_fixed(t->out, bits, 8);
}

static bool put_scalar(struct transcoder *t, const struct otlp_field *field, struct text value)
{
    uint64_t n;

    switch (field->kind) {
    case OTLP_STRING:
    case OTLP_ID:
    case OTLP_BYTES:
        return put_text(t, field, value);
    case OTLP_BOOL:
        if (!text_is(value, "true") && !text_is(value, "false"))
            return false;
        return protobuf_put_tag(t->out, field->number, PROTOBUF_VARINT) &&
               protobuf_put_varint(t->out, value.at[0] == 't');
    case OTLP_UINT32:
        return number(value, UINT32_MAX, &n) &&
               protobuf_put_tag(t->out, field->number, PROTOBUF_VARINT) &&
               protobuf_put_varint(t->out, n);
    case OTLP_ENUM:
        return number(value, INT32_MAX, &n) &&
               protobuf_put_tag(t->out, field->number, PROTOBUF_VARINT) &&
               protobuf_put_varint(t->out, n);
    case OTLP_INT64:
        return put_int64(t, field, value);
    case OTLP_FIXED32:
        return number(value, UINT32_MAX, &n) &&
               protobuf_put_tag(t->out, field->number, PROTOBUF_FIXED32) &&
               protobuf_put_fixed(t->out, n, 4);
    case OTLP_FIXED64:
        return number(value, UINT64_MAX, &n) &&
               protobuf_put_tag(t->out, field->number, PROTOBUF_FIXED64) &&
               protobuf_put_fixed(t->out, n, 8);
    case OTLP_DOUBLE:
        return put_double(t, field, value);
    case OTLP_MESSAGE:
        break;
    }
    assert(!"a message is no scalar");
    return false;
}

static bool put_members(struct transcoder *t, const struct otlp_message *message);

static bool put_one(struct transcoder *t, const struct otlp_field *field)
{
    struct text value;
    size_t start;

    if (field->kind != OTLP_MESSAGE)
        return take_value(t, &value) && (text_is(value, "null") || put_scalar(t, field, value));
    skip_blank(t);
    if (t->at < t->end && *t->at == 'n')
        return take_value(t, &value) && text_is(value, "null");
    return protobuf_open(t->out, field->number, &start) && put_members(t, field->message) &&
           protobuf_close(t->out, start);
}

static bool put_field(struct transcoder *t, const struct otlp_field *field)
{
    if (!field->repeated || !take(t, '['))
        return put_one(t, field);
    if (take(t, ']'))
        return true;
    do {
        if (!put_one(t, field))
            return false;
    } while (take(t, ','));
    return take(t, ']');
}

/* The fields of an object, without its length. */
static bool put_members(struct transcoder *t, const struct otlp_message *message)
{
    struct text key, skipped;
    size_t hint = 0;

    if (!take(t, '{') || t->depth == OTLP_PROTOBUF_DEPTH_MAX)
        return false;
    if (take(t, '}'))
        return true;
    t->depth++;
    do {
        const struct otlp_field *field;

        if (!take_value(t, &key) || !is_string(key) || !take(t, ':'))
            return false;
        field = otlp_schema_field(message, unquoted(key), &hint);
        if (field == NULL ? !take_value(t, &skipped) : !put_field(t, field))
            return false;
    } while (take(t, ','));
    t->depth--;
    return take(t, '}');
}

int otlp_protobuf_encode(unsigned char *out, size_t cap, size_t *out_len, enum spool_signal signal,
                         const char *json, size_t len)
{
    struct protobuf message = {.bytes = out, .cap = cap};
    struct transcoder t = {.at = json, .end = json + len, .out = &message};

    if (!put_members(&t, otlp_schema_request(signal)))
        return -1;
    skip_blank(&t);
    *out_len = message.len;
    return t.at == t.end ? 0 : -1;
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
