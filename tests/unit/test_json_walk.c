/*
 * Goal: the one reader of JSON takes what RFC 8259 calls JSON and nothing else, says where it stops
 * being that, and finds members and elements whichever way they are written.
 */
#include "lib/base/json_walk.h"

#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_fault fault;

static bool valid(const char *text)
{
    return json_walk_valid(text_of(text), false, &fault);
}

static void takes_json(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        " \t\r\n1 ",
        "-0",
        "0.5e-10",
        "1E+2",
        "\"\"",
        "true",
        "null",
        "[[],{}]",
        "[1,2]",
        "{\"\":0}",
        "\"\\/\"",
        "\"\\ud83d\\ude00\"",
        "\"\x7f\"",
        "\"\\u0000\"",
        "{\"a\":{\"b\":[{\"c\":null}]},\"d\":[]}",
        "\"\\ud800\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!valid(good[i]))
            fail_msg("%s: %s at %zu", good[i], fault.what, fault.at);
    }
}

static void says_where_it_is_not_json(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } bad[] = {
        {"", 0},          {"  ", 2},        {"x", 0},           {"tru", 3},
        {"trux", 3},      {"01", 1},        {"-", 1},           {"-x", 1},
        {"1.", 2},        {"1.e5", 2},      {"1e", 2},          {"1e+x", 3},
        {"+1", 0},        {".5", 0},        {"0x10", 1},        {"[1,]", 3},
        {"[1 2]", 3},     {"[,1]", 1},      {"[1}", 2},         {"[1", 2},
        {"{\"a\"}", 4},   {"{a:1}", 1},     {"{\"a\":1,}", 7},  {"{\"a\" 1}", 5},
        {"{,}", 1},       {"{\"a\":1]", 6}, {"1 1", 2},         {"\"a", 2},
        {"\"\\", 2},      {"\"\\x\"", 2},   {"\"\\u12g4\"", 2}, {"\"a\nb\"", 2},
        {"\"a\xff\"", 2}, {"\"a\xc3", 2},   {"[]]", 2},         {"\xef\xbb\xbf{}", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(valid(bad[i].text));
        if (fault.at != bad[i].at)
            fail_msg("%s: %s at %zu", bad[i].text, fault.what, fault.at);
    }
    assert_false(json_walk_valid((struct text){"[1,\0]", 5}, false, &fault));
    assert_int_equal(fault.at, 3);
}

static void half_a_pair_is_not_text(void **state)
{
    static const char *const bad[] = {"\"a\\ud800\"", "\"a\\udc00\"", "\"a\\ud800\\ud800\"",
                                      "\"a\\ud800\\n\""};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(valid(bad[i]));
        assert_false(json_walk_valid(text_of(bad[i]), true, &fault));
        assert_int_equal(fault.at, 2);
    }
    assert_true(json_walk_valid(text_of("\"\\ud83d\\ude00\\ufffd\""), true, &fault));
}

static void bounds_the_depth(void **state)
{
    enum { DEEPER = JSON_WALK_DEPTH_MAX + 1 };
    char text[2 * DEEPER];

    (void)state;
    memset(text, '[', JSON_WALK_DEPTH_MAX);
    memset(text + JSON_WALK_DEPTH_MAX, ']', JSON_WALK_DEPTH_MAX);
    assert_true(json_walk_valid((struct text){text, 2 * JSON_WALK_DEPTH_MAX}, true, &fault));
    memset(text, '[', DEEPER);
    memset(text + DEEPER, ']', DEEPER);
    assert_false(json_walk_valid((struct text){text, sizeof(text)}, true, &fault));
    assert_int_equal(fault.at, JSON_WALK_DEPTH_MAX);
}

