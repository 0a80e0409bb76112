/*
 * Goal: every form that the JSON mapping has for a value gives the same bytes as the plain one, and
 * what is none of them is refused with its member and the reason, never sent as something else.
 */
#include "metrics-agent/export/otlp_protobuf.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define SPAN(member)  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" member "}]}]}]}"
#define VALUE(member) SPAN("\"attributes\":[{\"value\":{" member "}}]")
#define POINT(kind, member)                                                                        \
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"" kind "\":{\"dataPoints\":[{"      \
    "" member "}]}}]}]}]}"

struct bytes {
    unsigned char at[4096];
    size_t len;
};

static struct otlp_fault fault;

static const struct otlp_message *request_of(const char *json)
{
    return strstr(json, "resourceMetrics") != NULL ? otlp_schema_request(SPOOL_METRICS)
                                                   : otlp_schema_request(SPOOL_TRACES);
}

static int encode(struct bytes *bytes, const char *json)
{
    return otlp_protobuf_encode(bytes->at, sizeof bytes->at, &bytes->len, request_of(json),
                                text_of(json), &fault);
}

struct pair {
    const char *json, *plain;
};

static void expect_same(const struct pair *pairs, size_t count)
{
    struct bytes got, wanted;

    for (size_t i = 0; i < count; i++) {
        if (encode(&got, pairs[i].json) != 0)
            fail_msg("%s: %s: %s", pairs[i].json, fault.member, fault.what);
        assert_int_equal(encode(&wanted, pairs[i].plain), 0);
        if (got.len != wanted.len || memcmp(got.at, wanted.at, got.len) != 0)
            fail_msg("not the same: %s", pairs[i].json);
    }
}

#define EXPECT_SAME(pairs) expect_same(pairs, sizeof(pairs) / sizeof((pairs)[0]))

struct refusal {
    const char *json, *member, *what;
};

static void expect_refused(const struct refusal *refusals, size_t count)
{
    struct bytes got;

    for (size_t i = 0; i < count; i++) {
        if (encode(&got, refusals[i].json) == 0)
            fail_msg("taken for a request: %s", refusals[i].json);
        if (strcmp(fault.member, refusals[i].member) != 0 ||
            strcmp(fault.what, refusals[i].what) != 0)
            fail_msg("%s: %s: %s", refusals[i].json, fault.member, fault.what);
    }
}

#define EXPECT_REFUSED(refusals) expect_refused(refusals, sizeof(refusals) / sizeof((refusals)[0]))

