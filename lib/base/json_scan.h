/*
 * Checks whether a line is one JSON object in well-formed UTF-8, without building anything. It
 * checks brackets, strings and the bytes between them, but not the grammar of values and commas. A
 * line that passes can safely be cut at its brackets and strings. Pure.
 */
#ifndef LIB_BASE_JSON_SCAN_H
#define LIB_BASE_JSON_SCAN_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "json_scan_plain counts from the low byte");

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

/*
 * The first quote, backslash, control or byte of 0x80 and above from `at` on; near `end`, some
 * bytes before it. In the header, because most strings are shorter than a call.
 */
static inline const char *json_scan_plain(const char *at, const char *end)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        /* As signed numbers, bytes of 0x80 and above lie below the blank. */
        const int hits = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                         _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')))));

        if (hits != 0)
            return at + __builtin_ctz((unsigned)hits);
    }
#else
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;

    for (; end - at >= 8; at += 8) {
        uint64_t word, quote, slash, hits;

        memcpy(&word, at, sizeof word);
        quote = word ^ (ones * '"');
        slash = word ^ (ones * '\\');
        /* A carry can only mark bytes behind a true mark. */
        hits = (((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                ((word - ones * 0x20) & ~word) | word) &
               tops;
        if (hits != 0)
            return at + __builtin_ctzll(hits) / 8;
    }
#endif
    return at;
}

#endif
