/*
 * Goal: a selector means what Prometheus would read in it, a mistake in it is named, and a sample
 * of the text format is selected or not accordingly.
 */
#include "cli/expect_selector.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct expect_selector selector;

static void parse(const char *text)
{
    char error[EXPECT_SELECTOR_ERROR_MAX];

    assert_int_equal(expect_selector_parse(&selector, text, error), 0);
}

static bool selects(const char *line)
{
    struct expect_sample sample;

    assert_int_equal(expect_sample_parse(&sample, line, strlen(line)), 1);
    return expect_selector_meets(&selector, &sample, NULL) > selector.count;
}

static void test_names_and_values(void **state)
{
    (void)state;
    parse(" up:rate5m ");
    assert_string_equal(selector.name, "up:rate5m");
    assert_int_equal(selector.count, 0);
    parse("a{b=\"c\" , d!='e',f =~ `g\\d|h`,i!~\"\",}");
    assert_int_equal(selector.count, 4);
    assert_string_equal(selector.matchers[0].label, "b");
    assert_string_equal(selector.matchers[0].value, "c");
    assert_int_equal(selector.matchers[1].how, EXPECT_SELECTOR_NOT_EQUAL);
    assert_string_equal(selector.matchers[2].value, "g\\d|h");
    assert_int_equal(selector.matchers[3].how, EXPECT_SELECTOR_MATCHES_NOT);
    expect_selector_free(&selector);
    parse("a{b=\"\\\\ \\\" \\n '\"}");
    assert_string_equal(selector.matchers[0].value, "\\ \" \n '");
    parse("a{}");
    assert_int_equal(selector.count, 0);
}

static void test_mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"", "a metric's name is expected at its end"},
        {"1a", "a metric's name is expected at 1a"},
        {"a b", "{ or nothing more is expected at b"},
        {"a{", "a label's name is expected at its end"},
        {"a{b}", "=, !=, =~ or !~ is expected at }"},
        {"a{b=c}", "a quoted value is expected at c}"},
        {"a{b=\"c}", "a quoted value is expected at \"c}"},
        {"a{b=\"c\"", "a comma or } is expected at its end"},
        {"a{b=\"c\" d=\"e\"}", "a comma or } is expected at d=\"e\"}"},
        {"a{b=\"c\"}}", "{ or nothing more is expected at }"},
        {"a{,}", "a label's name is expected at ,}"},
        {"a{b=\"\\q\"}", "a value with the escapes"},
        {"a{b=~\"(\"}", "the pattern of b is no extended regular expression"},
    };
    char error[EXPECT_SELECTOR_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(expect_selector_parse(&selector, wrong[i].text, error), -1);
        assert_memory_equal(error, wrong[i].error, strlen(wrong[i].error));
    }
}

static void test_limits(void **state)
{
    static char text[2 * EXPECT_SELECTOR_TEXT_MAX];
    char error[EXPECT_SELECTOR_ERROR_MAX], *at = text + sprintf(text, "a{");

    (void)state;
    for (int i = 0; i <= EXPECT_SELECTOR_MATCHERS_MAX; i++)
        at += sprintf(at, "l%d=~\"v\",", i);
    (void)sprintf(at, "}");
    assert_int_equal(expect_selector_parse(&selector, text, error), -1);
    memset(text, 'a', sizeof(text) - 1);
    assert_int_equal(expect_selector_parse(&selector, text, error), -1);
    text[1] = '{';
    text[3] = '=';
    text[4] = '"';
    memcpy(text + sizeof(text) - 3, "\"}", 3);
    assert_int_equal(expect_selector_parse(&selector, text, error), -1);
}

static void test_what_is_selected(void **state)
{
    (void)state;
    parse("requests_total{path=\"/analyze\",status=~\"2..|304\"}");
    assert_true(selects("requests_total{method=\"POST\",path=\"/analyze\",status=\"200\"} 3.0"));
    assert_true(selects("requests_total{status=\"304\",path=\"/analyze\"} 3 1700000000000"));
    assert_false(selects("requests_total{path=\"/analyze\",status=\"2000\"} 3"));
    assert_false(selects("requests_total{path=\"/analyze2\",status=\"200\"} 3"));
    assert_false(selects("requests{path=\"/analyze\",status=\"200\"} 3"));
    assert_false(selects("requests_total 3"));
    expect_selector_free(&selector);
    /* A label that is absent is empty. */
    parse("a{b=\"\",c!=\"d\",e!~\"f.*\"}");
    assert_true(selects("a 1"));
    assert_true(selects("a{b=\"\",c=\"x\"} 1"));
    assert_false(selects("a{b=\"x\"} 1"));
    assert_false(selects("a{c=\"d\"} 1"));
    assert_false(selects("a{e=\"fg\"} 1"));
    expect_selector_free(&selector);
    /* Escapes, and characters that are syntax elsewhere. */
    parse("a{b=\"x,y=\\\"z\\\"}\\\\\"}");
    assert_true(selects("a{b=\"x,y=\\\"z\\\"}\\\\\"} 1"));
    parse("h_bucket{le=\"1\"}");
    assert_true(selects("h_bucket{le=\"1.0\"} 1"));
    assert_false(selects("h_bucket{le=\"1.5\"} 1"));
    parse("h_bucket{le=\"+Inf\"}");
    assert_true(selects("h_bucket{le=\"+Inf\"} 1"));
}

static void test_samples(void **state)
{
    static const char *const none[] = {"", "  ", "# HELP a b", "#"};
    static const char *const wrong[] = {
        "a",      "a{",       "a{b=\"c\"",  "a{b=\"c\"}",  "a b", "a 1x",      "{a=\"b\"} 1",
        "a{b} 1", "a{b=c} 1", "a{b=\"c} 1", "a{=\"c\"} 1", "1 1", "root:x:0:0"};
    struct expect_sample sample;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(expect_sample_parse(&sample, none[i], strlen(none[i])), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(expect_sample_parse(&sample, wrong[i], strlen(wrong[i])), -1);
    assert_int_equal(expect_sample_parse(&sample, "a{b=\"c\",} +Inf # x", 18), 1);
    assert_true(sample.value > 1e308);
    assert_true(text_is(sample.series, "a{b=\"c\",}"));
    assert_true(text_is(expect_sample_label(&sample, "b"), "c"));
    assert_null(expect_sample_label(&sample, "c").at);
    /* Not one byte beyond its end. */
    assert_int_equal(expect_sample_parse(&sample, "a 123", 4), 1);
    assert_true(sample.value == 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_values), cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_limits),           cmocka_unit_test(test_what_is_selected),
        cmocka_unit_test(test_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
