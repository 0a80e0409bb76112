/*
 * A key and a typed value: a span attribute, a resource attribute or a field of a log line. The
 * two renderings are those of the two spools: OTLP's KeyValue and a plain JSON member.
 */
#ifndef LIB_TRACE_ATTRIBUTE_H
#define LIB_TRACE_ATTRIBUTE_H

#include "lib/base/json_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ATTRIBUTE_STRING_MAX = 8192, /* bytes of a string that are kept; the rest is cut off */
};

enum attribute_type {
    ATTRIBUTE_STRING,
    ATTRIBUTE_INT,
    ATTRIBUTE_DOUBLE,
    ATTRIBUTE_BOOL,
    ATTRIBUTE_BYTES, /* base64 text, as protobuf's JSON mapping has bytes */
    ATTRIBUTE_JSON,  /* `string` is one complete JSON value; a string in OTLP */
};

struct attribute {
    const char *key;    /* borrowed; a name of the semantic conventions if there is one */
    const char *string; /* borrowed; NULL leaves the attribute out */
    size_t length;      /* bytes of string */
    enum attribute_type type;
    unsigned key_length;
    union {
        int64_t integer;
        double number;
        bool boolean;
    };
};

/* All but the value. With a literal key its length is known when the program is compiled. */
static inline struct attribute attribute_keyed(const char *key, enum attribute_type type)
{
    return (struct attribute){
        .key = key, .key_length = (unsigned)__builtin_strlen(key), .type = type};
}

static inline struct attribute attribute_text(const char *key, enum attribute_type type,
                                              const char *text, size_t len)
{
    struct attribute attribute = attribute_keyed(key, type);

    attribute.string = text;
    attribute.length = len;
    return attribute;
}

static inline struct attribute attribute_string_n(const char *key, const char *text, size_t len)
{
    return attribute_text(key, ATTRIBUTE_STRING, text, len);
}

/* `text` NUL-terminated, or NULL for an attribute that is left out. */
static inline struct attribute attribute_string(const char *key, const char *text)
{
    return attribute_string_n(key, text, text != NULL ? __builtin_strlen(text) : 0);
}

static inline struct attribute attribute_int(const char *key, int64_t value)
{
    struct attribute attribute = attribute_keyed(key, ATTRIBUTE_INT);

    attribute.integer = value;
    return attribute;
}

static inline struct attribute attribute_double(const char *key, double value)
{
    struct attribute attribute = attribute_keyed(key, ATTRIBUTE_DOUBLE);

    attribute.number = value;
    return attribute;
}

static inline struct attribute attribute_bool(const char *key, bool value)
{
    struct attribute attribute = attribute_keyed(key, ATTRIBUTE_BOOL);

    attribute.boolean = value;
    return attribute;
}

static inline struct attribute attribute_bytes(const char *key, const void *bytes, size_t len)
{
    return attribute_text(key, ATTRIBUTE_BYTES, (const char *)bytes, len);
}

/* `json` is one complete JSON value of `len` bytes, borrowed. */
static inline struct attribute attribute_json(const char *key, const char *json, size_t len)
{
    return attribute_text(key, ATTRIBUTE_JSON, json, len);
}

/* Whether the attribute is left out: a text that is NULL. */
bool attribute_is_absent(const struct attribute *attribute);

/* One element of an OTLP attributes array: {"key":K,"value":{"stringValue":V}}. */
void attribute_write_otlp(struct json_writer *w, const struct attribute *attribute);

/* One member of the object being written: "K":V. */
void attribute_write_member(struct json_writer *w, const struct attribute *attribute);

#endif
