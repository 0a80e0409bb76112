/*
 * Goal: whatever bytes a client sends as a body, /analyze either gets two numbers whose sum and
 * difference are finite, or the exact entries of a 422 that say what is wrong, as JSON.
 */
#include "fcgi-app/validation.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_MAX = 65536,
    REPLY_MAX = BODY_MAX * VALIDATION_REPLY_FACTOR + VALIDATION_LOG_MAX,
};

static char *copy;

/*
 * Parses a copy of exactly `length` bytes and a NUL, so that a sanitizer sees any read beyond. It
 * lives until the next call.
 */
static void parse(struct validation *validation, const char *body, size_t length)
{
    free(copy);
    copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy, body, length);
    copy[length] = '\0';
    validation_parse(validation, copy, length);
}

static int free_copy(void **state)
{
    (void)state;
    free(copy);
    copy = NULL;
    return 0;
}

static void assert_numbers(const char *body, double a, double b)
{
    struct validation validation;

    parse(&validation, body, strlen(body));
    assert_int_equal(validation.error_count, 0);
    assert_memory_equal(&validation.a, &a, sizeof(a));
    assert_memory_equal(&validation.b, &b, sizeof(b));
    validation_free(&validation);
}

/* The entries as text, and that this text is JSON of its own. */
static char *errors_of(const char *body, size_t length, enum errors_kind first)
{
    struct validation validation;
    struct json_writer w;
    char *text = malloc(REPLY_MAX);
    json_t *reread;

    assert_non_null(text);
    parse(&validation, body, length);
    assert_true(validation.error_count > 0);
    assert_int_equal(validation.errors[0].kind, first);
    json_writer_init(&w, text, REPLY_MAX - 1);
    validation_write_errors(&w, &validation);
    assert_false(w.overflow);
    text[w.len] = '\0';
    reread = json_loadb(text, w.len, JSON_ALLOW_NUL, NULL);
    assert_non_null(reread);
    assert_int_equal(json_array_size(reread), validation.error_count);
    json_decref(reread);
    validation_free(&validation);
    return text;
}

static void assert_errors(const char *body, enum errors_kind first, const char *expected)
{
    char *text = errors_of(body, strlen(body), first);

    assert_string_equal(text, expected);
    free(text);
}

static void assert_json_invalid(const char *body, size_t length)
{
    static const char start[] = "[{\"type\":\"json_invalid\",\"loc\":[\"body\",";
    char *text = errors_of(body, length, ERRORS_JSON_INVALID);

    assert_memory_equal(text, start, sizeof(start) - 1);
    assert_non_null(strstr(text, "],\"msg\":\"JSON decode error: "));
    assert_non_null(strstr(text, ",\"input\":{}}]"));
    free(text);
}

static void accepts_numbers(void **state)
{
    (void)state;
    assert_numbers("{\"a\": 10.5, \"b\": 3.5}", 10.5, 3.5);
    assert_numbers("{\"a\":1,\"b\":-2}", 1, -2);
    assert_numbers("{\"a\":-0.0,\"b\":-0}", -0.0, -0.0);
    assert_numbers("{\"a\":1e-400,\"b\":5e-324}", 0, 5e-324);
    assert_numbers("{\"a\":18446744073709551616,\"b\":-9223372036854775809}", 0x1p64, -0x1p63);
    assert_numbers("{\"a\":1,\"b\":2,\"extra\":[{\"x\":null}],\"c\":\"\\u0000\"}", 1, 2);
    assert_numbers("{\"a\":1,\"b\":2,\"a\":3}", 3, 2);
    assert_numbers("{\"a\":1,\"b\":2,\"x\\u0000y\":3}", 1, 2);
    assert_numbers("{\"a\\u0000\":3,\"a\":1,\"b\":2}", 1, 2);
    assert_numbers(" \t\r\n{\"\\u0061\":1,\"b\":2}\n", 1, 2);
}

static void ignores_an_overflowing_number_in_an_ignored_key(void **state)
{
    (void)state;
    assert_numbers("{\"a\":1,\"b\":2,\"c\":1e400}", 1, 2);
    assert_numbers("{\"c\":[-1e999,{\"d\":1e400}],\"a\":1,\"b\":2}", 1, 2);
    assert_numbers("{\"a\":1e400,\"b\":2,\"a\":1}", 1, 2);
    assert_numbers("{\"c\":\"\\\"1e400\\\\\",\"x\":1e400,\"a\":1,\"b\":2}", 1, 2);
}