/* Both kinds of brackets at each depth, beside each other. */
static void knows_what_is_open_at_each_depth(void **state)
{
    enum { DEPTH = 100 };
    static const char *const begin[] = {"{\"a\":[],\"b\":{},\"c\":", "[{},[],"};
    static const char *const end[] = {",\"d\":[]}", ",{}]"};
    char text[4096];
    size_t len = 0;

    (void)state;
    for (int i = 0; i < DEPTH; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", begin[i % 3 % 2]);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "1");
    for (int i = DEPTH; i-- > 0;)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", end[i % 3 % 2]);
    assert_true(len < sizeof(text) - 1);
    assert_true(valid(text));
}

static void walks_members_and_elements(void **state)
{
    const struct text object = text_of(" { \"a\" :\n1 , \"b\":[true, \"x,]\" ,{}],\"a\":2.5 } ");
    const struct text array = json_walk_get(object, "b");
    struct text key, value;
    const char *at = NULL;
    unsigned count = 0;

    (void)state;
    while (json_walk_next(object, &at, &key, &value))
        count++;
    assert_int_equal(count, 3);
    assert_true(json_walk_ended(object, at));
    assert_true(json_walk_is(json_walk_get(object, "a"), "2.5"));
    assert_null(json_walk_get(object, "c").at);
    assert_null(json_walk_get(array, "a").at);
    at = NULL;
    assert_true(json_walk_next(array, &at, NULL, &value) && json_walk_is(value, "true"));
    assert_true(json_walk_next(array, &at, NULL, &value));
    assert_true(json_walk_is(json_walk_string(value), "x,]"));
    assert_true(json_walk_next(array, &at, NULL, &value) && json_walk_is(value, "{}"));
    assert_false(json_walk_next(array, &at, NULL, &value));
    assert_true(json_walk_ended(array, at));
    at = NULL;
    assert_false(json_walk_next(value, &at, &key, &value));
}

/* What passed no more than a look at its brackets. */
static void stops_where_the_text_does_not_go_on(void **state)
{
    static const char *const bad[] = {
        "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{,\"a\":1}", "{\"a\"}", "{\"a\":}", "{1:2}", "[1]"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct text key, value;
        const char *at = NULL;

        while (json_walk_next(text_of(bad[i]), &at, &key, &value))
            continue;
        assert_false(json_walk_ended(text_of(bad[i]), at));
    }
}

static void compares_what_escapes_mean(void **state)
{
    (void)state;
    assert_true(json_walk_is(text_of("\\u0061\\u00e9\\/"), "a\xc3\xa9/"));
    assert_true(json_walk_is(text_of("\\ud83d\\ude00"), "\xf0\x9f\x98\x80"));
    assert_true(json_walk_is(text_of("\\ud83dx"), "\xef\xbf\xbdx"));
    assert_false(json_walk_is(text_of("a\\u0000"), "a"));
    assert_false(json_walk_is(text_of("a"), "ab"));
    assert_false(json_walk_is(text_of("ab"), "a"));
    assert_false(json_walk_is((struct text){NULL, 0}, ""));
}

static void reads_numbers(void **state)
{
    double number;

    (void)state;
    assert_int_equal(json_walk_number(text_of("-12")), JSON_NUMBER_WHOLE);
    assert_int_equal(json_walk_number(text_of("1e3")), JSON_NUMBER_REAL);
    assert_int_equal(json_walk_number(text_of("1.0")), JSON_NUMBER_REAL);
    assert_int_equal(json_walk_number(text_of("1,")), JSON_NUMBER_NONE);
    assert_int_equal(json_walk_number(text_of("")), JSON_NUMBER_NONE);
    assert_int_equal(json_walk_number(text_of("NaN")), JSON_NUMBER_NONE);
    assert_int_equal(json_walk_double(text_of("1e400"), &number), 0);
    assert_true(isinf(number));
    assert_int_equal(json_walk_double(text_of("-0.1"), &number), 0);
    assert_true(number == -0.1);
    assert_int_equal(json_walk_double(text_of("0x10"), &number), -1);
    assert_int_equal(json_walk_double(text_of("\"1\""), &number), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_json),
        cmocka_unit_test(says_where_it_is_not_json),
        cmocka_unit_test(half_a_pair_is_not_text),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(knows_what_is_open_at_each_depth),
        cmocka_unit_test(walks_members_and_elements),
        cmocka_unit_test(stops_where_the_text_does_not_go_on),
        cmocka_unit_test(compares_what_escapes_mean),
        cmocka_unit_test(reads_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
