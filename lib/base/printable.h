/*
 * The one filter for text that came from elsewhere (labels, help texts, user agents, file names,
 * an endpoint's words) and goes to a terminal or a log. What a terminal obeys, or what reorders the
 * text around it, is never passed on: C0 and C1 controls, DEL, line and paragraph separators, and
 * the bidirectional controls of Unicode (UAX 9: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 * U+2069). It becomes \uXXXX, as in JSON; bytes that are not UTF-8 become U+FFFD. Pure.
 */
#ifndef LIB_BASE_PRINTABLE_H
#define LIB_BASE_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    PRINTABLE_ESCAPE = 6, /* bytes of \uXXXX */
    PRINTABLE_LINE_MAX = 8192,
};

/* Whether the well-formed character at `at`, of `len` bytes (utf8_sequence), may be passed on. */
bool printable_character(const char *at, size_t len);

/* Writes \uXXXX for a character that may not be passed on. */
void printable_escape(char out[PRINTABLE_ESCAPE], const char *at, size_t len);

/*
 * Copies the text through the filter, without a NUL, up to the last character that fits whole into
 * `size` bytes. Returns the length of the copy.
 */
size_t printable_copy(char *out, size_t size, const char *text, size_t len);

/* The same to a stream, all of it; errors are left to ferror. */
void printable_write(FILE *to, const char *text, size_t len);

/* A line on stderr, of at most PRINTABLE_LINE_MAX bytes, through the filter. Adds the newline. */
void printable_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
