/*
 * From a parsed body (jansson) to our own JSON text, so that numbers come out the same way
 * everywhere: the shortest text that reads back as the same double.
 */
#ifndef FCGI_APP_JSON_VALUE_H
#define FCGI_APP_JSON_VALUE_H

#include "lib/base/json_writer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    JSON_VALUE_MARKER_LENGTH = 3, /* U+E000 to U+F8FF as UTF-8 */
};

/*
 * A number beyond the range of a double can't be parsed; it travels as a string that begins with a
 * marker, a private-use character that occurs nowhere in the body. Empty where there is none.
 */
struct json_value_marker {
    char bytes[JSON_VALUE_MARKER_LENGTH + 1];
};

/*
 * The text of a marked number, its length in *length; NULL where `value` is none.
 */
const char *json_value_marked(const json_t *value, const struct json_value_marker *marker,
                              size_t *length);

/* Writes `value`; marked numbers come out as strings without the marker. */
void json_value_write(struct json_writer *w, const json_t *value,
                      const struct json_value_marker *marker);

/*
 * Parses a body of `length` bytes, NUL-terminated as well. Numbers all come out as reals, except
 * those beyond the range, which are marked; of duplicate keys the last wins. Returns a new
 * reference, or NULL with *error filled, whose position is a byte offset into the body.
 */
json_t *json_value_parse(const char *body, size_t length, struct json_value_marker *marker,
                         json_error_t *error);

#endif
