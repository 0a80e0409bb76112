#include "lib/trace/attribute.h"

#include "lib/base/decimal.h"
#include "lib/base/json_plain.h"

#include <math.h>

enum { TYPES = ATTRIBUTE_JSON + 1 };

/* Copied whole, in two moves, though only `length` bytes of it count. */
struct piece {
    char text[31];
    unsigned char length;
};

/* What stands around key and value. */
struct form {
    struct piece before;
    struct piece between[TYPES], after[TYPES];
};

#define PIECE(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* OTLP/JSON writes 64-bit integers as decimal strings (protobuf's JSON mapping). */
static const struct form otlp = {
    .before = PIECE("{\"key\":\""),
    .between = {[ATTRIBUTE_STRING] = PIECE("\",\"value\":{\"stringValue\":\""),
                [ATTRIBUTE_JSON] = PIECE("\",\"value\":{\"stringValue\":\""),
                [ATTRIBUTE_BYTES] = PIECE("\",\"value\":{\"bytesValue\":\""),
                [ATTRIBUTE_INT] = PIECE("\",\"value\":{\"intValue\":\""),
                [ATTRIBUTE_DOUBLE] = PIECE("\",\"value\":{\"doubleValue\":"),
                [ATTRIBUTE_BOOL] = PIECE("\",\"value\":{\"boolValue\":")},
    .after = {[ATTRIBUTE_STRING] = PIECE("\"}}"),
              [ATTRIBUTE_JSON] = PIECE("\"}}"),
              [ATTRIBUTE_BYTES] = PIECE("\"}}"),
              [ATTRIBUTE_INT] = PIECE("\"}}"),
              [ATTRIBUTE_DOUBLE] = PIECE("}}"),
              [ATTRIBUTE_BOOL] = PIECE("}}")},
};

static const struct form member = {
    .before = PIECE("\""),
    .between = {[ATTRIBUTE_STRING] = PIECE("\":\""),
                [ATTRIBUTE_JSON] = PIECE("\":"),
                [ATTRIBUTE_BYTES] = PIECE("\":\""),
                [ATTRIBUTE_INT] = PIECE("\":"),
                [ATTRIBUTE_DOUBLE] = PIECE("\":"),
                [ATTRIBUTE_BOOL] = PIECE("\":")},
    .after = {[ATTRIBUTE_STRING] = PIECE("\""), [ATTRIBUTE_BYTES] = PIECE("\"")},
};

static size_t kept(size_t length)
{
    return length < ATTRIBUTE_STRING_MAX ? length : ATTRIBUTE_STRING_MAX;
}

bool attribute_is_absent(const struct attribute *attribute)
{
    return attribute->string == NULL &&
           (attribute->type == ATTRIBUTE_STRING || attribute->type == ATTRIBUTE_BYTES ||
            attribute->type == ATTRIBUTE_JSON);
}

static char *put_piece(char *at, const struct piece *piece)
{
    memcpy(at, piece, sizeof(*piece));
    return at + piece->length;
}

/* NULL if the text needs an escape. */
static char *put_plain(char *at, const char *text, size_t length)
{
    return json_plain_copy(at, text, length) == length ? at + length : NULL;
}

/* NULL for what is to be written piece by piece. */
static char *put_value(char *at, const struct attribute *attribute)
{
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
        return put_plain(at, attribute->string, kept(attribute->length));
    case ATTRIBUTE_INT:
        return at + decimal_int(at, attribute->integer);
    case ATTRIBUTE_DOUBLE:
        return isfinite(attribute->number) ? at + decimal_double(at, attribute->number) : NULL;
    case ATTRIBUTE_BOOL:
        memcpy(at, attribute->boolean ? "true\0" : "false", 5);
        return at + (attribute->boolean ? 4 : 5);
    case ATTRIBUTE_BYTES:
    case ATTRIBUTE_JSON:
        break;
    }
    return NULL;
}

