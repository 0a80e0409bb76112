#include "lib/trace/attribute.h"

#include <math.h>

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

/* RFC 4648, section 4. */
static void write_base64(struct json_writer *w, const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *const in = (const unsigned char *)text;

    json_writer_literal(w, "\"", false);
    for (size_t i = 0; i < length; i += 3) {
        const size_t left = length - i;
        const unsigned bits = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                              (left > 2 ? in[i + 2] : 0);
        const char out[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                             left > 1 ? digits[bits >> 6 & 63] : '=',
                             left > 2 ? digits[bits & 63] : '='};

        json_writer_bytes(w, out, sizeof(out));
    }
    json_writer_literal(w, "\"", true);
}

/* JSON has no number for some; protobuf's JSON mapping has these texts. */
static void write_double(struct json_writer *w, double value)
{
    if (isfinite(value))
        json_writer_double(w, value);
    else if (isnan(value))
        json_writer_literal(w, "\"NaN\"", true);
    else
        json_writer_string(w, value > 0 ? "Infinity" : "-Infinity");
}

void attribute_write_otlp(struct json_writer *w, const struct attribute *attribute)
{
    if (attribute_is_absent(attribute))
        return;
    if (w->comma)
        json_writer_bytes(w, ",", 1);
    json_writer_literal(w, "{\"key\":", false);
    json_writer_string(w, attribute->key);
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
    case ATTRIBUTE_JSON:
        json_writer_literal(w, ",\"value\":{\"stringValue\":", false);
        json_writer_string_n(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_BYTES:
        json_writer_literal(w, ",\"value\":{\"bytesValue\":", false);
        write_base64(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_INT:
        /* OTLP/JSON writes 64-bit integers as decimal strings (protobuf's JSON mapping). */
        json_writer_literal(w, ",\"value\":{\"intValue\":\"", false);
        json_writer_int(w, attribute->integer);
        json_writer_bytes(w, "\"", 1);
        break;
    case ATTRIBUTE_DOUBLE:
        json_writer_literal(w, ",\"value\":{\"doubleValue\":", false);
        write_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        json_writer_literal(w, ",\"value\":{\"boolValue\":", false);
        json_writer_bool(w, attribute->boolean);
        break;
    }
    json_writer_literal(w, "}}", true);
}

void attribute_write_member(struct json_writer *w, const struct attribute *attribute)
{
    if (attribute_is_absent(attribute))
        return;
    json_writer_key(w, attribute->key);
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
        json_writer_string_n(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_BYTES:
        write_base64(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_JSON:
        json_writer_raw_value(w, attribute->string, attribute->length);
        break;
    case ATTRIBUTE_INT:
        json_writer_int(w, attribute->integer);
        break;
    case ATTRIBUTE_DOUBLE:
        write_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        json_writer_bool(w, attribute->boolean);
        break;
    }
}
