/*
 * A look at one line without building anything of it: is it one JSON object in well-formed UTF-8?
 * Brackets, strings and the bytes between them are checked, not the grammar of values and commas;
 * what passes can be cut at its brackets and strings safely. Pure.
 */
#ifndef LIB_BASE_JSON_SCAN_H
#define LIB_BASE_JSON_SCAN_H

#include <stddef.h>

enum json_scan {
    JSON_SCAN_OBJECT,    /* one complete object and nothing after it but blanks */
    JSON_SCAN_CUT,       /* the start of an object */
    JSON_SCAN_MALFORMED, /* anything else, also one nested deeper than JSON_SCAN_DEPTH_MAX */
    JSON_SCAN_CONTROL,   /* a byte below 0x20 where JSON has none: NUL, say */
    JSON_SCAN_UTF8,      /* a byte that is no part of well-formed UTF-8 (RFC 3629) */
};

enum { JSON_SCAN_DEPTH_MAX = 64 };

/* Looks at the `len` bytes at `text`, a line without its newline. */
enum json_scan json_scan_line(const char *text, size_t len);

/*
 * In a line that json_scan_line takes for an object: the first byte after the value that starts at
 * `at`, which is no blank; NULL where none starts there. `end` is the line's end.
 */
const char *json_scan_value(const char *at, const char *end);

/* The first byte from `at` on that is no blank, or `end`. */
const char *json_scan_blank(const char *at, const char *end);

#endif