static void names_each_bad_field(void **state)
{
    (void)state;
    assert_errors("", ERRORS_MISSING,
                  "[{\"type\":\"missing\",\"loc\":[\"body\"],\"msg\":\"Field required\","
                  "\"input\":null}]");
    assert_errors("{}", ERRORS_MISSING,
                  "[{\"type\":\"missing\",\"loc\":[\"body\",\"a\"],\"msg\":\"Field required\","
                  "\"input\":{}},"
                  "{\"type\":\"missing\",\"loc\":[\"body\",\"b\"],\"msg\":\"Field required\","
                  "\"input\":{}}]");
    assert_errors("{\"a\":\"1\"}", ERRORS_FLOAT_TYPE,
                  "[{\"type\":\"float_type\",\"loc\":[\"body\",\"a\"],"
                  "\"msg\":\"Input should be a valid number\",\"input\":\"1\"},"
                  "{\"type\":\"missing\",\"loc\":[\"body\",\"b\"],\"msg\":\"Field required\","
                  "\"input\":{\"a\":\"1\"}}]");
    assert_errors("{\"a\":null,\"b\":true}", ERRORS_FLOAT_TYPE,
                  "[{\"type\":\"float_type\",\"loc\":[\"body\",\"a\"],"
                  "\"msg\":\"Input should be a valid number\",\"input\":null},"
                  "{\"type\":\"float_type\",\"loc\":[\"body\",\"b\"],"
                  "\"msg\":\"Input should be a valid number\",\"input\":true}]");
    assert_errors("{\"b\":1.5,\"a\":[1e22,0.1]}", ERRORS_FLOAT_TYPE,
                  "[{\"type\":\"float_type\",\"loc\":[\"body\",\"a\"],"
                  "\"msg\":\"Input should be a valid number\",\"input\":[1e+22,0.1]}]");
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    assert_errors("{\"a\":1e400,\"b\":-1E+400}", ERRORS_FINITE_NUMBER,
                  "[{\"type\":\"finite_number\",\"loc\":[\"body\",\"a\"],"
                  "\"msg\":\"Input should be a finite number\",\"input\":\"1e400\"},"
                  "{\"type\":\"finite_number\",\"loc\":[\"body\",\"b\"],"
                  "\"msg\":\"Input should be a finite number\",\"input\":\"-1E+400\"}]");
    assert_errors("{\"a\":1e308,\"b\":1e308}", ERRORS_FINITE_NUMBER,
                  "[{\"type\":\"finite_number\",\"loc\":[\"body\"],"
                  "\"msg\":\"Input should be a finite number\","
                  "\"input\":{\"a\":1e+308,\"b\":1e+308}}]");
    assert_errors("{\"a\":1e308,\"b\":-1e308}", ERRORS_FINITE_NUMBER,
                  "[{\"type\":\"finite_number\",\"loc\":[\"body\"],"
                  "\"msg\":\"Input should be a finite number\","
                  "\"input\":{\"a\":1e+308,\"b\":-1e+308}}]");
    assert_errors("{\"c\":1e400}", ERRORS_MISSING,
                  "[{\"type\":\"missing\",\"loc\":[\"body\",\"a\"],\"msg\":\"Field required\","
                  "\"input\":{\"c\":\"1e400\"}},"
                  "{\"type\":\"missing\",\"loc\":[\"body\",\"b\"],\"msg\":\"Field required\","
                  "\"input\":{\"c\":\"1e400\"}}]");
    assert_errors("{\"a\":\"\xee\x80\x80x\\ue001\",\"b\":1e400}", ERRORS_FLOAT_TYPE,
                  "[{\"type\":\"float_type\",\"loc\":[\"body\",\"a\"],"
                  "\"msg\":\"Input should be a valid number\","
                  "\"input\":\"\xee\x80\x80x\xee\x80\x81\"},"
                  "{\"type\":\"finite_number\",\"loc\":[\"body\",\"b\"],"
                  "\"msg\":\"Input should be a finite number\",\"input\":\"1e400\"}]");
}

static void refuses_a_body_that_is_no_object(void **state)
{
    (void)state;
    assert_errors("[1,2]", ERRORS_MODEL_ATTRIBUTES_TYPE,
                  "[{\"type\":\"model_attributes_type\",\"loc\":[\"body\"],\"msg\":\"Input should "
                  "be a valid dictionary or object to extract fields from\",\"input\":[1.0,2.0]}]");
    assert_errors("1e400", ERRORS_MODEL_ATTRIBUTES_TYPE,
                  "[{\"type\":\"model_attributes_type\",\"loc\":[\"body\"],\"msg\":\"Input should "
                  "be a valid dictionary or object to extract fields from\",\"input\":\"1e400\"}]");
    free(errors_of("null", 4, ERRORS_MODEL_ATTRIBUTES_TYPE));
    free(errors_of("\"\\u0000\"", 8, ERRORS_MODEL_ATTRIBUTES_TYPE));
}

