/*
 * Goal: whatever goes in, what comes out is valid JSON in valid UTF-8, numbers read back as the
 * same double by their shortest text, and nothing is ever written beyond the buffer.
 */
#include "lib/base/json_writer.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char buffer[512];

static const char *finish(struct json_writer *w)
{
    assert_false(w->overflow);
    assert_true(w->len < sizeof(buffer));
    buffer[w->len] = '\0';
    return buffer;
}

static struct json_writer start(void)
{
    struct json_writer w;

    json_writer_init(&w, buffer, sizeof(buffer) - 1);
    return w;
}

static void commas_stand_between_siblings_only(void **state)
{
    struct json_writer w = start();

    (void)state;
    json_writer_begin_object(&w);
    json_writer_key(&w, "a");
    json_writer_begin_array(&w);
    json_writer_int(&w, -5);
    json_writer_uint(&w, UINT64_MAX);
    json_writer_int(&w, INT64_MIN);
    json_writer_begin_object(&w);
    json_writer_end_object(&w);
    json_writer_null(&w);
    json_writer_end_array(&w);
    json_writer_key(&w, "b");
    json_writer_bool(&w, true);
    json_writer_key(&w, "c");
    json_writer_raw_value(&w, "[1]", 3);
    json_writer_end_object(&w);
    assert_string_equal(finish(&w), "{\"a\":[-5,18446744073709551615,-9223372036854775808,{},null],"
                                    "\"b\":true,\"c\":[1]}");
}

static void strings_are_escaped(void **state)
{
    static const char text[] = "q\" b\\ \b\f\n\r\t \0 \x1f \x7f /";
    struct json_writer w = start();

    (void)state;
    json_writer_string_n(&w, text, sizeof(text) - 1);
    assert_string_equal(finish(&w), "\"q\\\" b\\\\ \\b\\f\\n\\r\\t \\u0000 \\u001f \\u007f /\"");
}

static void each_stray_byte_becomes_the_replacement_character(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xc3\xa9", "\"\xc3\xa9\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xed\x9f\xbf\xee\x80\x80", "\"\xed\x9f\xbf\xee\x80\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x82z", "\"\xef\xbf\xbd\xef\xbf\xbdz\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_writer w = start();

        json_writer_string(&w, cases[i].in);
        assert_string_equal(finish(&w), cases[i].out);
    }
}

static void doubles_are_shortest_and_read_back(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {14.0, "14.0"},
        {7, "7.0"},
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100.0, "100.0"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {1e22, "1e+22"},
        {1.5e300, "1.5e+300"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {0.00012345, "0.00012345"},
        {-123.456, "-123.456"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
        {0x1p-44, "5.684341886080802e-14"}, /* nearest 16 digits do not read back */
        {123456789.125, "123456789.125"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[JSON_WRITER_DOUBLE_SIZE];

        assert_int_equal(json_writer_format_double(text, cases[i].value), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* The gap below a power of two is half of that above: the nearest short text may not be the one. */
static void powers_of_two_have_no_shorter_text(void **state)
{
    (void)state;
    for (int k = -1074; k < 1024; k++) {
        const double value = ldexp(1, k);
        char text[JSON_WRITER_DOUBLE_SIZE], shorter[64];
        size_t digits = 0, zeros = 0;

        (void)json_writer_format_double(text, value);
        assert_true(strtod(text, NULL) == value);
        for (const char *at = text; *at != '\0' && *at != 'e'; at++) {
            if (*at == '.' || (digits == 0 && *at == '0'))
                continue;
            digits++;
            zeros = *at == '0' ? zeros + 1 : 0;
        }
        digits -= zeros;
        for (int step = -1; digits > 1 && step <= 1; step++) {
            unsigned long long whole = 0;
            const char *at;

            (void)snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2, value);
            for (at = shorter; *at != 'e'; at++)
                if (*at != '.')
                    whole = 10 * whole + (unsigned)(*at - '0');
            (void)snprintf(shorter, sizeof(shorter), "%llue%d", whole + (unsigned long long)step,
                           atoi(at + 1) - (int)digits + 2);
            if (strtod(shorter, NULL) == value)
                fail_msg("2^%d is %s, not %s", k, shorter, text);
        }
    }
}

static void random_doubles_read_back(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        char text[JSON_WRITER_DOUBLE_SIZE];
        double value, back;

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&value, &x, sizeof(value));
        if (!isfinite(value))
            continue;
        (void)json_writer_format_double(text, value);
        back = strtod(text, NULL);
        assert_memory_equal(&back, &value, sizeof(value));
        assert_non_null(strpbrk(text, ".e"));
    }
}

static void infinities_are_null(void **state)
{
    struct json_writer w = start();

    (void)state;
    json_writer_begin_array(&w);
    json_writer_double(&w, INFINITY);
    json_writer_double(&w, NAN);
    json_writer_double(&w, 1.5);
    json_writer_end_array(&w);
    assert_string_equal(finish(&w), "[null,null,1.5]");
}

static void overflow_stops_at_the_last_byte_that_fits(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 24; cap++) {
        struct json_writer w;

        memset(buffer, '#', sizeof(buffer));
        json_writer_init(&w, buffer, cap);
        json_writer_begin_object(&w);
        json_writer_key(&w, "key");
        json_writer_string(&w, "value \n text");
        json_writer_end_object(&w);
        assert_int_equal(w.overflow, cap < 23);
        for (size_t i = cap; i < sizeof(buffer); i++)
            assert_int_equal(buffer[i], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_siblings_only),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(each_stray_byte_becomes_the_replacement_character),
        cmocka_unit_test(doubles_are_shortest_and_read_back),
        cmocka_unit_test(powers_of_two_have_no_shorter_text),
        cmocka_unit_test(random_doubles_read_back),
        cmocka_unit_test(infinities_are_null),
        cmocka_unit_test(overflow_stops_at_the_last_byte_that_fits),
    };

    return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
