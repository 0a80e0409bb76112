#include "metrics-agent/export/otlp_protobuf.h"

#include "lib/base/json_scan.h"
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
static bool take_value(struct transcoder *t, struct otlp_text *value)
{
    const char *stop;

    skip_blank(t);
    stop = json_scan_value(t->at, t->end);
    if (stop == NULL || stop >= t->end)
        return false;
    *value = (struct otlp_text){t->at, (size_t)(stop - t->at)};
    t->at = stop;
    return true;
}

static bool is(struct otlp_text value, const char *word)
{
    return value.len == strlen(word) && memcmp(value.at, word, value.len) == 0;
}

static bool is_string(struct otlp_text value)
{
    return value.len >= 2 && value.at[0] == '"';
}

static struct otlp_text unquoted(struct otlp_text value)
{
    return is_string(value) ? (struct otlp_text){value.at + 1, value.len - 2} : value;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of a \u escape; -1 where they are none. */
static long hex4(const char *at, const char *end)
{
    long value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(at[i]);

        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static bool put_utf8(struct transcoder *t, unsigned c)
{
    unsigned char bytes[4];
    size_t len = 0;

    if (c < 0x80) {
        bytes[len++] = (unsigned char)c;
    } else if (c < 0x800) {
        bytes[len++] = (unsigned char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[len++] = (unsigned char)(0xe0 | c >> 12);
        bytes[len++] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    } else {
        bytes[len++] = (unsigned char)(0xf0 | c >> 18);
        bytes[len++] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        bytes[len++] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        bytes[len++] = (unsigned char)(0x80 | (c & 0x3f));
    return protobuf_put(t->out, bytes, len);
}

/*
 * What follows a backslash; *at is moved behind it. Half a surrogate pair stands for nothing:
 * U+FFFD, since one invalid string would have the whole request refused.
 */
static bool put_escape(struct transcoder *t, const char **at, const char *end)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    long high, low;

    if (*at == end)
        return false;
    if (**at != 'u') {
        letter = **at != '\0' ? strchr(letters, **at) : NULL;
        (*at)++;
        return letter != NULL && protobuf_put(t->out, &bytes[letter - letters], 1);
    }
    high = hex4(*at + 1, end);
    if (high < 0)
        return false;
    *at += 5;
    if (high < 0xd800 || high > 0xdfff)
        return put_utf8(t, (unsigned)high);
    if (high < 0xdc00 && end - *at >= 2 && (*at)[0] == '\\' && (*at)[1] == 'u' &&
        (low = hex4(*at + 2, end)) >= 0xdc00 && low <= 0xdfff) {
        *at += 6;
        return put_utf8(t, (unsigned)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
    }
    return put_utf8(t, 0xfffd);
}

static bool put_unescaped(struct transcoder *t, struct otlp_text text)
{
    const char *at = text.at, *const end = at + text.len;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        const size_t plain = (size_t)((slash != NULL ? slash : end) - at);

        if (!protobuf_put(t->out, at, plain))
            return false;
        at += plain;
        if (slash == NULL)
            return true;
        at++;
        if (!put_escape(t, &at, end))
            return false;
    }
    return true;
}

static bool put_hex(struct transcoder *t, struct otlp_text text)
{
    if (text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        const int high = hex_digit(text.at[i]), low = hex_digit(text.at[i + 1]);
        unsigned char byte;

        if (high < 0 || low < 0)
            return false;
        byte = (unsigned char)(high << 4 | low);
        if (!protobuf_put(t->out, &byte, 1))
            return false;
    }
    return true;
}

/* RFC 4648, both alphabets, padded or not. */
static bool put_base64(struct transcoder *t, struct otlp_text text)
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

static bool put_text(struct transcoder *t, const struct otlp_field *field, struct otlp_text value)
{
    const struct otlp_text text = unquoted(value);
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
static bool number(struct otlp_text value, uint64_t max, uint64_t *n)
{
    const struct otlp_text text = unquoted(value);

    *n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || __builtin_mul_overflow(*n, UINT64_C(10), n) ||
            __builtin_add_overflow(*n, (uint64_t)(text.at[i] - '0'), n))
            return false;
    }
    return text.len > 0 && *n <= max;
}

static bool put_int64(struct transcoder *t, const struct otlp_field *field, struct otlp_text value)
{
    struct otlp_text text = unquoted(value);
    const bool negative = text.len > 0 && text.at[0] == '-';
    uint64_t n;

    if (negative)
        text = (struct otlp_text){text.at + 1, text.len - 1};
    if ((text.len > 0 && text.at[0] == '"') ||
        !number(text, negative ? UINT64_C(1) << 63 : INT64_MAX, &n))
        return false;
    return protobuf_put_tag(t->out, field->number, PROTOBUF_VARINT) &&
           protobuf_put_varint(t->out, negative ? 0 - n : n);
}

static bool read_double(struct otlp_text text, double *n)
{
    char *stop;

    if (is(text, "NaN"))
        *n = __builtin_nan("");
    else if (is(text, "Infinity"))
        *n = __builtin_inf();
    else if (is(text, "-Infinity"))
        *n = -__builtin_inf();
    else if (text.len == 0 || (text.at[0] != '-' && (text.at[0] < '0' || text.at[0] > '9')) ||
             strspn(text.at, "-+.eE0123456789") < text.len)
        return false;
    else /* it ends where the value does: a quote, a comma or a bracket follows */
        return *n = strtod(text.at, &stop), stop == text.at + text.len;
    return true;
}

static bool put_double(struct transcoder *t, const struct otlp_field *field, struct otlp_text value)
{
    uint64_t bits;
    double n;

    if (!read_double(unquoted(value), &n))
        return false;
    memcpy(&bits, &n, sizeof bits);
    return protobuf_put_tag(t->out, field->number, PROTOBUF_FIXED64) &&
           protobuf_put_fixed(t->out, bits, 8);
}

static bool put_scalar(struct transcoder *t, const struct otlp_field *field, struct otlp_text value)
{
    uint64_t n;

    switch (field->kind) {
    case OTLP_STRING:
    case OTLP_ID:
    case OTLP_BYTES:
        return put_text(t, field, value);
    case OTLP_BOOL:
        if (!is(value, "true") && !is(value, "false"))
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
    struct otlp_text value;
    size_t start;

    if (field->kind != OTLP_MESSAGE)
        return take_value(t, &value) && (is(value, "null") || put_scalar(t, field, value));
    skip_blank(t);
    if (t->at < t->end && *t->at == 'n')
        return take_value(t, &value) && is(value, "null");
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
    struct otlp_text key, skipped;
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
