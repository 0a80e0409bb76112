/*
 * Goal: a record in whichever legal form comes out as one plain object, and a condition holds for
 * it exactly where a reader of both would say so.
 */
#include "cli/expect_match.h"
#include "cli/record_json.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN_MAX = 65536 };

static struct spool_lines batch;
static struct record_json json;
static char plain[PLAIN_MAX];

static void take(void *context, struct text record)
{
    const size_t used = strlen(plain);

    (void)context;
    assert_true(used + record.len + 2 < sizeof(plain));
    memcpy(plain + used, record.at, record.len);
    (void)strcpy(plain + used + record.len, "\n");
}

/* The plain forms of all records of a line, a line each. */
static const char *plain_of(enum spool_signal signal, const char *line)
{
    plain[0] = '\0';
    spool_lines_split(&batch, signal, line, strlen(line), 0, true);
    for (size_t i = 0; i < batch.count; i++) {
        assert_int_equal(batch.items[i].kind, SPOOL_LINE_RECORD);
        assert_true(record_json_each(&json, signal, &batch, line, i, take, NULL));
    }
    return plain;
}

static void test_spans(void **state)
{
    (void)state;
    assert_string_equal(
        plain_of(
            SPOOL_TRACES,
            "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
            "\"value\":{\"stringValue\":\"shop\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"s\"},"
            "\"spans\":[{\"traceId\":\"AABBCCDDEEFF00112233445566778899\",\"spanId\":"
            "\"0011223344556677\",\"parentSpanId\":\"\",\"name\":\"a\",\"kind\":2,"
            "\"startTimeUnixNano\":\"1500000000\",\"endTimeUnixNano\":1502500000,\"attributes\":["
            "{\"key\":\"i\",\"value\":{\"intValue\":\"200\"}},{\"key\":\"d\",\"value\":{"
            "\"doubleValue\":2.50}},{\"key\":\"b\",\"value\":{\"boolValue\":true}},{\"key\":\"l\","
            "\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"x\"},{\"intValue\":1}]}}}],"
            "\"events\":[{\"timeUnixNano\":\"1\",\"name\":\"e\"}],\"links\":[{\"traceId\":\"ab\"}],"
            "\"status\":{\"code\":2,\"message\":\"m\"}},{\"name\":\"second\"}]}]}]}"),
        "{\"name\":\"a\",\"kind\":\"server\",\"trace_id\":\"aabbccddeeff00112233445566778899\","
        "\"span_id\":\"0011223344556677\",\"start\":\"1970-01-01T00:00:01.500Z\","
        "\"duration_ms\":2.5,\"status\":\"error\",\"status_message\":\"m\",\"attributes\":{"
        "\"i\":200,\"d\":2.5,\"b\":true,\"l\":[\"x\",1]},\"events\":[{\"name\":\"e\",\"time\":"
        "\"1970-01-01T00:00:00.000Z\",\"attributes\":{}}],\"links\":[{\"trace_id\":\"ab\","
        "\"attributes\":{}}],\"scope\":\"s\",\"resource\":{\"service.name\":\"shop\"}}\n"
        "{\"name\":\"second\",\"start\":\"1970-01-01T00:00:00.000Z\",\"duration_ms\":0.0,"
        "\"status\":\"unset\",\"attributes\":{},\"scope\":\"s\",\"resource\":{\"service.name\":"
        "\"shop\"}}\n");
}

