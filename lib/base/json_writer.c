#include "lib/base/json_writer.h"

#include "lib/base/decimal.h"
#include "lib/base/json_plain.h"
#include "lib/base/printable.h"
#include "lib/base/utf8.h"

#include <math.h>
#include <string.h>

void json_writer_init(struct json_writer *w, char *buf, size_t cap)
{
    *w = (struct json_writer){.buf = buf, .cap = cap};
}

static void put(struct json_writer *w, char c)
{
    if (w->overflow || w->len == w->cap) {
        w->overflow = true;
        return;
    }
    w->buf[w->len++] = c;
}

/* Before each value: a comma if another value precedes it. */
static void begin_value(struct json_writer *w)
{
    if (w->comma)
        put(w, ',');
    w->comma = true;
}

static void begin_container(struct json_writer *w, char bracket)
{
    begin_value(w);
    put(w, bracket);
    w->comma = false;
}

static void end_container(struct json_writer *w, char bracket)
{
    put(w, bracket);
    w->comma = true;
}

void json_writer_begin_object(struct json_writer *w)
{
    begin_container(w, '{');
}

void json_writer_end_object(struct json_writer *w)
{
    end_container(w, '}');
}

void json_writer_begin_array(struct json_writer *w)
{
    begin_container(w, '[');
}

void json_writer_end_array(struct json_writer *w)
{
    end_container(w, ']');
}

void json_writer_key(struct json_writer *w, const char *key)
{
    json_writer_string(w, key);
    put(w, ':');
    w->comma = false;
}

static void put_escape(struct json_writer *w, const char *at, size_t len)
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
        json_writer_bytes(w, text, sizeof(text));
    }
}

void json_writer_text(struct json_writer *w, const char *text, size_t len)
{
    const char *at = text, *const end = text + len;

    while (at < end && !w->overflow) {
        const char *const run = at;
        size_t sequence;

        at = json_plain_skip(at, end);
        json_writer_bytes(w, run, (size_t)(at - run));
        if (at == end)
            break;
        sequence = utf8_sequence(at, end);
        if (sequence == 0) {
            json_writer_bytes(w, "\xef\xbf\xbd", 3);
            at++;
            continue;
        }
        /* Of the characters of one byte, all that are left are to be escaped. */
        if (sequence == 1 || !printable_character(at, sequence))
            put_escape(w, at, sequence);
        else
            json_writer_bytes(w, at, sequence);
        at += sequence;
    }
}

void json_writer_string_n(struct json_writer *w, const char *text, size_t len)
{
    const size_t room = w->overflow ? 0 : w->cap - w->len;
    char *at = w->buf + w->len;
    size_t plain;

    if (len <= room && room - len >= sizeof(",\"\"") - 1) {
        if (w->comma)
            *at++ = ',';
        *at++ = '"';
        plain = json_plain_copy(at, text, len);
        at += plain;
        w->comma = true;
        if (plain == len) {
            *at++ = '"';
            w->len = (size_t)(at - w->buf);
            return;
        }
        w->len = (size_t)(at - w->buf);
        text += plain;
        len -= plain;
    } else {
        begin_value(w);
        put(w, '"');
    }
    json_writer_text(w, text, len);
    put(w, '"');
}

void json_writer_string(struct json_writer *w, const char *text)
{
    json_writer_string_n(w, text, strlen(text));
}

void json_writer_uint(struct json_writer *w, uint64_t value)
{
    char digits[DECIMAL_INT_SIZE];

    begin_value(w);
    json_writer_bytes(w, digits, decimal_uint(digits, value));
}

void json_writer_int(struct json_writer *w, int64_t value)
{
    char digits[DECIMAL_INT_SIZE];

    begin_value(w);
    json_writer_bytes(w, digits, decimal_int(digits, value));
}

void json_writer_bool(struct json_writer *w, bool value)
{
    begin_value(w);
    if (value)
        json_writer_bytes(w, "true", 4);
    else
        json_writer_bytes(w, "false", 5);
}

void json_writer_null(struct json_writer *w)
{
    begin_value(w);
    json_writer_bytes(w, "null", 4);
}

void json_writer_double(struct json_writer *w, double value)
{
    char text[DECIMAL_DOUBLE_SIZE];

    if (!isfinite(value)) {
        json_writer_null(w);
        return;
    }
    begin_value(w);
    json_writer_bytes(w, text, decimal_double(text, value));
}

void json_writer_key_string(struct json_writer *w, const char *key, const char *text)
{
    json_writer_key(w, key);
    json_writer_string(w, text);
}

void json_writer_key_uint(struct json_writer *w, const char *key, uint64_t value)
{
    json_writer_key(w, key);
    json_writer_uint(w, value);
}

void json_writer_key_bool(struct json_writer *w, const char *key, bool value)
{
    json_writer_key(w, key);
    json_writer_bool(w, value);
}

void json_writer_key_double(struct json_writer *w, const char *key, double value)
{
    json_writer_key(w, key);
    json_writer_double(w, value);
}

void json_writer_raw_value(struct json_writer *w, const char *json, size_t len)
{
    begin_value(w);
    json_writer_bytes(w, json, len);
}
