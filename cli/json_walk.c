#include "cli/json_walk.h"

#include "lib/base/json_scan.h"

#include <string.h>

struct parser {
    const char *at, *end;
};

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n'))
        p->at++;
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
    const size_t len = strlen(word);

    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return false;
    p->at += len;
    return true;
}

static bool take_digits(struct parser *p)
{
    const char *from = p->at;

    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    return p->at > from;
}

static bool take_number(struct parser *p)
{
    (void)take(p, '-');
    if (!take(p, '0') && !take_digits(p))
        return false;
    if (take(p, '.') && !take_digits(p))
        return false;
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+'))
            (void)take(p, '-');
        return take_digits(p);
    }
    return true;
}

static bool take_hex4(struct parser *p)
{
    for (int i = 0; i < 4; i++, p->at++) {
        if (p->at >= p->end || strchr("0123456789abcdefABCDEF", *p->at) == NULL || *p->at == '\0')
            return false;
    }
    return true;
}

/* UTF-8 is json_scan_line's to check. */
static bool take_string(struct parser *p)
{
    if (!take(p, '"'))
        return false;
    while (p->at < p->end) {
        const char c = *p->at++;

        if (c == '"')
            return true;
        if ((unsigned char)c < 0x20)
            return false;
        if (c != '\\')
            continue;
        if (p->at >= p->end)
            return false;
        if (take(p, 'u')) {
            if (!take_hex4(p))
                return false;
        } else if (*p->at == '\0' || strchr("\"\\/bfnrt", *p->at) == NULL) {
            return false;
        } else {
            p->at++;
        }
    }
    return false;
}

static bool take_value(struct parser *p, unsigned depth);

/* Members or elements up to `close`, after the opening bracket. */
static bool take_list(struct parser *p, char close, unsigned depth)
{
    skip_blanks(p);
    if (take(p, close))
        return true;
    do {
        if (close == '}') {
            skip_blanks(p);
            if (!take_string(p))
                return false;
            skip_blanks(p);
            if (!take(p, ':'))
                return false;
        }
        if (!take_value(p, depth))
            return false;
        skip_blanks(p);
    } while (take(p, ','));
    return take(p, close);
}

static bool take_value(struct parser *p, unsigned depth)
{
    skip_blanks(p);
    if (p->at >= p->end || depth == JSON_WALK_DEPTH_MAX)
        return false;
    switch (*p->at) {
    case '{':
        p->at++;
        return take_list(p, '}', depth + 1);
    case '[':
        p->at++;
        return take_list(p, ']', depth + 1);
    case '"':
        return take_string(p);
    case 't':
        return take_word(p, "true");
    case 'f':
        return take_word(p, "false");
    case 'n':
        return take_word(p, "null");
    default:
        return take_number(p);
    }
}

bool json_walk_valid(const char *text, size_t len)
{
    struct parser p = {.at = text, .end = text + len};

    if (!take_value(&p, 0))
        return false;
    skip_blanks(&p);
    return p.at == p.end;
}

bool json_walk_next(struct json_text whole, const char **at, struct json_text *key,
                    struct json_text *value)
{
    const char *const end = whole.at + whole.len, *stop;
    const char *p = *at;

    if (whole.at == NULL || whole.len < 2 || whole.at[0] != (key != NULL ? '{' : '['))
        return false;
    p = json_scan_blank(p == NULL ? whole.at + 1 : p, end);
    if (p < end && *p == ',' && *at != NULL)
        p = json_scan_blank(p + 1, end);
    if (key != NULL) {
        if (p >= end || *p != '"' || (stop = json_scan_value(p, end)) == NULL)
            return false;
        *key = (struct json_text){p + 1, (size_t)(stop - p) - 2};
        p = json_scan_blank(stop, end);
        if (p >= end || *p != ':')
            return false;
        p = json_scan_blank(p + 1, end);
    }
    stop = json_scan_value(p, end);
    if (stop == NULL)
        return false;
    *value = (struct json_text){p, (size_t)(stop - p)};
    *at = stop;
    return true;
}

struct json_text json_walk_get(struct json_text object, const char *key)
{
    struct json_text found, value;
    const char *at = NULL;

    while (json_walk_next(object, &at, &found, &value)) {
        if (json_walk_is(found, key))
            return value;
    }
    return (struct json_text){NULL, 0};
}

struct json_text json_walk_string(struct json_text value)
{
    if (value.at == NULL || value.len < 2 || value.at[0] != '"')
        return (struct json_text){NULL, 0};
    return (struct json_text){value.at + 1, value.len - 2};
}

bool json_walk_is(struct json_text text, const char *word)
{
    return text.at != NULL && text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}
