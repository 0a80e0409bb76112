/*
 * Goal: a query means what page_query.h says, and nothing else gets through; only names of this
 * machine pass the Host check.
 */
#include "metrics-agent/page/page_query.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct page_query parse(const char *text)
{
    struct page_query query;
    const char *why = NULL;

    assert_int_equal(page_query_parse(&query, text, &why), 0);
    return query;
}

static void refuse(const char *text, const char *word)
{
    struct page_query query;
    const char *why = NULL;

    assert_int_equal(page_query_parse(&query, text, &why), -1);
    assert_non_null(why);
    assert_non_null(strstr(why, word));
}

static void nothing_is_five_minutes(void **state)
{
    const struct page_query query = parse("");

    (void)state;
    assert_int_equal(query.minutes, 5);
    assert_int_equal(query.list, PAGE_LIST_NONE);
    assert_string_equal(query.find, "");
    assert_string_equal(query.trace, "");
    assert_false(query.part);
    assert_int_equal(query.after, 0);
    assert_false(page_query_wants_traces(&query));
}

static void all_names(void **state)
{
    struct page_query query = parse("minutes=60&by=slowest&find=%2Fanalyze+5%30%30&part=traces");

    (void)state;
    assert_int_equal(query.minutes, 60);
    assert_int_equal(query.list, PAGE_LIST_SLOWEST);
    assert_string_equal(query.find, "/analyze 500");
    assert_true(query.part);
    assert_true(page_query_wants_traces(&query));
    query = parse("trace=4bf92f3577b34da6a3ce929d0e0e4736&after=18446744073709551615");
    assert_string_equal(query.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_true(query.after == UINT64_MAX);
    assert_true(page_query_wants_traces(&query));
    assert_int_equal(parse("by=latest").list, PAGE_LIST_LATEST);
    assert_int_equal(parse("by=errors").list, PAGE_LIST_ERRORS);
    /* A form with nothing filled in. */
    query = parse("by=&find=&trace=");
    assert_false(page_query_wants_traces(&query));
}

static void odd_but_meant(void **state)
{
    (void)state;
    assert_string_equal(parse("&&find=a&utm_source=x&find=b&").find, "b");
    assert_string_equal(parse("find").find, "");
    assert_string_equal(parse("find=a=b").find, "a=b");
    assert_string_equal(parse("f%69nd=x").find, "x");
    assert_string_equal(parse("find=%3Cscript%3E%0d%0a\x80").find, "<script>\r\n\x80");
    assert_false(parse("part=main").part);
}

static void refused(void **state)
{
    char text[600] = "find=";

    (void)state;
    refuse("minutes=7", "minutes");
    refuse("minutes=", "minutes");
    refuse("minutes=-5", "minutes");
    refuse("minutes=18446744073709551621", "minutes");
    refuse("by=all", "by");
    refuse("after=x", "after");
    refuse("find=%00", "escapes");
    refuse("find=a%00b", "escapes");
    refuse("find=%", "escapes");
    refuse("find=%4", "escapes");
    refuse("find=%zz", "escapes");
    refuse("%00=x", "escapes");
    memset(text + 5, 'a', PAGE_FIND_MAX - 1);
    assert_int_equal(strlen(parse(text).find), PAGE_FIND_MAX - 1);
    text[5 + PAGE_FIND_MAX - 1] = 'a';
    refuse(text, "255");
}

static void same_question(void **state)
{
    const struct page_query a = parse("find=x&part=traces"), b = parse("find=x");
    const struct page_query c = parse("find=y"), d = parse("trace=x"), e = parse("by=latest");

    (void)state;
    assert_true(page_query_same_traces(&a, &b));
    assert_false(page_query_same_traces(&b, &c));
    assert_false(page_query_same_traces(&b, &d));
    assert_false(page_query_same_traces(&e, &d));
}

static void hosts(void **state)
{
    static const char *const taken[] = {"127.0.0.1", "127.0.0.1:9464", "[::1]:9464",
                                        "[::1]",     "localhost",      "LocalHost:1",
                                        "10.1.2.3",  "metrics:9464",   "Metrics"};
    static const char *const others[] = {"evil.example",
                                         "evil.example:9464",
                                         "localhost.evil.example",
                                         "127.0.0.1.evil.example",
                                         "",
                                         ":9464",
                                         "127.0.0.1:99999",
                                         "127.0.0.1:x",
                                         "[::1",
                                         "[evil.example]",
                                         "localhost,evil.example",
                                         "127.1"};

    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        assert_true(page_query_host(taken[i], "metrics:9464"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(page_query_host(others[i], "metrics:9464"));
    assert_false(page_query_host(NULL, "metrics:9464"));
    assert_false(page_query_host("metrics", "0.0.0.0:9464"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_five_minutes), cmocka_unit_test(all_names),
        cmocka_unit_test(odd_but_meant),           cmocka_unit_test(refused),
        cmocka_unit_test(same_question),           cmocka_unit_test(hosts),
    };

    return cmocka_run_group_tests_name("page_query", tests, NULL, NULL);
}
