/*
 * Walks JSON text in place: the members of an object, the elements of an array, without building
 * anything. And the whole grammar of RFC 8259, for those who have to know. Pure.
 */
#ifndef CLI_JSON_WALK_H
#define CLI_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_WALK_DEPTH_MAX = 64 };

/* A stretch of the text, borrowed; `at` is NULL for what is not there. */
struct json_text {
    const char *at;
    size_t len;
};

/* Whether the `len` bytes at `text` are one JSON value and nothing else but blanks. */
bool json_walk_valid(const char *text, size_t len);

/*
 * The next element of the array or member of the object `whole`, which passed json_scan_line or is
 * a part of such a line. *at is NULL to begin. Of a member `key` is set, without its quotes (NULL
 * to skip objects). Returns false after the last one, or where the text is no such thing.
 */
bool json_walk_next(struct json_text whole, const char **at, struct json_text *key,
                    struct json_text *value);

/* The value of the object's member `key`, or nothing. */
struct json_text json_walk_get(struct json_text object, const char *key);

/* A string's content without its quotes, escapes as they stand; nothing for any other value. */
struct json_text json_walk_string(struct json_text value);

/* Whether it is exactly the text `word`. */
bool json_walk_is(struct json_text text, const char *word);

#endif
