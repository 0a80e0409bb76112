/*
 * JSON text read in place (RFC 8259): its grammar, the members of an object and the elements of an
 * array, numbers and strings, without building anything. Pure, and nothing recurses.
 */
#ifndef LIB_BASE_JSON_WALK_H
#define LIB_BASE_JSON_WALK_H

#include "lib/base/text.h"
#include "lib/base/utf8.h"

#include <stdbool.h>
#include <stddef.h>

enum { JSON_WALK_DEPTH_MAX = 2048 };

/* Why a text is not JSON. */
struct json_fault {
    const char *what; /* in words, for a message */
    size_t at;        /* the offset of the byte that does not fit */
};

/*
 * Whether `text` is one JSON value of at most JSON_WALK_DEPTH_MAX levels, in well-formed UTF-8,
 * with nothing but blanks around it. Sets *fault where it is not. An escape that names half a
 * surrogate pair is such a fault too if `text_only` is set: it is not text (RFC 8259, section 8.2).
 */
bool json_walk_valid(struct text text, bool text_only, struct json_fault *fault);

/*
 * The next element of the array or member of the object `whole`, which passed json_walk_valid or
 * json_scan_line, or is a part of what did. *at is NULL to begin. `key` is set to a member's name
 * without its quotes; NULL walks an array. Returns false after the last one, or where the text does
 * not go on as it should: json_walk_ended tells which.
 */
bool json_walk_next(struct text whole, const char **at, struct text *key, struct text *value);

/* Whether json_walk_next came to the closing bracket. */
bool json_walk_ended(struct text whole, const char *at);

/* The value of the object's last member of the name `key`, or nothing. */
struct text json_walk_get(struct text object, const char *key);

/* A string's content without its quotes, escapes as they stand; nothing for any other value. */
struct text json_walk_string(struct text value);

/*
 * Whether it is the text `word`: a value that is not a string, or a string's content or a member's
 * name without quotes, whichever way its characters are escaped.
 */
bool json_walk_is(struct text text, const char *word);

/*
 * Whether a member's name is `name`, which is in camelCase and has less than 64 letters, or the
 * same in snake_case: ProtoJSON has readers take both (the protobuf documentation, "ProtoJSON
 * Format").
 */
bool json_walk_is_member(struct text key, const char *name);

/*
 * Reads one escape: *at stands after its backslash and is moved behind it. Writes the character as
 * UTF-8, U+FFFD for half a surrogate pair, and returns the number of its bytes; 0 if it is not an
 * escape.
 */
size_t json_walk_unescape(const char **at, const char *end, char out[UTF8_MAX]);

/*
 * Whether the JSON text has an escape that may stand for a character that needs none: only then may
 * a word without characters that JSON escapes be in it otherwise than byte by byte.
 */
bool json_walk_escaped(struct text text);

enum json_number {
    JSON_NUMBER_NONE,
    JSON_NUMBER_WHOLE, /* without fraction and exponent */
    JSON_NUMBER_REAL,
};

/* What `text`, all of it, is as a number of section 6. */
enum json_number json_walk_number(struct text text);

/*
 * Reads a number as the nearest double, infinite where it is beyond the range. Returns 0, or -1 if
 * `text` is not a number. The byte after `text` is readable and not part of a number.
 */
int json_walk_double(struct text text, double *number);

#endif
