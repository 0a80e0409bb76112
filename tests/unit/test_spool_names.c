/*
 * Goal: lines whose names are in snake_case, which ProtoJSON has readers take, hold the same
 * records as those in camelCase, below the same heads.
 */
#include "lib/base/json_walk.h"
#include "lib/spool/lines.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct spool_lines batch;

static void split(enum spool_signal signal, const char *text)
{
    size_t after;

    spool_lines_split(&batch, signal, text, strlen(text), 0, false);
    assert_int_equal(batch.consumed, strlen(text));
    assert_int_equal(spool_lines_count(signal, text, strlen(text), &after),
                     batch.items[batch.count - 1].counted);
}

static void expect(size_t item, enum spool_line_form form, uint32_t records)
{
    assert_true(item < batch.count);
    assert_int_equal(batch.items[item].kind, SPOOL_LINE_RECORD);
    assert_int_equal(batch.items[item].form, form);
    assert_int_equal(batch.items[item].records, records);
}

static void is(struct text text, const char *wanted)
{
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.at, wanted, text.len);
}

static void spans_below_their_heads(void **state)
{
    const struct spool_head *head;

    (void)state;
    split(SPOOL_TRACES,
          "{\"resource_spans\":[{\"resource\":{\"n\":1},\"scope_spans\":[{\"scope\":{\"n\":2},"
          "\"schema_url\":\"u\",\"spans\":[{\"trace_id\":\"a\"},{\"trace_id\":\"b\"}]}],"
          "\"schema_url\":\"v\"}]}\n");
    assert_int_equal(batch.count, 2);
    expect(0, SPOOL_FORM_RECORD, 1);
    expect(1, SPOOL_FORM_RECORD, 1);
    head = &batch.heads[batch.items[1].head].around;
    is(head->resource[0], "\"resource\":{\"n\":1}");
    is(head->resource[1], "\"schema_url\":\"v\"");
    is(head->scope[0], "\"scope\":{\"n\":2},\"schema_url\":\"u\"");
    is(head->scope[1], "");
}

static void logs_and_metrics(void **state)
{
    (void)state;
    split(SPOOL_LOGS, "{\"resource_logs\":[{\"scope_logs\":[{\"log_records\":[{},{},{}]}]}]}\n");
    assert_int_equal(batch.count, 3);
    expect(2, SPOOL_FORM_RECORD, 1);
    split(SPOOL_METRICS, "{\"resource_metrics\":[{\"scope_metrics\":[{\"metrics\":["
                         "{\"exponential_histogram\":{\"data_points\":[{},{}]}}]}]}]}\n");
    assert_int_equal(batch.count, 1);
    expect(0, SPOOL_FORM_RECORD, 2);
}

/* Nobody can tell which list is meant: the element is sent as it is, and nothing is lost. */
static void a_list_in_both_forms(void **state)
{
    (void)state;
    split(SPOOL_TRACES, "{\"resource_spans\":[{\"scope_spans\":[{\"spans\":[{}]}],"
                        "\"scopeSpans\":[{\"spans\":[{}]}]}]}\n");
    assert_int_equal(batch.count, 1);
    expect(0, SPOOL_FORM_ELEMENT, 1);
}

static void other_names(void **state)
{
    static const char *const others[] = {"resource_Spans",
                                         "resource__spans",
                                         "resourcespans",
                                         "_resource_spans",
                                         "resource_spans_",
                                         "r",
                                         ""};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(json_walk_is_member(text_of(others[i]), "resourceSpans"));
    assert_true(json_walk_is_member(text_of("resourceSpans"), "resourceSpans"));
    assert_true(json_walk_is_member(text_of("resource_spans"), "resourceSpans"));
    assert_true(json_walk_is_member(text_of("\\u0072esource\\u005fspans"), "resourceSpans"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_below_their_heads),
        cmocka_unit_test(logs_and_metrics),
        cmocka_unit_test(a_list_in_both_forms),
        cmocka_unit_test(other_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
