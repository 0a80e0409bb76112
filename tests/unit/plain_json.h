/*
 * JSON the plain way: member by member, number by number. What lib/base/json_writer.c wrote before
 * it became fast, kept as the reference that its bytes are compared with, and as the measure of
 * what the speed is worth.
 */
#ifndef TESTS_UNIT_PLAIN_JSON_H
#define TESTS_UNIT_PLAIN_JSON_H

#include "lib/base/printable.h"
#include "lib/base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLAIN_JSON_DOUBLE_SIZE = 32,
};

struct plain_json {
    char *buf;
    size_t cap; /* bytes that may be written to buf */
    size_t len; /* bytes written so far; no NUL is kept */
    bool comma; /* a value stands before the next one */
    bool overflow;
};

static inline void plain_json_bytes(struct plain_json *w, const char *bytes, size_t len)
{
    if (w->overflow || len > w->cap - w->len) {
        w->overflow = true;
        return;
    }
    memcpy(w->buf + w->len, bytes, len);
    w->len += len;
}

#define plain_json_literal(w, literal, after)                                                      \
    do {                                                                                           \
        plain_json_bytes((w), (literal), sizeof(literal "") - 1);                                  \
        (w)->comma = (after);                                                                      \
    } while (0)

static inline void plain_json_init(struct plain_json *w, char *buf, size_t cap)
{
    *w = (struct plain_json){.buf = buf, .cap = cap};
}

static inline void put(struct plain_json *w, char c)
{
    if (w->overflow || w->len == w->cap) {
        w->overflow = true;
        return;
    }
    w->buf[w->len++] = c;
}

/* Before each value: a comma if another value precedes it. */
static inline void begin_value(struct plain_json *w)
{
    if (w->comma)
        put(w, ',');
    w->comma = true;
}

static inline void begin_container(struct plain_json *w, char bracket)
{
    begin_value(w);
    put(w, bracket);
    w->comma = false;
}

static inline void end_container(struct plain_json *w, char bracket)
{
    put(w, bracket);
    w->comma = true;
}

static inline void plain_json_begin_object(struct plain_json *w)
{
    begin_container(w, '{');
}

static inline void plain_json_end_object(struct plain_json *w)
{
    end_container(w, '}');
}

static inline void plain_json_begin_array(struct plain_json *w)
{
    begin_container(w, '[');
}

static inline void plain_json_end_array(struct plain_json *w)
{
    end_container(w, ']');
}

