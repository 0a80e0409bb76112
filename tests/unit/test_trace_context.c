/*
 * Goal: traceparent and tracestate are continued, restarted or dropped exactly as W3C Trace Context
 * level 2 says, and what we write is what we read.
 */
#include "lib/trace/context.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static int parse(struct trace_context *out, const char *parent, const char *state)
{
    return trace_context_parse(out, parent, parent != NULL ? strlen(parent) : 0, state,
                               state != NULL ? strlen(state) : 0);
}

static void valid_parents_are_read(void **state)
{
    static const struct {
        const char *text;
        unsigned flags;
    } cases[] = {
        {"00-" TRACE "-" SPAN "-01", 1},  {"00-" TRACE "-" SPAN "-00", 0},
        {"00-" TRACE "-" SPAN "-03", 3},  {"00-" TRACE "-" SPAN "-ff", 3},
        {"cc-" TRACE "-" SPAN "-01", 1},  {"cc-" TRACE "-" SPAN "-01-what", 1},
        {"fe-" TRACE "-" SPAN "-09-", 1},
    };
    struct trace_context context;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hex[IDS_TRACE_HEX + 1] = {0};

        assert_int_equal(parse(&context, cases[i].text, NULL), 0);
        assert_int_equal(context.flags, cases[i].flags);
        ids_to_hex(hex, context.trace_id.bytes, 16);
        assert_string_equal(hex, TRACE);
    }
}

static void invalid_parents_start_a_new_trace(void **state)
{
    static const char *const cases[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01.",
        "00-" TRACE "-" SPAN "-1g",
        "ff-" TRACE "-" SPAN "-01",
        "cc-" TRACE "-" SPAN "-01.what",
        "0x-" TRACE "-" SPAN "-01",
        "00_" TRACE "_" SPAN "_01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        " 00-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01", /* two headers, joined */
        "cc-" TRACE "-" SPAN "-01,00-" TRACE "-" SPAN "-01",
    };
    struct trace_context context;

    (void)state;
    assert_int_equal(parse(&context, NULL, "foo=1"), -1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (parse(&context, cases[i], "foo=1") != -1)
            fail_msg("accepted: %s", cases[i]);
}

static void state_members_are_kept_or_the_list_is_dropped(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"foo=1", "foo=1"},
        {"foo=1,bar=2", "foo=1,bar=2"},
        {"foo=1 , \t bar=2\t", "foo=1,bar=2"},
        {"foo=1,,bar=2,", "foo=1,bar=2"},
        {"foo= 1", "foo= 1"},
        {"0v=1", "0v=1"},
        {"t@v=x", "t@v=x"},
        {"a_-*/@z=!~", "a_-*/@z=!~"},
        {"foo=1,foo=1", "foo=1"},
        {"foo=1,foo=2", "foo=1"},
        {"foo=1,bar=2,foo=3,bar=4,baz=5", "foo=1,bar=2,baz=5"},
        {"Foo=1", ""},
        {"@v=1", ""},
        {"foo", ""},
        {"foo=", ""},
        {"=1", ""},
        {"foo=1=2", ""},
        {"foo =1", ""},
        {"foo=\x7f", ""},
        {"foo=\xc3\xa9", ""},
        {"foo=1,b a=2", ""},
    };
    char out[TRACE_CONTEXT_STATE_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t len = trace_context_parse_state(out, cases[i].in, strlen(cases[i].in));

        assert_string_equal(out, cases[i].out);
        assert_int_equal(len, strlen(cases[i].out));
    }
}

static size_t members(char *text, size_t size, unsigned count)
{
    size_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, size - len, "%sk%02u=1", i > 0 ? "," : "", i);
    return len;
}

static void more_than_32_members_are_dropped(void **state)
{
    char text[1024], out[TRACE_CONTEXT_STATE_MAX + 1];

    (void)state;
    assert_int_equal(trace_context_parse_state(out, text, members(text, sizeof(text), 32)),
                     32 * 6 - 1);
    assert_int_equal(trace_context_parse_state(out, text, members(text, sizeof(text), 33)), 0);
}

