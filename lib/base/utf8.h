/*
 * UTF-8 (RFC 3629; Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above
 * U+10FFFF). Pure.
 */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

enum {
    UTF8_MAX = 4,             /* bytes of a character */
    UTF8_REPLACEMENT = 0xfffd /* what stands for a character that can't be had */
};

/* Bytes of the well-formed character at `at`, which lies before `end`; 0 if it is not one. */
size_t utf8_sequence(const char *at, const char *end);

/* Whether all of the `len` bytes are well-formed; ASCII is looked at eight bytes at a time. */
bool utf8_valid(const char *text, size_t len);

/* Writes a code point, which is no surrogate, and returns the number of its bytes. */
size_t utf8_encode(char out[UTF8_MAX], unsigned code_point);

#endif