static inline void put_escape(struct plain_json *w, const char *at, size_t len)
{
    const unsigned char c = (unsigned char)*at;
    static const char names[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char text[PRINTABLE_ESCAPE];

    if (c < sizeof(names) && names[c] != '\0') {
        put(w, '\\');
        put(w, names[c]);
    } else {
        printable_escape(text, at, len);
        plain_json_bytes(w, text, sizeof(text));
    }
}

static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Whether eight bytes are all plain: each test sets the top bit of a byte that fails. */
static inline bool are_plain(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    const uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
    const uint64_t del = bytes ^ ones * 0x7f;

    /* A borrow can only mark a byte behind one that is marked already. */
    return (((bytes - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones) | bytes) &
            tops) == 0;
}

static const char *skip_plain(const char *at, const char *end)
{
    uint64_t bytes;

    while (end - at >= (ptrdiff_t)sizeof(bytes)) {
        memcpy(&bytes, at, sizeof(bytes));
        if (!are_plain(bytes))
            break;
        at += sizeof(bytes);
    }
    while (at < end && is_plain((unsigned char)*at))
        at++;
    return at;
}

static inline void plain_json_text(struct plain_json *w, const char *text, size_t len)
{
    const char *at = text, *const end = text + len;

    while (at < end && !w->overflow) {
        const char *const run = at;
        size_t sequence;

        at = skip_plain(at, end);
        plain_json_bytes(w, run, (size_t)(at - run));
        if (at == end)
            break;
        sequence = utf8_sequence(at, end);
        if (sequence == 0) {
            plain_json_bytes(w, "\xef\xbf\xbd", 3);
            at++;
            continue;
        }
        /* Of the characters of one byte, all that are left are to be escaped. */
        if (sequence == 1 || !printable_character(at, sequence))
            put_escape(w, at, sequence);
        else
            plain_json_bytes(w, at, sequence);
        at += sequence;
    }
}

static inline void plain_json_string_n(struct plain_json *w, const char *text, size_t len)
{
    begin_value(w);
    put(w, '"');
    plain_json_text(w, text, len);
    put(w, '"');
}

static inline void plain_json_string(struct plain_json *w, const char *text)
{
    plain_json_string_n(w, text, strlen(text));
}

static inline void plain_json_key(struct plain_json *w, const char *key)
{
    plain_json_string(w, key);
    put(w, ':');
    w->comma = false;
}

static inline void plain_json_uint(struct plain_json *w, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    begin_value(w);
    plain_json_bytes(w, digits + at, sizeof(digits) - at);
}

static inline void plain_json_int(struct plain_json *w, int64_t value)
{
    if (value >= 0) {
        plain_json_uint(w, (uint64_t)value);
        return;
    }
    begin_value(w);
    put(w, '-');
    w->comma = false;
    plain_json_uint(w, 0 - (uint64_t)value);
}

static inline void plain_json_bool(struct plain_json *w, bool value)
{
    begin_value(w);
    if (value)
        plain_json_bytes(w, "true", 4);
    else
        plain_json_bytes(w, "false", 5);
}

static inline void plain_json_null(struct plain_json *w)
{
    begin_value(w);
    plain_json_bytes(w, "null", 4);
}

/* A double in scientific form: digits d.ddd as an integer's text, and the decimal exponent. */
struct decimal {
    char digits[24];
    size_t count;
    int exponent;
};

static inline void decimal_read(struct decimal *d, double magnitude, int precision)
{
    char text[40];
    const char *e;

    (void)snprintf(text, sizeof(text), "%.*e", precision - 1, magnitude);
    e = strchr(text, 'e');
    assert(e != NULL);
    d->count = 0;
    for (const char *at = text; at < e; at++)
        if (*at >= '0' && *at <= '9')
            d->digits[d->count++] = *at;
    d->exponent = atoi(e + 1);
}

static double decimal_value(const struct decimal *d)
{
    char text[48];

    (void)snprintf(text, sizeof(text), "%.1s.%.*se%d", d->digits, (int)d->count - 1, d->digits + 1,
                   d->exponent);
    return strtod(text, NULL);
}

/* One unit more in the last place. */
static inline void decimal_next(struct decimal *d)
{
    size_t at = d->count;

    while (at > 0 && d->digits[at - 1] == '9')
        d->digits[--at] = '0';
    if (at > 0) {
        d->digits[at - 1]++;
    } else {
        d->digits[0] = '1';
        d->exponent++;
    }
}

/*
 * The fewest digits that read back as the same double. If any text of a length reads back, the
 * correctly rounded one does, because it is nearest. The exception is a power of two: the gap below
 * it is half the gap above, so only the next text up may read back.
 */
static inline void decimal_shortest(struct decimal *d, double magnitude)
{
    int exponent;
    const bool power_of_two = frexp(magnitude, &exponent) == 0.5;

    for (int precision = 1; precision <= 17; precision++) {
        /*
         * Most numbers that people or programs write are short; most results of arithmetic are not.
         */
        if (precision == 8) {
            decimal_read(d, magnitude, 14);
            if (decimal_value(d) != magnitude)
                precision = 15;
        }
        decimal_read(d, magnitude, precision);
        if (decimal_value(d) == magnitude)
            return;
        if (power_of_two) {
            decimal_next(d);
            if (decimal_value(d) == magnitude)
                return;
        }
    }
    /* 17 digits identify every double (IEEE 754-2019, 5.12.2). */
    assert(!"unreachable");
}

/*
 * The common case without a search: a value that is N / 10^k for a small k. N and 10^k are exact,
 * so their quotient is what the text reads back as; fewer than 16 digits name one double only.
 * Returns the length, or 0 if the value is of another kind.
 */
static inline size_t format_short(char out[PLAIN_JSON_DOUBLE_SIZE], double value)
{
    static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    const double magnitude = fabs(value);
    char text[PLAIN_JSON_DOUBLE_SIZE];
    size_t at = sizeof(text), places = 0, len;
    uint64_t n;

    if (!((magnitude >= 1e-4 && magnitude < 1e9) || magnitude == 0))
        return 0;
    while (places < sizeof(powers) / sizeof(powers[0]) &&
           nearbyint(magnitude * powers[places]) / powers[places] != magnitude)
        places++;
    if (places == sizeof(powers) / sizeof(powers[0]))
        return 0;
    n = (uint64_t)nearbyint(magnitude * powers[places]);
    if (places == 0)
        text[--at] = '0';
    for (size_t i = 0; i < places; i++, n /= 10)
        text[--at] = (char)('0' + n % 10);
    text[--at] = '.';
    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    if (signbit(value))
        text[--at] = '-';
    len = sizeof(text) - at;
    memcpy(out, text + at, len);
    out[len] = '\0';
    return len;
}

static inline size_t plain_json_format_double(char out[PLAIN_JSON_DOUBLE_SIZE], double value)
{
    /* Positional from 1e-04 up to below 1e+16, as Python writes floats. */
    enum { POSITIONAL_MIN = -4, POSITIONAL_MAX = 16 };
    struct decimal d = {.digits = "0", .count = 1};
    const char *sign = signbit(value) ? "-" : "";
    const size_t length = format_short(out, value);
    int written;

    assert(isfinite(value));
    if (length > 0)
        return length;
    if (value != 0)
        decimal_shortest(&d, fabs(value));
    while (d.count > 1 && d.digits[d.count - 1] == '0')
        d.count--;
    if (d.exponent < POSITIONAL_MIN || d.exponent >= POSITIONAL_MAX)
        written = snprintf(out, PLAIN_JSON_DOUBLE_SIZE, "%s%.1s%s%.*se%c%02d", sign, d.digits,
                           d.count > 1 ? "." : "", (int)d.count - 1, d.digits + 1,
                           d.exponent < 0 ? '-' : '+', abs(d.exponent));
    else if (d.exponent < 0)
        written = snprintf(out, PLAIN_JSON_DOUBLE_SIZE, "%s0.%.*s%.*s", sign, -d.exponent - 1,
                           "000", (int)d.count, d.digits);
    else if (d.count > (size_t)d.exponent + 1)
        written = snprintf(out, PLAIN_JSON_DOUBLE_SIZE, "%s%.*s.%s", sign, d.exponent + 1, d.digits,
                           (d.digits[d.count] = '\0', d.digits + d.exponent + 1));
    else
        written = snprintf(out, PLAIN_JSON_DOUBLE_SIZE, "%s%.*s%.*s.0", sign, (int)d.count,
                           d.digits, d.exponent + 1 - (int)d.count, "000000000000000");
    assert(written > 0 && written < PLAIN_JSON_DOUBLE_SIZE);
    return (size_t)written;
}

static inline void plain_json_double(struct plain_json *w, double value)
{
    char text[PLAIN_JSON_DOUBLE_SIZE];
    size_t len;

    if (!isfinite(value)) {
        plain_json_null(w);
        return;
    }
    len = plain_json_format_double(text, value);
    begin_value(w);
    plain_json_bytes(w, text, len);
}

static inline void plain_json_raw_value(struct plain_json *w, const char *json, size_t len)
{
    begin_value(w);
    plain_json_bytes(w, json, len);
}

#endif