static void a_long_list_is_cut_at_a_member(void **state)
{
    char text[1024], out[TRACE_CONTEXT_STATE_MAX + 1];
    size_t len = 0;

    (void)state;
    for (char key = 'a'; key < 'd'; key++) {
        if (len > 0)
            text[len++] = ',';
        text[len++] = key;
        text[len++] = '=';
        memset(text + len, 'x', 250);
        len += 250;
    }
    assert_int_equal(trace_context_parse_state(out, text, len), 2 * 252 + 1);
    assert_memory_equal(out, text, 2 * 252 + 1);
}

static void put_member(char *text, const char *key, size_t len)
{
    char value[256];

    memset(value, 'x', sizeof(value));
    (void)snprintf(text + strlen(text), 1024 - strlen(text), "%s%s=%.*s",
                   text[0] != '\0' ? "," : "", key, (int)(len - strlen(key) - 1), value);
}

/* Those of more than 128 characters first, from the end; then those at the end. */
static void long_members_go_first(void **state)
{
    char text[1024] = "", out[TRACE_CONTEXT_STATE_MAX + 1], expected[1024] = "";

    (void)state;
    put_member(text, "first", 129);
    put_member(text, "a", 128);
    put_member(text, "long", 200);
    put_member(text, "b", 128);
    put_member(text, "c", 120);
    put_member(expected, "first", 129);
    put_member(expected, "a", 128);
    put_member(expected, "b", 128);
    put_member(expected, "c", 120);
    assert_int_equal(trace_context_parse_state(out, text, strlen(text)), strlen(expected));
    assert_string_equal(out, expected);
    put_member(text, "d", 128);
    expected[0] = '\0';
    put_member(expected, "a", 128);
    put_member(expected, "b", 128);
    put_member(expected, "c", 120);
    put_member(expected, "d", 128);
    (void)trace_context_parse_state(out, text, strlen(text));
    assert_string_equal(out, expected);
    put_member(text, "e", 20);
    (void)trace_context_parse_state(out, text, strlen(text));
    assert_string_equal(out, expected);
}

static void length_limits_of_keys_and_values_hold(void **state)
{
    char text[1024], out[TRACE_CONTEXT_STATE_MAX + 1];

    (void)state;
    memset(text, 'k', sizeof(text));
    text[256] = '=';
    text[257] = '1';
    assert_int_equal(trace_context_parse_state(out, text, 258), 258);
    text[256] = 'k';
    text[257] = '=';
    text[258] = '1';
    assert_int_equal(trace_context_parse_state(out, text, 259), 0);
    text[1] = '=';
    memset(text + 2, 'v', 300);
    assert_int_equal(trace_context_parse_state(out, text, 258), 258);
    assert_int_equal(trace_context_parse_state(out, text, 259), 0);
}

static void a_bad_state_leaves_the_parent(void **state)
{
    struct trace_context context;
    char text[TRACE_CONTEXT_PARENT_SIZE];

    (void)state;
    assert_int_equal(parse(&context, "00-" TRACE "-" SPAN "-01", "foo=1,foo"), 0);
    assert_string_equal(context.state, "");
    trace_context_format(text, &context);
    assert_string_equal(text, "00-" TRACE "-" SPAN "-01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_parents_are_read),
        cmocka_unit_test(invalid_parents_start_a_new_trace),
        cmocka_unit_test(state_members_are_kept_or_the_list_is_dropped),
        cmocka_unit_test(more_than_32_members_are_dropped),
        cmocka_unit_test(a_long_list_is_cut_at_a_member),
        cmocka_unit_test(long_members_go_first),
        cmocka_unit_test(length_limits_of_keys_and_values_hold),
        cmocka_unit_test(a_bad_state_leaves_the_parent),
    };

    return cmocka_run_group_tests_name("trace_context", tests, NULL, NULL);
}
