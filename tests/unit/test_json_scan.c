/*
 * Goal: a line and an object are what looking at one byte after the other says that they are, with
 * whatever is wrong or unusual at whatever place, and nothing beyond the end is read.
 */
#include "lib/base/json_scan.h"
#include "lib/base/utf8.h"
#include "tests/unit/guarded.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 4096, ROUNDS = 60000, SEED = 7 };

/* What goes wrong with a string at `at`, or JSON_SCAN_OBJECT and *at behind its closing quote. */
static enum json_scan plain_string(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *p = *at;

    while (p < end) {
        const size_t sequence = utf8_sequence((const char *)p, (const char *)end);

        if (*p == '"') {
            *at = p + 1;
            return JSON_SCAN_OBJECT;
        }
        if (*p < 0x20)
            return JSON_SCAN_CONTROL;
        if (*p == '\\') {
            if (end - p == 1)
                return JSON_SCAN_CUT;
            p += p[1] >= 0x20 && p[1] < 0x80 ? 2 : 1;
        } else if (sequence == 0) {
            return JSON_SCAN_UTF8;
        } else {
            p += sequence;
        }
    }
    return JSON_SCAN_CUT;
}

/* The object at `at`, byte by byte; *at is moved behind its last bracket. */
static enum json_scan plain_object(const unsigned char **at, const unsigned char *end)
{
    static const char between[] = " \t\r,:-+.0123456789eEtrufalsn";
    char open[JSON_SCAN_DEPTH_MAX];
    unsigned depth = 0;

    if (*at == end || **at != '{')
        return JSON_SCAN_MALFORMED;
    for (const unsigned char *p = *at; p < end;) {
        const unsigned char c = *p++;

        if (c == '"') {
            const enum json_scan string = plain_string(&p, end);

            if (string != JSON_SCAN_OBJECT)
                return string;
        } else if (c == '{' || c == '[') {
            if (depth == JSON_SCAN_DEPTH_MAX)
                return JSON_SCAN_MALFORMED;
            open[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (open[--depth] != (char)c)
                return JSON_SCAN_MALFORMED;
            *at = p;
            if (depth == 0)
                return JSON_SCAN_OBJECT;
        } else if (c == '\0' || strchr(between, c) == NULL) {
            if (c < 0x20)
                return JSON_SCAN_CONTROL;
            return c >= 0x80 && utf8_sequence((const char *)p - 1, (const char *)end) == 0
                       ? JSON_SCAN_UTF8
                       : JSON_SCAN_MALFORMED;
        }
    }
    return JSON_SCAN_CUT;
}

static enum json_scan plain_line(const unsigned char *at, const unsigned char *end)
{
    const enum json_scan found = plain_object(&at, end);

    if (found != JSON_SCAN_OBJECT)
        return found;
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at == end ? JSON_SCAN_OBJECT : JSON_SCAN_MALFORMED;
}

/* The text, which ends where its page does. */
static void check(const char *page_end, const char *text, size_t len)
{
    char *const copy = (char *)page_end - len;
    const unsigned char *at = (const unsigned char *)copy;
    enum json_scan line, object;
    const char *end;

    memcpy(copy, text, len);
    line = plain_line(at, at + len);
    object = plain_object(&at, at + len);
    end = json_scan_object(copy, copy + len);
    if (json_scan_line(copy, len) != line)
        fail_msg("%d, not %d: %.*s", (int)json_scan_line(copy, len), (int)line, (int)len, copy);
    if (end != (object == JSON_SCAN_OBJECT ? (const char *)at : NULL))
        fail_msg("ends elsewhere: %.*s", (int)len, copy);
    if (line == JSON_SCAN_OBJECT)
        assert_ptr_equal(json_scan_value(copy, copy + len), at);
}

static uint32_t random_state = SEED;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static const char *const pieces[] = {
    "{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/analyze\"}}",
    "{\"key\":\"n\",\"value\":{\"intValue\":\"8000\"}}",
    "[1,-2.5e+7,true,false,null]",
    "{\"a\":[],\"b\":{}, \"c\" : [ { } ]}",
    "\"a string of some length, which goes on over a block of sixty-four bytes and more\"",
    "\"{[}]\\\"{\\\\\"",
    "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80\"",
    "\"\\u00fc\\n\"",
    "\"\"",
    "17",
};

/* An object of some pieces, nested a little. */
static size_t make(char *text)
{
    size_t len = (size_t)sprintf(text, "{\"a\":["), count = draw(9), depth = draw(5);

    for (size_t i = 0; i < depth; i++)
        text[len++] = '[';
    for (size_t i = 0; i < count; i++)
        len += (size_t)sprintf(text + len, "%s%s", i > 0 ? "," : "",
                               pieces[draw(sizeof(pieces) / sizeof(pieces[0]))]);
    for (size_t i = 0; i < depth; i++)
        text[len++] = ']';
    len += (size_t)sprintf(text + len, "]}");
    return len + (size_t)sprintf(text + len, "%s", draw(4) > 0 ? "" : draw(2) > 0 ? " \r" : ",{}");
}

static void random_texts(void **state)
{
    static const char bytes[] = "\"\\{}[]/,: a\t\n\x01\x1f\x7f\x80\xc3\xff'%0";
    const char *const end = guarded_end(PAGE);
    char text[PAGE];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t len = make(text);

        check(end, text, len);
        for (uint32_t i = draw(3); i > 0; i--)
            text[draw((uint32_t)len)] = bytes[draw(sizeof(bytes))];
        check(end, text, len);
        check(end, text, draw((uint32_t)len + 1));
    }
}

/* Around each limit of a word of brackets. */
static void deep_texts(void **state)
{
    const char *const end = guarded_end(PAGE);
    char text[PAGE];

    (void)state;
    for (size_t depth = 1; depth <= JSON_SCAN_DEPTH_MAX + 2; depth++) {
        for (uint32_t kinds = 0; kinds < 8; kinds++) {
            size_t len = 0;

            text[len++] = '{';
            for (size_t i = 1; i < depth; i++)
                text[len++] = kinds >> i % 3 & 1 ? '[' : '{';
            for (size_t i = depth; i-- > 1;)
                text[len++] = kinds >> i % 3 & 1 ? ']' : '}';
            text[len++] = '}';
            check(end, text, len);
            for (size_t i = 1; i <= depth; i += 7) {
                text[len - i] ^= '}' ^ ']';
                check(end, text, len);
                text[len - i] ^= '}' ^ ']';
            }
        }
    }
}

static void each_byte_at_each_place(void **state)
{
    static const char line[] =
        "{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/analyze\"},\"n\":"
        "[1,{\"a\":true}],\"z\":\"0123456789012345678901234567890123456\"}";
    const char *const end = guarded_end(PAGE);
    char text[sizeof(line)];

    (void)state;
    memcpy(text, line, sizeof(line));
    for (size_t i = 0; i < sizeof(line) - 1; i++) {
        for (int byte = 0; byte < 256; byte++) {
            text[i] = (char)byte;
            check(end, text, sizeof(line) - 1);
        }
        text[i] = line[i];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts),
        cmocka_unit_test(deep_texts),
        cmocka_unit_test(each_byte_at_each_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
