#include "lib/base/json_walk.h"

#include "lib/base/json_scan.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBER_MAX = 64 /* bytes of a member's name that is looked for */ };

struct parser {
    const char *at, *end;
    bool text_only;
    const char *wrong; /* what does not fit at `at`, or NULL */
};

static const char *skip_blanks(const char *at, const char *end)
{
    /* Most of the time there is none. */
    while (at < end && *at <= ' ' && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

/* Of a value at `at`: json_scan_value, and for short strings what it would return, at once. */
static const char *skip_value(const char *at, const char *end)
{
    const char *const stop = at < end && *at == '"' ? json_scan_plain(at + 1, end) : end;

    return stop < end && *stop == '"' ? stop + 1 : json_scan_value(at, end);
}

static bool fail(struct parser *p, const char *wrong)
{
    p->wrong = p->at < p->end ? wrong : "unexpected end";
    return false;
}

static bool take(struct parser *p, char c)
{
    if (p->at >= p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool take_word(struct parser *p, const char *word)
{
    for (; *word != '\0'; word++) {
        if (!take(p, *word))
            return fail(p, "a value is expected");
    }
    return true;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Moves *at over a number's text. Where it is not one, *at is left at what does not fit. */
static enum json_number skip_number(const char **at, const char *end)
{
    enum json_number kind = JSON_NUMBER_WHOLE;
    const char *p = *at, *digits;

    p += p < end && *p == '-';
    *at = digits = p;
    p = skip_digits(p, end);
    if (p == digits)
        return JSON_NUMBER_NONE;
    if (*digits == '0' && p - digits > 1) {
        *at = digits + 1;
        return JSON_NUMBER_NONE;
    }
    if (p < end && *p == '.') {
        *at = digits = p + 1;
        p = skip_digits(digits, end);
        if (p == digits)
            return JSON_NUMBER_NONE;
        kind = JSON_NUMBER_REAL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        *at = digits = p;
        p = skip_digits(p, end);
        if (p == digits)
            return JSON_NUMBER_NONE;
        kind = JSON_NUMBER_REAL;
    }
    *at = p;
    return kind;
}

/* The four digits of a \u escape; -1 where they are not. */
static long hex4(const char *at, const char *end)
{
    const int high = end - at >= 4 ? text_hex_byte(at) : -1;
    const int low = high >= 0 ? text_hex_byte(at + 2) : -1;

    return low < 0 ? -1 : (long)high << 8 | low;
}

static bool is_surrogate(long unit)
{
    return unit >= 0xd800 && unit <= 0xdfff;
}

size_t json_walk_unescape(const char **at, const char *end, char out[UTF8_MAX])
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    long high, low;

    if (*at == end)
        return 0;
    if (**at != 'u') {
        letter = memchr(letters, **at, sizeof(letters) - 1);
        if (letter == NULL)
            return 0;
        (*at)++;
        out[0] = bytes[letter - letters];
        return 1;
    }
    high = hex4(*at + 1, end);
    if (high < 0)
        return 0;
    *at += 5;
    if (!is_surrogate(high))
        return utf8_encode(out, (unsigned)high);
    if (high < 0xdc00 && end - *at >= 2 && (*at)[0] == '\\' && (*at)[1] == 'u' &&
        (low = hex4(*at + 2, end)) >= 0xdc00 && is_surrogate(low)) {
        *at += 6;
        return utf8_encode(out, (unsigned)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
    }
    return utf8_encode(out, UTF8_REPLACEMENT);
}

/* Whether the escape that ends at `p`, and began at `from`, named half a surrogate pair. */
static bool is_half_pair(const char *from, const char *p)
{
    return *from == 'u' && p - from == 5 && is_surrogate(hex4(from + 1, p));
}

static bool take_string(struct parser *p)
{
    char bytes[UTF8_MAX];

    if (!take(p, '"'))
        return fail(p, "a string is expected");
    while (p->at < p->end) {
        const unsigned char c = (unsigned char)*p->at;
        const char *from;
        size_t len;

        if (c == '"') {
            p->at++;
            return true;
        }
        if (c < 0x20)
            return fail(p, "control character in a string");
        if (c != '\\') {
            len = utf8_sequence(p->at, p->end);
            if (len == 0) {
                p->wrong = "invalid UTF-8";
                return false;
            }
            p->at += len;
            continue;
        }
        from = ++p->at;
        if (json_walk_unescape(&p->at, p->end, bytes) == 0)
            return fail(p, "invalid escape");
        if (p->text_only && is_half_pair(from, p->at)) {
            p->at = from - 1;
            return fail(p, "half a surrogate pair");
        }
    }
    return fail(p, "");
}

static bool take_scalar(struct parser *p)
{
    const char c = p->at < p->end ? *p->at : '\0';

    if (c == '"')
        return take_string(p);
    if (c == 't')
        return take_word(p, "true");
    if (c == 'f')
        return take_word(p, "false");
    if (c == 'n')
        return take_word(p, "null");
    if (c != '-' && (c < '0' || c > '9'))
        return fail(p, "a value is expected");
    return skip_number(&p->at, p->end) != JSON_NUMBER_NONE || fail(p, "invalid number");
}

/* The name and the colon of a member. */
static bool take_name(struct parser *p)
{
    p->at = skip_blanks(p->at, p->end);
    if (!take_string(p))
        return false;
    p->at = skip_blanks(p->at, p->end);
    if (!take(p, ':'))
        return fail(p, "':' is expected");
    p->at = skip_blanks(p->at, p->end);
    return true;
}

/* One value; `open` has a bit for each open bracket: whether it is an object's. */
static bool take_value(struct parser *p)
{
    uint8_t open[JSON_WALK_DEPTH_MAX / 8] = {0};
    unsigned depth = 0;

#define IS_OBJECT(level) ((open[(level) / 8] >> (level) % 8 & 1) != 0)
    for (;;) {
        const bool object = p->at < p->end && *p->at == '{';

        if (object || (p->at < p->end && *p->at == '[')) {
            if (depth == JSON_WALK_DEPTH_MAX)
                return fail(p, "nested too deep");
            open[depth / 8] &= (uint8_t) ~(1U << depth % 8);
            open[depth / 8] |= (uint8_t)((unsigned)object << depth % 8);
            depth++;
            p->at = skip_blanks(p->at + 1, p->end);
            if (!take(p, object ? '}' : ']')) {
                if (object && !take_name(p))
                    return false;
                continue;
            }
            depth--;
        } else if (!take_scalar(p)) {
            return false;
        }
        /* A value has ended, and with it perhaps those around it. */
        for (;;) {
            if (depth == 0)
                return true;
            p->at = skip_blanks(p->at, p->end);
            if (take(p, ','))
                break;
            if (!take(p, IS_OBJECT(depth - 1) ? '}' : ']'))
                return fail(p, IS_OBJECT(depth - 1) ? "',' or '}' is expected"
                                                    : "',' or ']' is expected");
            depth--;
        }
        if (IS_OBJECT(depth - 1) && !take_name(p))
            return false;
        p->at = skip_blanks(p->at, p->end);
    }
#undef IS_OBJECT
}

bool json_walk_valid(struct text text, bool text_only, struct json_fault *fault)
{
    struct parser p = {.at = text.at, .end = text.at + text.len, .text_only = text_only};

    p.at = skip_blanks(p.at, p.end);
    if (take_value(&p)) {
        p.at = skip_blanks(p.at, p.end);
        if (p.at == p.end)
            return true;
        (void)fail(&p, "end of text is expected");
    }
    *fault = (struct json_fault){.what = p.wrong, .at = (size_t)(p.at - text.at)};
    return false;
}

bool json_walk_next(struct text whole, const char **at, struct text *key, struct text *value)
{
    const char *const end = whole.at + whole.len, *stop;
    const char *p = *at;

    if (whole.at == NULL)
        return false;
    p = skip_blanks(p == NULL ? whole.at : p, end);
    if (p >= end || *p != (*at != NULL ? ',' : key != NULL ? '{' : '['))
        return false;
    p = skip_blanks(p + 1, end);
    if (key != NULL) {
        if (p >= end || *p != '"' || (stop = skip_value(p, end)) == NULL)
            return false;
        *key = (struct text){p + 1, (size_t)(stop - p) - 2};
        p = skip_blanks(stop, end);
        if (p >= end || *p != ':')
            return false;
        p = skip_blanks(p + 1, end);
    }
    stop = skip_value(p, end);
    if (stop == NULL)
        return false;
    *value = (struct text){p, (size_t)(stop - p)};
    *at = stop;
    return true;
}

bool json_walk_ended(struct text whole, const char *at)
{
    const char *const end = whole.at + whole.len, *open = skip_blanks(whole.at, end);

    at = skip_blanks(at == NULL && open < end ? open + 1 : at, end);
    return open < end && at < end && *at == (*open == '{' ? '}' : ']');
}

struct text json_walk_get(struct text object, const char *key)
{
    struct text found = {NULL, 0}, name, value;
    const char *at = NULL;

    while (json_walk_next(object, &at, &name, &value)) {
        if (json_walk_is(name, key))
            found = value;
    }
    return found;
}

struct text json_walk_string(struct text value)
{
    if (value.at == NULL || value.len < 2 || value.at[0] != '"')
        return (struct text){NULL, 0};
    return (struct text){value.at + 1, value.len - 2};
}

bool json_walk_is(struct text text, const char *word)
{
    const char *at = text.at, *const end = text.at + text.len;
    const char *const word_end = word + strlen(word);

    if (text.at == NULL || text.len < (size_t)(word_end - word))
        return false;
    while (at < end) {
        char bytes[UTF8_MAX] = {*at++};
        size_t len = bytes[0] == '\\' ? json_walk_unescape(&at, end, bytes) : 1;

        if (len == 0 || (size_t)(word_end - word) < len || memcmp(bytes, word, len) != 0)
            return false;
        word += len;
    }
    return word == word_end;
}

bool json_walk_is_member(struct text key, const char *name)
{
    char snake[2 * MEMBER_MAX];
    size_t len = 0;

    if (text_is(key, name))
        return true;
    /* Most members differ in their first letter, which both forms have in common. */
    if (key.len == 0 || (key.at[0] != name[0] && key.at[0] != '\\'))
        return false;
    for (const char *at = name; *at != '\0' && len + 2 < sizeof(snake); at++) {
        if (*at >= 'A' && *at <= 'Z') {
            snake[len++] = '_';
            snake[len++] = (char)(*at | 0x20);
        } else {
            snake[len++] = *at;
        }
    }
    snake[len] = '\0';
    return json_walk_is(key, name) || json_walk_is(key, snake);
}

bool json_walk_escaped(struct text text)
{
    const char *at = text.at, *const end = text.at + text.len;

    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL && end - at > 1) {
        if (at[1] == 'u' || at[1] == '/')
            return true;
        at += 2;
    }
    return false;
}

enum json_number json_walk_number(struct text text)
{
    const char *at = text.at;
    const enum json_number kind =
        text.len > 0 ? skip_number(&at, text.at + text.len) : JSON_NUMBER_NONE;

    return at == text.at + text.len ? kind : JSON_NUMBER_NONE;
}

int json_walk_double(struct text text, double *number)
{
    char *end;

    if (json_walk_number(text) == JSON_NUMBER_NONE)
        return -1;
    *number = strtod(text.at, &end);
    assert(end == text.at + text.len);
    return 0;
}