/* As the .proto files name the members, enums by name, numbers as text, escapes in names. */
static void test_other_forms(void **state)
{
    (void)state;
    assert_string_equal(
        plain_of(SPOOL_TRACES,
                 " { \"resourceSpans\" : [ { \"scopeSpans\" : [ { \"spans\" : [ { \"n\\u0061me\" : "
                 "\"\\u0061\\/\\n\" , \"trace_id\" : \"AB\", \"kind\": \"SPAN_KIND_CLIENT\", "
                 "\"start_time_unix_nano\": 1e9, \"status\": {\"code\": \"STATUS_CODE_OK\"}, "
                 "\"attributes\": [ {\"key\": \"k\", \"value\": {\"kvlist_value\": {\"values\": [ "
                 "{\"key\": \"n\", \"value\": {\"double_value\": \"NaN\"}}, {\"key\": \"z\", "
                 "\"value\": {}}]}}}, {\"key\":\"w\",\"value\":{\"int_value\": 2e2}}], "
                 "\"unknown\": null } ] } ], \"resource\": null } ] } "),
        "{\"name\":\"a/\\n\",\"kind\":\"client\",\"trace_id\":\"ab\",\"start\":"
        "\"1970-01-01T00:00:01.000Z\",\"duration_ms\":0.0,\"status\":\"ok\",\"attributes\":{"
        "\"k\":{\"n\":\"NaN\",\"z\":null},\"w\":200},\"resource\":{}}\n");
    /* An element that can't be taken apart. */
    assert_string_equal(
        plain_of(SPOOL_TRACES,
                 "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"r\",\"value\":{"
                 "\"intValue\":1}}]},\"scopeSpans\":[],\"scopeSpans\":[{\"scope\":{\"name\":\"s\"},"
                 "\"spans\":[{\"name\":\"a\"}]}]}]}"),
        "{\"name\":\"a\",\"start\":\"1970-01-01T00:00:00.000Z\",\"duration_ms\":0.0,"
        "\"status\":\"unset\",\"attributes\":{},\"scope\":\"s\",\"resource\":{\"r\":1}}\n");
}

static void test_log_records(void **state)
{
    static const char own[] = "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"levelname\":\"INFO\","
                              "\"message\":\"m\\u00e9\",\"n\":1.50}";

    (void)state;
    assert_memory_equal(plain_of(SPOOL_LOGS, own), own, sizeof(own) - 1);
    assert_string_equal(
        plain_of(SPOOL_LOGS,
                 "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                 "\"value\":{\"stringValue\":\"shop\"}}]},\"scopeLogs\":[{\"scope\":{\"name\":"
                 "\"shop.cart\"},\"logRecords\":[{\"observedTimeUnixNano\":\"1000000000\","
                 "\"severityNumber\":14,\"severityText\":\"odd\",\"body\":{\"stringValue\":"
                 "\"full\"},\"traceId\":\"ab\",\"attributes\":[{\"key\":\"items\",\"value\":{"
                 "\"intValue\":\"3\"}}]},{\"severityText\":\"warn\",\"body\":{\"intValue\":1}}]}]}]"
                 "}"),
        "{\"asctime\":\"1970-01-01T00:00:01.000Z\",\"levelname\":\"WARNING\",\"name\":"
        "\"shop.cart\",\"message\":\"full\",\"trace_id\":\"ab\",\"items\":3,\"resource\":{"
        "\"service.name\":\"shop\"}}\n"
        "{\"asctime\":\"1970-01-01T00:00:00.000Z\",\"levelname\":\"warn\",\"name\":\"shop.cart\","
        "\"message\":1,\"resource\":{\"service.name\":\"shop\"}}\n");
}

static bool equal(const char *typed, const char *value)
{
    return expect_match_equal(typed, text_of(value));
}

static void test_values(void **state)
{
    (void)state;
    assert_true(equal("200", "200") && equal("200", "200.0") && equal("200", "2e2"));
    assert_true(equal("200", "\"200\"") && equal("2.5", "2.50") && equal("-1", "-1"));
    assert_false(equal("200", "\"200.0\"") || equal("200", "201") || equal("", "0"));
    assert_false(equal("200x", "200") || equal("0x10", "16") || equal("nan", "\"NaN\""));
    /* Both would be the same double. */
    assert_false(equal("9007199254740993", "9007199254740992"));
    assert_true(equal("true", "true") && equal("null", "null") && equal("true", "\"true\""));
    assert_false(equal("true", "false") || equal("1", "true") || equal("TRUE", "true"));
    assert_true(equal("a\"b", "\"a\\\"b\"") && equal("\xc3\xa9", "\"\\u00e9\"") &&
                equal("", "\"\""));
    assert_true(equal("[\"a\", 1.0]", "[\"\\u0061\",1]") && equal("{\"a\" : []}", "{\"a\":[]}"));
    assert_false(equal("[\"a\"", "[\"a\"]") || equal("[1]", "[2]") || equal("a", "[\"a\"]"));
    assert_false(equal("x", "") || expect_match_equal("x", (struct text){NULL, 0}));
}

static const char span[] =
    "{\"name\":\"a\",\"trace_id\":\"aabbccddeeff00112233445566778899\",\"attributes\":{\"n\":1,"
    "\"microtrace.request_id\":\"r1\"},\"resource\":{\"service.name\":\"shop\",\"n\":2}}";

