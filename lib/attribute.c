#include "lib/attribute.h"

static size_t kept(size_t length)
{
    return length < ATTRIBUTE_STRING_MAX ? length : ATTRIBUTE_STRING_MAX;
}

static bool is_absent(const struct attribute *attribute)
{
    return attribute->string == NULL &&
           (attribute->type == ATTRIBUTE_STRING || attribute->type == ATTRIBUTE_JSON);
}

void attribute_write_otlp(struct json_writer *w, const struct attribute *attribute)
{
    if (is_absent(attribute))
        return;
    json_writer_begin_object(w);
    json_writer_key(w, "key");
    json_writer_string(w, attribute->key);
    json_writer_key(w, "value");
    json_writer_begin_object(w);
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
    case ATTRIBUTE_JSON:
        json_writer_key(w, "stringValue");
        json_writer_string_n(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_INT:
        /* OTLP/JSON writes 64-bit integers as decimal strings (protobuf's JSON mapping). */
        json_writer_key(w, "intValue");
        json_writer_bytes(w, "\"", 1);
        json_writer_int(w, attribute->integer);
        json_writer_bytes(w, "\"", 1);
        break;
    case ATTRIBUTE_DOUBLE:
        json_writer_key(w, "doubleValue");
        json_writer_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        json_writer_key(w, "boolValue");
        json_writer_bool(w, attribute->boolean);
        break;
    }
    json_writer_end_object(w);
    json_writer_end_object(w);
}

void attribute_write_member(struct json_writer *w, const struct attribute *attribute)
{
    if (is_absent(attribute))
        return;
    json_writer_key(w, attribute->key);
    switch (attribute->type) {
    case ATTRIBUTE_STRING:
        json_writer_string_n(w, attribute->string, kept(attribute->length));
        break;
    case ATTRIBUTE_JSON:
        json_writer_raw_value(w, attribute->string, attribute->length);
        break;
    case ATTRIBUTE_INT:
        json_writer_int(w, attribute->integer);
        break;
    case ATTRIBUTE_DOUBLE:
        json_writer_double(w, attribute->number);
        break;
    case ATTRIBUTE_BOOL:
        json_writer_bool(w, attribute->boolean);
        break;
    }
}