static void whole_numbers(void **state)
{
    static const struct pair pairs[] = {
        {VALUE("\"intValue\":1e3"), VALUE("\"intValue\":1000")},
        {VALUE("\"intValue\":\"1e3\""), VALUE("\"intValue\":1000")},
        {VALUE("\"intValue\":\"1000\""), VALUE("\"intValue\":1000")},
        {VALUE("\"intValue\":1.0"), VALUE("\"intValue\":1")},
        {VALUE("\"intValue\":-1.50E+1"), VALUE("\"intValue\":-15")},
        {VALUE("\"intValue\":1200e-2"), VALUE("\"intValue\":12")},
        {VALUE("\"intValue\":1000000000000000000000e-21"), VALUE("\"intValue\":1")},
        {VALUE("\"intValue\":-0"), VALUE("\"intValue\":0")},
        {VALUE("\"intValue\":0.000e-99999999999999999999"), VALUE("\"intValue\":0")},
        {VALUE("\"intValue\":0e99999999999999999999"), VALUE("\"intValue\":0")},
        {VALUE("\"intValue\":\"007\""), VALUE("\"intValue\":7")},
        {VALUE("\"intValue\":\"\\u0031\\u0065\\u0033\""), VALUE("\"intValue\":1000")},
        {VALUE("\"intValue\":9.223372036854775807e18"), VALUE("\"intValue\":9223372036854775807")},
        {VALUE("\"intValue\":-9223372036854775808.000"),
         VALUE("\"intValue\":\"-9223372036854775808\"")},
        {SPAN("\"startTimeUnixNano\":1.8446744073709551615e19"),
         SPAN("\"startTimeUnixNano\":\"18446744073709551615\"")},
        {SPAN("\"startTimeUnixNano\":1735905601234000000.0"),
         SPAN("\"startTimeUnixNano\":\"1735905601234000000\"")},
        {SPAN("\"flags\":\"4294967295\",\"droppedEventsCount\":4.294967295e9"),
         SPAN("\"flags\":4294967295,\"droppedEventsCount\":4294967295")},
        {SPAN("\"kind\":\"2\",\"status\":{\"code\":2.0}"),
         SPAN("\"kind\":2,\"status\":{\"code\":2}")},
        {POINT("sum", "\"asInt\":\"-1\",\"count\":5"), POINT("sum", "\"asInt\":-1")},
        {POINT("histogram", "\"bucketCounts\":[1,\"2\",3.0]"),
         POINT("histogram", "\"bucketCounts\":[\"1\",\"2\",\"3\"]")},
        {POINT("exponentialHistogram", "\"scale\":\"-2e0\""),
         POINT("exponentialHistogram", "\"scale\":-2")},
    };
    static const struct refusal refusals[] = {
        {VALUE("\"intValue\":1.5"), "intValue", "not a whole number"},
        {VALUE("\"intValue\":\"15e-1\""), "intValue", "not a whole number"},
        {VALUE("\"intValue\":1e-99999999999999999999"), "intValue", "not a whole number"},
        {VALUE("\"intValue\":1e99999999999999999999"), "intValue", "a number out of range"},
        {VALUE("\"intValue\":1e19"), "intValue", "a number out of range"},
        {VALUE("\"intValue\":\"9223372036854775808\""), "intValue", "a number out of range"},
        {VALUE("\"intValue\":\"-9223372036854775809\""), "intValue", "a number out of range"},
        {VALUE("\"intValue\":18446744073709551616"), "intValue", "a number out of range"},
        {VALUE("\"intValue\":007"), "intValue", "not a number"},
        {VALUE("\"intValue\":-"), "intValue", "not a number"},
        {VALUE("\"intValue\":+1"), "intValue", "not a number"},
        {VALUE("\"intValue\":true"), "intValue", "not a number"},
        {VALUE("\"intValue\":\"\""), "intValue", "not a whole number"},
        {VALUE("\"intValue\":\" 1\""), "intValue", "not a whole number"},
        {VALUE("\"intValue\":\"--1\""), "intValue", "not a whole number"},
        {VALUE("\"intValue\":\"0x10\""), "intValue", "not a whole number"},
        {VALUE("\"intValue\":\"1\\u0000\""), "intValue", "not a whole number"},
        {SPAN("\"startTimeUnixNano\":\"18446744073709551616\""), "startTimeUnixNano",
         "a number out of range"},
        {SPAN("\"startTimeUnixNano\":\"-1\""), "startTimeUnixNano", "a number out of range"},
        {SPAN("\"flags\":4294967296"), "flags", "a number out of range"},
        {SPAN("\"droppedLinksCount\":-1"), "droppedLinksCount", "a number out of range"},
        {POINT("sum", "\"asInt\":\"9223372036854775808\""), "asInt", "a number out of range"},
        {POINT("exponentialHistogram", "\"scale\":2147483648"), "scale", "a number out of range"},
        {POINT("histogram", "\"bucketCounts\":[-1]"), "bucketCounts", "a number out of range"},
    };

    (void)state;
    EXPECT_SAME(pairs);
    EXPECT_REFUSED(refusals);
}

static void doubles(void **state)
{
    static const struct pair pairs[] = {
        {VALUE("\"doubleValue\":\"10.5\""), VALUE("\"doubleValue\":10.5")},
        {VALUE("\"doubleValue\":\"1\\u002e5\""), VALUE("\"doubleValue\":1.5")},
        {VALUE("\"doubleValue\":\"N\\u0061N\""), VALUE("\"doubleValue\":\"NaN\"")},
        {VALUE("\"doubleValue\":1E3"), VALUE("\"doubleValue\":1000")},
        {VALUE("\"doubleValue\":1e-400"), VALUE("\"doubleValue\":0")},
        {POINT("histogram", "\"explicitBounds\":[\"Infinity\",1,\"2.5\"]"),
         POINT("histogram", "\"explicitBounds\":[\"Infinity\",1.0,2.5]")},
    };
    static const struct refusal refusals[] = {
        {VALUE("\"doubleValue\":1e309"), "doubleValue", "a number out of range"},
        {VALUE("\"doubleValue\":\"-1e309\""), "doubleValue", "a number out of range"},
        {VALUE("\"doubleValue\":\"\""), "doubleValue", "not a number"},
        {VALUE("\"doubleValue\":\"inf\""), "doubleValue", "not a number"},
        {VALUE("\"doubleValue\":\"0x10\""), "doubleValue", "not a number"},
        {VALUE("\"doubleValue\":NaN"), "doubleValue", "not a number"},
        {VALUE("\"doubleValue\":1e"), "doubleValue", "not a number"},
        {VALUE("\"doubleValue\":1."), "doubleValue", "not a number"},
        {VALUE("\"doubleValue\":false"), "doubleValue", "not a number"},
        {POINT("histogram", "\"explicitBounds\":[1,null]"), "explicitBounds", "not a number"},
    };

    (void)state;
    EXPECT_SAME(pairs);
    EXPECT_REFUSED(refusals);
}

