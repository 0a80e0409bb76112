/*
 * Checks whether a line is one JSON object in well-formed UTF-8, without building anything. It
 * checks brackets, strings and the bytes between them, but not the grammar of values and commas. A
 * line that passes can safely be cut at its brackets and strings. Pure.
 */
#ifndef LIB_BASE_JSON_SCAN_H
#define LIB_BASE_JSON_SCAN_H

#include <stddef.h>

enum json_scan {
    JSON_SCAN_OBJECT,    /* one complete object, followed by nothing but blanks */
    JSON_SCAN_CUT,       /* the start of an object */
    JSON_SCAN_MALFORMED, /* anything else, also one nested deeper than JSON_SCAN_DEPTH_MAX */
    JSON_SCAN_CONTROL,   /* a byte below 0x20 that JSON forbids there, such as NUL */
    JSON_SCAN_UTF8,      /* a byte outside well-formed UTF-8 (RFC 3629) */
};

enum { JSON_SCAN_DEPTH_MAX = 256 }; /* 100 nested messages, protobuf's limit, have 201 */

/* Looks at the `len` bytes at `text`, a line without its newline. */
enum json_scan json_scan_line(const char *text, size_t len);

/*
 * The first byte after the object that starts at `at`, checked as json_scan_line checks a line;
 * NULL if there is none, or it does not end before `end`.
 */
const char *json_scan_object(const char *at, const char *end);

/*
 * In a line that json_scan_line accepts: the first byte after the value that starts at `at`, which
 * is not a blank; NULL if no value starts there. `end` is the line's end.
 */
const char *json_scan_value(const char *at, const char *end);

/* The first byte from `at` on that is not a blank, or `end`. */
const char *json_scan_blank(const char *at, const char *end);

#endif
