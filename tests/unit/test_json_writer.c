/*
 * Goal: whatever goes in, what comes out is valid JSON in valid UTF-8, and nothing is ever written
 * beyond the buffer.
 */
#include "lib/base/json_writer.h"
#include "tests/unit/unit.h"

#include <math.h>
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
    json_writer_key_bool(&w, "b", true);
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
        cmocka_unit_test(infinities_are_null),
        cmocka_unit_test(overflow_stops_at_the_last_byte_that_fits),
    };

    return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