static void strings_ids_and_bytes(void **state)
{
    static const struct pair pairs[] = {
        {SPAN("\"name\":\"\\u0061\\/\\ud83d\\ude00\""), SPAN("\"name\":\"a/\xf0\x9f\x98\x80\"")},
        {SPAN("\"spanId\":\"0A1B\""), SPAN("\"spanId\":\"0a1b\"")},
        {SPAN("\"spanId\":\"0\\u0061\\u0031b\""), SPAN("\"spanId\":\"0a1b\"")},
        {VALUE("\"bytesValue\":\"+\\/\\/+\""), VALUE("\"bytesValue\":\"+//+\"")},
        {VALUE("\"bytesValue\":\"-__-\""), VALUE("\"bytesValue\":\"+//+\"")},
        {VALUE("\"bytesValue\":\"AQ\""), VALUE("\"bytesValue\":\"AQ==\"")},
        {VALUE("\"bytesValue\":\"AQI\""), VALUE("\"bytesValue\":\"AQI=\"")},
        {POINT("gauge", "\"exemplars\":[{\"traceId\":\"0A\",\"spanId\":\"0B\"}]"),
         POINT("gauge", "\"exemplars\":[{\"traceId\":\"0a\",\"spanId\":\"0b\"}]")},
    };
    static const struct refusal refusals[] = {
        {SPAN("\"traceId\":\"0\""), "traceId", "not hexadecimal"},
        {SPAN("\"traceId\":\"0g\""), "traceId", "not hexadecimal"},
        {SPAN("\"traceId\":\"0000\\u0000\""), "traceId", "not hexadecimal"},
        /* What a protobuf library's own printer makes of an id. */
        {SPAN("\"spanId\":\"t61rcWkgMzE=\""), "spanId", "not hexadecimal"},
        {SPAN("\"traceId\":12"), "traceId", "not a string"},
        {SPAN("\"name\":5"), "name", "not a string"},
        {SPAN("\"name\":[\"a\"]"), "name", "not a string"},
        {SPAN("\"name\":\"\\x\""), "name", "invalid escape"},
        {SPAN("\"name\":\"\\u12\""), "name", "invalid escape"},
        {SPAN("\"name\":\"\xff\""), "name", "invalid JSON"},
        {VALUE("\"bytesValue\":\"a b=\""), "bytesValue", "not base64"},
        {VALUE("\"bytesValue\":\"A\""), "bytesValue", "not base64"},
        {VALUE("\"bytesValue\":\"AQ=\""), "bytesValue", "not base64"},
        {VALUE("\"bytesValue\":\"AQI==\""), "bytesValue", "not base64"},
        {VALUE("\"bytesValue\":\"AQID====\""), "bytesValue", "not base64"},
        {VALUE("\"bytesValue\":\"AQ==AQ==\""), "bytesValue", "not base64"},
        {VALUE("\"boolValue\":\"true\""), "boolValue", "neither true nor false"},
        {VALUE("\"boolValue\":1"), "boolValue", "neither true nor false"},
    };

    (void)state;
    EXPECT_SAME(pairs);
    EXPECT_REFUSED(refusals);
}

