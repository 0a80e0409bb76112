/*
 * Goal: nothing that a terminal obeys or that turns text around gets through the filter, everything
 * else does unchanged, and JSON written by us holds nothing of the kind.
 */
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"
#include "lib/base/utf8.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *text, const char *expected)
{
    char out[256], *written = NULL;
    size_t size;
    FILE *const stream = open_memstream(&written, &size);

    assert_non_null(stream);
    out[printable_copy(out, sizeof(out) - 1, text, strlen(text))] = '\0';
    assert_string_equal(out, expected);
    printable_write(stream, text, strlen(text));
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(written, expected);
    free(written);
}

static void test_what_is_filtered(void **state)
{
    (void)state;
    check("plain text, \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
          "plain text, \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
    check("\x1b[31mred\a\n\t\x7f", "\\u001b[31mred\\u0007\\u000a\\u0009\\u007f");
    check("\xc2\x9b"
          "31m \xc2\xa0",
          "\\u009b31m \xc2\xa0");
    check("a\xe2\x80\xae"
          "b\xe2\x81\xa6"
          "c\xd8\x9c",
          "a\\u202eb\\u2066c\\u061c");
    check("\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029");
    check("\xff\x9b\xe2\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_each_character(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= 0x10ffff; code++) {
        const bool control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
        const bool turns = code == 0x61c || code == 0x200e || code == 0x200f ||
                           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
        const bool separates = code == 0x2028 || code == 0x2029;
        char text[UTF8_MAX];
        size_t len;

        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        len = utf8_encode(text, code);
        assert_int_equal(printable_character(text, len), !control && !turns && !separates);
    }
}

static void test_a_copy_is_cut_between_characters(void **state)
{
    char out[8];

    (void)state;
    memset(out, '#', sizeof(out));
    assert_int_equal(printable_copy(out, 7,
                                    "ab\x1b"
                                    "c",
                                    4),
                     2);
    assert_int_equal(out[2], '#');
    assert_int_equal(printable_copy(out, 3, "a\xe2\x82\xac", 4), 1);
    assert_int_equal(printable_copy(out, 0, "a", 1), 0);
    assert_int_equal(printable_copy(out, sizeof(out), "", 0), 0);
}

static void test_json(void **state)
{
    char out[256];
    struct json_writer w;

    (void)state;
    json_writer_init(&w, out, sizeof(out) - 1);
    json_writer_string(&w, "\x1b \xc2\x9b \xe2\x80\xae \xe2\x80\xa8 \x7f \n \xc3\xbc \xff");
    assert_false(w.overflow);
    out[w.len] = '\0';
    assert_string_equal(out,
                        "\"\\u001b \\u009b \\u202e \\u2028 \\u007f \\n \xc3\xbc \xef\xbf\xbd\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_filtered),
        cmocka_unit_test(test_each_character),
        cmocka_unit_test(test_a_copy_is_cut_between_characters),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
