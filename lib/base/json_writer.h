/*
 * Writes JSON (RFC 8259) into a buffer of the caller's, without allocation. Commas are placed by
 * the writer. Text that does not fit sets `overflow`, after which nothing more is written; the
 * caller checks it once, at the end. Strings always come out as valid UTF-8.
 */
#ifndef LIB_BASE_JSON_WRITER_H
#define LIB_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json_writer {
    char *buf;
    size_t cap; /* bytes that may be written to buf */
    size_t len; /* bytes written so far; no NUL is kept */
    bool comma; /* a value stands before the next one */
    bool overflow;
};

/* Starts writing at buf[0]. The buffer stays the caller's and outlives the writer. */
void json_writer_init(struct json_writer *w, char *buf, size_t cap);

void json_writer_begin_object(struct json_writer *w);
void json_writer_end_object(struct json_writer *w);
void json_writer_begin_array(struct json_writer *w);
void json_writer_end_array(struct json_writer *w);

/* A member's key; the next call writes its value. */
void json_writer_key(struct json_writer *w, const char *key);

/*
 * A string of `len` bytes (may hold NUL). Each byte that is not part of well-formed UTF-8 becomes
 * U+FFFD; control characters are escaped.
 */
void json_writer_string_n(struct json_writer *w, const char *text, size_t len);
void json_writer_string(struct json_writer *w, const char *text); /* NUL-terminated */

/*
 * `len` bytes of a string whose quotes the caller writes, with the same escapes; one character is
 * not split between two calls.
 */
void json_writer_text(struct json_writer *w, const char *text, size_t len);

void json_writer_int(struct json_writer *w, int64_t value);
void json_writer_uint(struct json_writer *w, uint64_t value);
void json_writer_bool(struct json_writer *w, bool value);
void json_writer_null(struct json_writer *w);

/* By decimal_double. JSON has no other numbers: NaN and infinities become null. */
void json_writer_double(struct json_writer *w, double value);

/* A member: a key and its value. */
void json_writer_key_string(struct json_writer *w, const char *key, const char *text);
void json_writer_key_uint(struct json_writer *w, const char *key, uint64_t value);
void json_writer_key_double(struct json_writer *w, const char *key, double value);
void json_writer_key_bool(struct json_writer *w, const char *key, bool value);

/* One complete value that is JSON already, copied as it is. */
void json_writer_raw_value(struct json_writer *w, const char *json, size_t len);

/*
 * Bytes copied as they are, outside the comma rule: framing such as a prefix or a newline. In the
 * header so that the copy of a constant becomes a few moves.
 */
static inline void json_writer_bytes(struct json_writer *w, const char *bytes, size_t len)
{
    if (w->overflow || len > w->cap - w->len) {
        w->overflow = true;
        return;
    }
    memcpy(w->buf + w->len, bytes, len);
    w->len += len;
}

/*
 * Where a caller may write up to `size` bytes on its own, to end them by json_writer_take: the
 * buffer's next bytes, or `scratch` if fewer than these are left.
 */
static inline char *json_writer_room(const struct json_writer *w, char *scratch, size_t size)
{
    return !w->overflow && size <= w->cap - w->len ? w->buf + w->len : scratch;
}

/* Takes what was written from `from` to `end`; `from` is what json_writer_room returned. */
static inline void json_writer_take(struct json_writer *w, const char *from, const char *end)
{
    if (from == w->buf + w->len)
        w->len += (size_t)(end - from);
    else
        json_writer_bytes(w, from, (size_t)(end - from));
}

/* Writes a string literal at `at`, and moves `at` behind it. */
#define json_writer_put(at, literal) ((at) = mempcpy((at), (literal), sizeof(literal "") - 1))

/*
 * json_writer_bytes for a string literal that opens or closes values: `after` says whether a value
 * stands before what comes next, so that it needs a comma.
 */
#define json_writer_literal(w, literal, after)                                                     \
    do {                                                                                           \
        json_writer_bytes((w), (literal), sizeof(literal "") - 1);                                 \
        (w)->comma = (after);                                                                      \
    } while (0)

#endif