/* What stands before the value; NULL if the key needs an escape. */
static char *put_head(char *at, bool comma, const struct form *form,
                      const struct attribute *attribute)
{
    if (comma)
        *at++ = ',';
    at = put_plain(put_piece(at, &form->before), attribute->key, attribute->key_length);
    return at != NULL ? put_piece(at, &form->between[attribute->type]) : NULL;
}

/* RFC 4648, section 4, without the quotes. */
static void write_base64(struct json_writer *w, const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *const in = (const unsigned char *)text;

    for (size_t i = 0; i < length; i += 3) {
        const size_t left = length - i;
        const unsigned bits = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                              (left > 2 ? in[i + 2] : 0);
        const char out[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                             left > 1 ? digits[bits >> 6 & 63] : '=',
                             left > 2 ? digits[bits & 63] : '='};

        json_writer_bytes(w, out, sizeof(out));
    }
}

/* JSON has no number for some; protobuf's JSON mapping has these texts. */
static void write_double(struct json_writer *w, double value)
{
    char text[DECIMAL_DOUBLE_SIZE];

    if (isfinite(value))
        json_writer_bytes(w, text, decimal_double(text, value));
    else if (isnan(value))
        json_writer_bytes(w, "\"NaN\"", 5);
    else if (value > 0)
        json_writer_bytes(w, "\"Infinity\"", 10);
    else
        json_writer_bytes(w, "\"-Infinity\"", 11);
}

static void write_value(struct json_writer *w, const struct form *form,
                        const struct attribute *attribute)
{
    char digits[DECIMAL_INT_SIZE];

    switch (attribute->type) {
    case ATTRIBUTE_JSON:
        if (form == &member)
            json_writer_bytes(w, attribute->string, attribute->length);
        else
            json_writer_text(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_STRING:
        json_writer_text(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_BYTES:
        write_base64(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_INT:
        json_writer_bytes(w, digits, decimal_int(digits, attribute->integer));
        break;
    case ATTRIBUTE_DOUBLE:
        write_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        json_writer_bytes(w, attribute->boolean ? "true" : "false", attribute->boolean ? 4 : 5);
        break;
    }
}

static void write_piece(struct json_writer *w, const struct piece *piece)
{
    json_writer_bytes(w, piece->text, piece->length);
}

static void write_head(struct json_writer *w, const struct form *form,
                       const struct attribute *attribute)
{
    if (w->comma)
        json_writer_bytes(w, ",", 1);
    write_piece(w, &form->before);
    json_writer_text(w, attribute->key, attribute->key_length);
    write_piece(w, &form->between[attribute->type]);
}

/*
 * The usual attribute needs no escape, and there is room for it and for what is copied beyond the
 * ends of its pieces: it is put at once. What is not usual is written piece by piece.
 */
static void write_attribute(struct json_writer *w, const struct form *form,
                            const struct attribute *attribute)
{
    const size_t most =
        4 * sizeof(struct piece) + DECIMAL_DOUBLE_SIZE + attribute->key_length + attribute->length;
    char *at = NULL;

    if (attribute_is_absent(attribute))
        return;
    if (!w->overflow && w->cap - w->len >= most)
        at = put_head(w->buf + w->len, w->comma, form, attribute);
    if (at != NULL)
        w->len = (size_t)(at - w->buf);
    else
        write_head(w, form, attribute);
    w->comma = true;
    if (at != NULL)
        at = put_value(at, attribute);
    if (at != NULL) {
        w->len = (size_t)(put_piece(at, &form->after[attribute->type]) - w->buf);
        return;
    }
    write_value(w, form, attribute);
    write_piece(w, &form->after[attribute->type]);
}

void attribute_write_otlp(struct json_writer *w, const struct attribute *attribute)
{
    write_attribute(w, &otlp, attribute);
}

void attribute_write_member(struct json_writer *w, const struct attribute *attribute)
{
    write_attribute(w, &member, attribute);
}
