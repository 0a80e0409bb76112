/*
 * Goal: the small grammars that every program reads have one meaning: hexadecimal digits, whole
 * numbers, HOST:PORT, and UTF-8 character by character.
 */
#include "lib/base/text.h"

#include "lib/base/utf8.h"
#include "tests/unit/unit.h"

#include <string.h>

static void reads_hexadecimal_digits(void **state)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    (void)state;
    for (int c = -128; c < 256; c++) {
        const char *at = c != 0 ? memchr(digits, c, sizeof(digits) - 1) : NULL;
        const int value = at == NULL         ? -1
                          : at - digits < 16 ? (int)(at - digits)
                                             : (int)(at - digits) - 6;

        assert_int_equal(text_hex_digit((char)c), value);
    }
    assert_int_equal(text_hex_byte("fF"), 255);
    assert_int_equal(text_hex_byte("0a"), 10);
    assert_int_equal(text_hex_byte("0g"), -1);
    assert_int_equal(text_hex_byte("-1"), -1);
}

static void reads_whole_numbers(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1e3", "18446744073709551616"};
    uint64_t value = 7;

    (void)state;
    assert_int_equal(text_parse_uint(text_of("18446744073709551615"), &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(text_parse_uint(text_of("007"), &value), 0);
    assert_true(value == 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_parse_uint(text_of(bad[i]), &value), -1);
}

static void splits_host_and_port(void **state)
{
    static const struct {
        const char *text, *host, *port;
    } good[] = {
        {"localhost:80", "localhost", "80"},   {"[::1]:9464", "::1", "9464"},
        {"example.com", "example.com", NULL},  {"[2001:db8::1]", "2001:db8::1", NULL},
        {"example.com:", "example.com", NULL}, {"x:65535", "x", "65535"},
    };
    static const char *const bad[] = {"",       ":80",    "[]:80",   "[::1",    "::1",
                                      "::1:80", "a:b:1",  "x:65536", "x:-1",    "[::1]80",
                                      "]:1",    "a[b]:1", "x:1 ",    "[[a]]:1", "x:80:80"};
    struct text host, port;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(text_split_host_port(text_of(good[i].text), &host, &port), 0);
        assert_true(text_is(host, good[i].host));
        assert_true(good[i].port == NULL ? port.at == NULL : text_is(port, good[i].port));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_split_host_port(text_of(bad[i]), &host, &port), -1);
}

static void trims(void **state)
{
    (void)state;
    assert_true(text_is(text_trim(text_of(" \ta b\t ")), "a b"));
    assert_true(text_is(text_trim(text_of(" \t ")), ""));
    assert_false(text_is(text_of(NULL), ""));
}

/* Each code point goes out and comes back; everything around the surrogates and the end too. */
static void encodes_what_it_reads(void **state)
{
    char bytes[UTF8_MAX];

    (void)state;
    for (unsigned c = 0; c < 0x110000; c++) {
        size_t len;

        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        len = utf8_encode(bytes, c);
        assert_int_equal(utf8_sequence(bytes, bytes + len), len);
        if (len > 1)
            assert_int_equal(utf8_sequence(bytes, bytes + len - 1), 0);
    }
}

static void refuses_what_is_not_utf8(void **state)
{
    static const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xc3(",        "\xe2\x82(",        "\xf0\x9f\x98(",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[64];

        assert_int_equal(utf8_sequence(bad[i], bad[i] + strlen(bad[i])), 0);
        /* At each place of the eight bytes that are looked at together. */
        for (size_t before = 0; before < 17; before++) {
            memset(text, 'x', sizeof(text));
            assert_true(utf8_valid(text, before + strlen(bad[i])));
            memcpy(text + before, bad[i], strlen(bad[i]));
            assert_false(utf8_valid(text, before + strlen(bad[i])));
            assert_false(utf8_valid(text, sizeof(text)));
        }
    }
    assert_true(utf8_valid("caf\xc3\xa9 \xf0\x9f\x98\x80\0", 11));
}

static void test_typing_mistakes(void **state)
{
    (void)state;
    assert_true(text_is_near("name", "name", 0));
    assert_true(text_is_near("nme", "name", 1) && text_is_near("nname", "name", 1));
    assert_true(text_is_near("nume", "name", 1) && text_is_near("nmae", "name", 1));
    assert_true(text_is_near("", "ab", 2) && text_is_near("names_", "name", 2));
    assert_false(text_is_near("nme", "name", 0) || text_is_near("", "ab", 1));
    assert_false(text_is_near("eman", "name", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_typing_mistakes),
        cmocka_unit_test(reads_hexadecimal_digits),
        cmocka_unit_test(reads_whole_numbers),
        cmocka_unit_test(splits_host_and_port),
        cmocka_unit_test(trims),
        cmocka_unit_test(encodes_what_it_reads),
        cmocka_unit_test(refuses_what_is_not_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