static bool meets(struct expect_condition condition, const char *record)
{
    static struct expect_match match;

    match.count = match.learned = 0;
    assert_int_equal(expect_match_add(&match, condition), 0);
    return expect_match_all(&match, expect_match_met(&match, text_of(record)));
}

static void test_conditions(void **state)
{
    static const char log[] = "{\"levelname\":\"warn\",\"message\":\"m\",\"k\":\"v\",\"resource\":{"
                              "\"service.name\":\"shop\"}}";

    (void)state;
    assert_true(meets((struct expect_condition){EXPECT_MATCH_MEMBER, "", "name", "a"}, span));
    assert_false(meets((struct expect_condition){EXPECT_MATCH_MEMBER, "", "name", "b"}, span));
    assert_true(meets((struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "", "n", "1"}, span));
    assert_false(meets((struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "", "n", "2"}, span));
    assert_true(
        meets((struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "", "service.name", "shop"}, span));
    assert_false(meets((struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "", "name", "a"}, span));
    assert_true(meets(
        (struct expect_condition){EXPECT_MATCH_REQUEST, "", "microtrace.request_id", "r1"}, span));
    assert_true(
        meets((struct expect_condition){EXPECT_MATCH_LEVEL, "", "levelname", "WARNING"}, log));
    assert_false(
        meets((struct expect_condition){EXPECT_MATCH_LEVEL, "", "levelname", "ERROR"}, log));
    assert_true(meets((struct expect_condition){EXPECT_MATCH_FIELD, "", "k", "v"}, log));
    assert_true(
        meets((struct expect_condition){EXPECT_MATCH_FIELD, "", "service.name", "shop"}, log));
}

/* The spans of a request's trace belong to it once one of them has told the trace. */
static void test_a_request_is_learned(void **state)
{
    static const char child[] =
        "{\"name\":\"b\",\"trace_id\":\"aabbccddeeff00112233445566778899\",\"attributes\":{}}";
    static struct expect_match match;

    (void)state;
    assert_int_equal(
        expect_match_add(&match, (struct expect_condition){EXPECT_MATCH_REQUEST, "request",
                                                           "microtrace.request_id", "r1"}),
        0);
    assert_false(expect_match_learn(&match, text_of(child)));
    assert_int_equal(expect_match_met(&match, text_of(child)), 0);
    assert_true(expect_match_learn(&match, text_of(span)));
    assert_false(expect_match_learn(&match, text_of(span)));
    assert_int_equal(expect_match_met(&match, text_of(child)), 1);
}

static void test_what_a_record_must_hold(void **state)
{
    static const char *const none[] = {"",   "200",      "2.5",  "-1",  "[1]",
                                       "{}", "\xc3\xa9", "a\"b", "a\nb"};
    static struct expect_match match;

    (void)state;
    assert_null(expect_match_probe(&match));
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        match.count = 0;
        (void)expect_match_add(
            &match, (struct expect_condition){EXPECT_MATCH_MEMBER, "", "message", none[i]});
        assert_null(expect_match_probe(&match));
    }
    /* A status and an id may stand there otherwise, an attribute in the resource. */
    match.count = 0;
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_MEMBER, "", "status", "error"});
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_MEMBER, "", "trace_id", "ab"});
    (void)expect_match_add(&match, (struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "", "k", "v"});
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_LEVEL, "", "levelname", "INFO"});
    assert_null(expect_match_probe(&match));
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_MEMBER, "", "name", "GET /a"});
    assert_string_equal(expect_match_probe(&match), "GET /a");
    (void)expect_match_add(
        &match, (struct expect_condition){EXPECT_MATCH_REQUEST, "", "microtrace.request_id", "r"});
    assert_null(expect_match_probe(&match));
}

static void test_explanation(void **state)
{
    static struct expect_match match;
    char *text = NULL;
    size_t len;
    FILE *const to = open_memstream(&text, &len);

    (void)state;
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_MEMBER, "name", "name", "a"});
    (void)expect_match_add(
        &match, (struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "attr n", "n", "\033[2J"});
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "attr x", "x", "y"});
    expect_match_explain(to, &match, text_of(span));
    assert_int_equal(fclose(to), 0);
    assert_string_equal(text, "  name: a, as expected\n"
                              "  attr n: expected \\u001b[2J, it is 1\n"
                              "  attr x: expected y, there is none\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_log_records),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_a_request_is_learned),
        cmocka_unit_test(test_what_a_record_must_hold),
        cmocka_unit_test(test_explanation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