static void enums(void **state)
{
    static const struct pair pairs[] = {
        {SPAN("\"kind\":\"SPAN_KIND_CONSUMER\",\"status\":{\"code\":\"STATUS_CODE_ERROR\"}"),
         SPAN("\"kind\":5,\"status\":{\"code\":2}")},
        {SPAN("\"kind\":\"SPAN\\u005fKIND_UNSPECIFIED\""), SPAN("\"kind\":0")},
        {"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"sum\":{\"aggregationTemporali"
         "ty\":\"AGGREGATION_TEMPORALITY_CUMULATIVE\"}}]}]}]}",
         "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"sum\":{\"aggregationTemporali"
         "ty\":2}}]}]}]}"},
    };
    static const struct refusal refusals[] = {
        {SPAN("\"kind\":\"SERVER\""), "kind", "not a whole number"},
        {SPAN("\"kind\":2147483648"), "kind", "a number out of range"},
        {SPAN("\"kind\":-2147483649"), "kind", "a number out of range"},
    };
    struct bytes got;

    (void)state;
    EXPECT_SAME(pairs);
    EXPECT_REFUSED(refusals);
    /* A newer value, and one of the sign that an open enum may have. */
    assert_int_equal(encode(&got, SPAN("\"kind\":77")), 0);
    assert_memory_equal(got.at + got.len - 2, "\x30\x4d", 2);
    assert_int_equal(encode(&got, SPAN("\"kind\":-1")), 0);
    assert_memory_equal(got.at + got.len - 11, "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
}

static void names(void **state)
{
    static const struct pair pairs[] = {
        {"{\"resource_spans\":[{\"scope_spans\":[{\"spans\":[{\"trace_id\":\"0a\",\"start_time_unix"
         "_nano\":\"1\",\"dropped_attributes_count\":1}],\"schema_url\":\"s\"}]}]}",
         "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0a\",\"startTimeUnixNano"
         "\":\"1\",\"droppedAttributesCount\":1}],\"schemaUrl\":\"s\"}]}]}"},
        {SPAN("\"n\\u0061me\":\"x\",\"span\\u005fid\":\"0a\",\"\\u006bind\":2"),
         SPAN("\"name\":\"x\",\"spanId\":\"0a\",\"kind\":2")},
        /* Other names are none of ours. */
        {SPAN("\"Name\":\"x\",\"span_Id\":\"0a\",\"_kind\":2,\"kind_\":2,\"dropped__links_count\":"
              "1,\"droppedLinks_count\":1,\"SPAN_ID\":\"0a\",\"\":1,\"\\u0000\":1,\"name\\u0000\":"
              "\"x\",\"\\ud800\":[],\"dropped_attributes_count_of_a_name_that_is_long\":1"),
         SPAN("")},
        {" { \"resourceSpans\"\t:\r[ { \"scopeSpans\" : [ { \"spans\" : [ { \"kind\" : 2 , "
         "\"events\" : [ { } , { \"timeUnixNano\" : \"1\" } ] } ] } ] } ] } ",
         SPAN("\"kind\":2,\"events\":[{},{\"timeUnixNano\":\"1\"}]")},
    };
    static const struct refusal refusals[] = {
        {SPAN("\"x\\y\":1"), "", "invalid escape"},
        {SPAN("\"x\":[1,]"), "", "a value is expected"},
        {SPAN("\"x\":tru"), "", "unexpected end"},
        {SPAN("\"kind\" 2"), "spans", "invalid JSON"},
    };

    (void)state;
    EXPECT_SAME(pairs);
    EXPECT_REFUSED(refusals);
}

static void absence(void **state)
{
    static const struct pair pairs[] = {
        {SPAN("\"name\":null,\"kind\":null,\"events\":null,\"status\":null,\"spanId\":null,"
              "\"startTimeUnixNano\":null"),
         SPAN("")},
        {VALUE("\"stringValue\":null,\"intValue\":1,\"kvlistValue\":null"),
         VALUE("\"intValue\":1")},
        {POINT("histogram", "\"sum\":null,\"bucketCounts\":[],\"explicitBounds\":null"),
         POINT("histogram", "")},
    };
    struct bytes zero, none;

    (void)state;
    EXPECT_SAME(pairs);
    /* Fields that are present or not beyond their value. */
    assert_int_equal(encode(&zero, POINT("histogram", "\"sum\":0")), 0);
    assert_int_equal(encode(&none, POINT("histogram", "")), 0);
    assert_int_equal(zero.len, none.len + 9);
    assert_int_equal(encode(&zero, SPAN("\"status\":{}")), 0);
    assert_int_equal(encode(&none, SPAN("")), 0);
    assert_int_equal(zero.len, none.len + 2);
}

static void two_of_what_there_can_be_one(void **state)
{
    static const struct refusal refusals[] = {
        {SPAN("\"name\":\"a\",\"name\":\"b\""), "name", "twice in an object"},
        {SPAN("\"name\":\"a\",\"n\\u0061me\":\"b\""), "name", "twice in an object"},
        {SPAN("\"spanId\":\"0a\",\"span_id\":\"0a\""), "spanId", "twice in an object"},
        {SPAN("\"events\":[],\"events\":[{}]"), "events", "twice in an object"},
        {"{\"resourceSpans\":[],\"resourceSpans\":[]}", "resourceSpans", "twice in an object"},
        {VALUE("\"stringValue\":\"a\",\"intValue\":1"), "intValue",
         "a second value where one can be"},
        {VALUE("\"arrayValue\":{},\"kvlistValue\":{}"), "kvlistValue",
         "a second value where one can be"},
        {POINT("gauge", "\"asInt\":1,\"asDouble\":1"), "asDouble",
         "a second value where one can be"},
        {"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"sum\":{},\"gauge\":{}}]}]}]}",
         "gauge", "a second value where one can be"},
        {"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"summary\":{},\"histogram\":{}}]"
         "}]}]}",
         "histogram", "a second value where one can be"},
        {VALUE("\"stringValueStrindex\":1,\"boolValue\":true"), "boolValue",
         "a second value where one can be"},
    };

    (void)state;
    EXPECT_REFUSED(refusals);
}

/* Fields that only profiles have a use for: what a writer gave is not left out. */
static void string_indices(void **state)
{
    struct bytes got;

    (void)state;
    assert_int_equal(encode(&got, VALUE("\"stringValueStrindex\":5")), 0);
    assert_memory_equal(got.at + got.len - 2, "\x40\x05", 2);
    assert_int_equal(encode(&got, SPAN("\"attributes\":[{\"keyStrindex\":6}]")), 0);
    assert_memory_equal(got.at + got.len - 2, "\x18\x06", 2);
}

static void other_shapes(void **state)
{
    static const struct refusal refusals[] = {
        {"", "", "not an object"},
        {"{", "", "invalid JSON"},
        {"[]", "", "not an object"},
        {"{}x", "", "invalid JSON"},
        {"{}{}", "", "invalid JSON"},
        {"{\"resourceSpans\":[]}x", "", "invalid JSON"},
        {"{\"resourceSpans\"}", "", "invalid JSON"},
        {"{\"resourceSpans\":}", "resourceSpans", "not a list"},
        {"{\"resourceSpans\":{}}", "resourceSpans", "not a list"},
        {"{\"resourceSpans\":\"\"}", "resourceSpans", "not a list"},
        {"{\"resourceSpans\":[{]}", "resourceSpans", "invalid JSON"},
        {"{\"resourceSpans\":[{},]}", "resourceSpans", "not an object"},
        {"{\"resourceSpans\":[{}]", "resourceSpans", "invalid JSON"},
        {"{\"resourceSpans\":[{}}", "resourceSpans", "invalid JSON"},
        {"{\"resourceSpans\":[1]}", "resourceSpans", "not an object"},
        {"{\"resourceSpans\":[null]}", "resourceSpans", "not an object"},
        {"{\"resourceSpans\":[[]]}", "resourceSpans", "not an object"},
        {"{\"resourceSpans\":nul}", "resourceSpans", "invalid JSON"},
        {"{\"resourceSpans\":[{\"resource\":\"x\"}]}", "resource", "not an object"},
        {"{\"resourceSpans\":[{\"resource\":[]}]}", "resource", "not an object"},
        {"{resourceSpans:[]}", "", "invalid JSON"},
        {VALUE("\"arrayValue\":{\"values\":[null]}"), "values", "not an object"},
        {VALUE("\"arrayValue\":[]"), "arrayValue", "not an object"},
        {POINT("histogram", "\"bucketCounts\":[[1]]"), "bucketCounts", "not a number"},
        {POINT("histogram", "\"bucketCounts\":1"), "bucketCounts", "not a list"},
    };

    (void)state;
    EXPECT_REFUSED(refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(doubles),
        cmocka_unit_test(strings_ids_and_bytes),
        cmocka_unit_test(enums),
        cmocka_unit_test(names),
        cmocka_unit_test(absence),
        cmocka_unit_test(two_of_what_there_can_be_one),
        cmocka_unit_test(string_indices),
        cmocka_unit_test(other_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