static void refuses_what_is_not_json(void **state)
{
    static const char *const bodies[] = {
        " ",
        "hello",
        "{\"a\": 1, \"b\":",
        "{\"a\": 1, \"b\": 2",
        "{\"a\": 1, \"b\": 2}}",
        "{\"a\": 1 \"b\": 2}",
        "{\"a\": 1, \"b\": 2,}",
        "{'a': 1, 'b': 2}",
        "{\"a\": NaN, \"b\": 2}",
        "{\"a\": Infinity, \"b\": 2}",
        "{\"a\": 01, \"b\": 2}",
        "{\"a\": 01e400, \"b\": 2}",
        "{\"a\": 1., \"b\": 2}",
        "{\"a\": +1, \"b\": 2}",
        "{\"a\": 0x10, \"b\": 2}",
        "{\"a\": 1e400x, \"b\": 2}",
        "{\"a\": 1e400.5, \"b\": 2}",
        "{\"a\": 1e400 1, \"b\": 2}",
        "{1e400: 1, \"a\": 1, \"b\": 2}",
        "{\"a\": 1e400, \"b\": \"unfinished",
        "{\"a\": \"\\",
        "{\"a\": \"1e400\\",
        "1e400 1e400",
        "\"\\ud800\"",
        "{\"a\": \"\xff\", \"b\": 2}",
        "{\"a\": \"\xc0\x80\", \"b\": 2}",
        "{\"a\": \"\xed\xa0\x80\", \"b\": 1e400}",
        "\xef\xbb\xbf{\"a\": 1, \"b\": 2}",
        "a=1&b=2",
        "\xff\xfe{",
        "{\"a\": \"line\nbreak\", \"b\": 2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_json_invalid(bodies[i], strlen(bodies[i]));
}

static void refuses_raw_nul_bytes(void **state)
{
    static const char inside[] = "{\"a\": 1, \"b\": 2\0}";
    static const char in_string[] = "{\"a\": \"x\0y\", \"b\": 2}";
    static const char after[] = "{\"a\": 1, \"b\": 2}\0";
    static const char after_overflow[] = "{\"a\": 1e400\0, \"b\": 2}";
    static const char in_string_after_overflow[] = "{\"a\": 1e400, \"b\": \"\0\"}";

    (void)state;
    assert_json_invalid("\0", 1);
    assert_json_invalid(inside, sizeof(inside) - 1);
    assert_json_invalid(in_string, sizeof(in_string) - 1);
    assert_json_invalid(after, sizeof(after) - 1);
    assert_json_invalid(after_overflow, sizeof(after_overflow) - 1);
    assert_json_invalid(in_string_after_overflow, sizeof(in_string_after_overflow) - 1);
}

static void tells_the_offset_of_a_syntax_error(void **state)
{
    static const char *const bodies[] = {"{\"a\": 1, \"b\": x}", "{\"a\": 1e400, \"b\": x}"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t at_x = (size_t)(strchr(bodies[i], 'x') - bodies[i]);
        struct validation validation;

        parse(&validation, bodies[i], strlen(bodies[i]));
        assert_int_equal(validation.fault.at, at_x);
        validation_free(&validation);
    }
}

static char *repeat(const char *start, const char *unit, size_t times, const char *end,
                    size_t *length)
{
    char *body = malloc(strlen(start) + times * strlen(unit) + strlen(end) + 1);
    char *at;

    assert_non_null(body);
    at = stpcpy(body, start);
    for (size_t i = 0; i < times; i++)
        at = stpcpy(at, unit);
    at = stpcpy(at, end);
    *length = (size_t)(at - body);
    return body;
}

static void refuses_deep_nesting(void **state)
{
    size_t length;
    char *body = repeat("", "[", 100000, "", &length);

    (void)state;
    assert_json_invalid(body, length);
    free(body);
    body = repeat("1e400", "{\"a\":", 100000, "", &length);
    assert_json_invalid(body, length);
    free(body);
}

/* Each of the inputs whose text grows most, as often as a body of 64 KiB holds it. */
static void echoes_the_largest_bodies_whole(void **state)
{
    static const struct {
        const char *start, *unit, *end;
        enum errors_kind first;
    } cases[] = {
        {"{\"x\":[0", ",1e15", "]}", ERRORS_MISSING},
        {"{\"x\":[0", ",1", "]}", ERRORS_MISSING},
        {"{\"x\":\"", "\x7f", "\"}", ERRORS_MISSING},
        {"{\"x\":[1e400", ",1e309", "]}", ERRORS_MISSING},
        {"{\"a\":\"", "\\u0001", "\"}", ERRORS_FLOAT_TYPE},
        {"[0", ",-1e15", "]", ERRORS_MODEL_ATTRIBUTES_TYPE},
        {"{\"a\":", "1", "}", ERRORS_FINITE_NUMBER},
        {"{\"a\":1,\"b\":1e400", "0", "}", ERRORS_FINITE_NUMBER},
        {"{\"a\":1,\"b\":1e400, \"c\":\"", "\xee\x80\x80", "\"}", ERRORS_FINITE_NUMBER},
        {"{\"a\":1,\"b\":1e400, \"c\":\"", "\\\"", "\"}", ERRORS_FINITE_NUMBER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t fixed = strlen(cases[i].start) + strlen(cases[i].end);
        size_t times = (BODY_MAX - fixed) / strlen(cases[i].unit);
        size_t length;
        char *body = repeat(cases[i].start, cases[i].unit, times, cases[i].end, &length);

        assert_true(length <= BODY_MAX && length > BODY_MAX - 8);
        free(errors_of(body, length, cases[i].first));
        free(body);
    }
}

static void cuts_inputs_in_the_log(void **state)
{
    static const char *const units[] = {"x", "\\u0001", "\x7f", "\xf0\x9f\x98\x80", "\\\\"};

    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct validation validation;
        struct json_writer w;
        char text[VALIDATION_LOG_MAX];
        json_t *reread;
        size_t length;
        char *body = repeat("{\"a\":\"", units[i], 5000, "\",\"b\":[\"\"]}", &length);

        parse(&validation, body, length);
        json_writer_init(&w, text, sizeof(text));
        validation_write_errors_cut(&w, &validation);
        assert_false(w.overflow);
        reread = json_loadb(text, w.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(reread);
        assert_true(json_string_length(json_object_get(json_array_get(reread, 0), "input")) <=
                    VALIDATION_LOGGED_INPUT_MAX + 3);
        /* A short one stands as it is. */
        assert_true(json_is_array(json_object_get(json_array_get(reread, 1), "input")));
        json_decref(reread);
        validation_free(&validation);
        free(body);
    }
}

/* Random bytes, and a good body with random damage: always an answer that is JSON. */
static void survives_random_damage(void **state)
{
    static const char good[] = "{\"a\": 1e400, \"b\": [\"\\ud83d\\ude00\", -0.5e-3], \"c\": null}";
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char body[sizeof(good)];
        size_t length = sizeof(good) - 1;
        struct validation validation;
        struct json_writer w;
        char text[8192];

        memcpy(body, good, sizeof(good));
        for (int i = 0; i < 1 + round % 4; i++)
            body[(size_t)rand_r(&seed) % length] =
                round % 2 ? (char)rand_r(&seed) : good[(size_t)rand_r(&seed) % length];
        length -= (size_t)rand_r(&seed) % 3 * (size_t)(round % 5);
        parse(&validation, body, length);
        json_writer_init(&w, text, sizeof(text));
        validation_write_errors(&w, &validation);
        assert_false(w.overflow);
        if (validation.error_count > 0) {
            json_t *reread = json_loadb(text, w.len, JSON_ALLOW_NUL, NULL);

            assert_non_null(reread);
            json_decref(reread);
        } else {
            assert_true(isfinite(validation.a + validation.b));
        }
        validation_free(&validation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_numbers),
        cmocka_unit_test(ignores_an_overflowing_number_in_an_ignored_key),
        cmocka_unit_test(names_each_bad_field),
        cmocka_unit_test(refuses_what_is_not_finite),
        cmocka_unit_test(refuses_a_body_that_is_no_object),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(refuses_raw_nul_bytes),
        cmocka_unit_test(tells_the_offset_of_a_syntax_error),
        cmocka_unit_test(refuses_deep_nesting),
        cmocka_unit_test(echoes_the_largest_bodies_whole),
        cmocka_unit_test(cuts_inputs_in_the_log),
        cmocka_unit_test(survives_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, free_copy);
}
