/*
 * The text that JSON takes as it is: printable ASCII without quote and backslash. It is looked at
 * 8 or 16 bytes at a time, at any alignment, and nothing beyond it is read. Pure.
 */
#ifndef LIB_BASE_JSON_PLAIN_H
#define LIB_BASE_JSON_PLAIN_H

#include <stddef.h>

/* Where the plain text that starts at `at` ends: at `end`, or at a byte that is not plain. */
const char *json_plain_skip(const char *at, const char *end);

/*
 * Copies the plain start of a text and returns its length: `len` if all of it is plain. Up to `len`
 * bytes of `to` are overwritten either way.
 */
size_t json_plain_copy(char *to, const char *text, size_t len);

#endif
