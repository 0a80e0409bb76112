/*
 * Goal: a request in protobuf is byte for byte what the official classes make of the same content,
 * for every field and type that OTLP has; and the answer's rejected records are read from any bytes
 * at all. The forms that a value can have are in test_otlp_forms.c.
 */
#include "metrics-agent/export/otlp_protobuf.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACES  otlp_schema_request(SPOOL_TRACES)
#define LOGS    otlp_schema_request(SPOOL_LOGS)
#define METRICS otlp_schema_request(SPOOL_METRICS)

static const char trace_json[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
    "\"stringValue\":\"m\\u00fc \\ud83d\\ude00\\n\\\"\\\\\\/\\b\\f\\r\\t\"}}],\"droppedAttrib"
    "utesCount\":3,\"entityRefs\":[{\"schemaUrl\":\"u\",\"type\":\"t\",\"idKeys\":[\"a\",\"b"
    "\"],\"descriptionKeys\":[\"c\"]}]},\"scopeSpans\":[{\"scope\":{\"name\":\"microtrace\","
    "\"version\":\"0.1.0\",\"attributes\":[{\"key\":\"k\",\"value\":{\"boolValue\":false}}],"
    "\"droppedAttributesCount\":4294967295},\"spans\":[{\"traceId\":\"0af7651916cd43dd8448eb2"
    "11c80319c\",\"spanId\":\"B7AD6B7169203331\",\"traceState\":\"a=b\",\"parentSpanId\":\"00"
    "f067aa0ba902b7\",\"name\":\"POST /analyze\",\"kind\":2,\"startTimeUnixNano\":\"173590560"
    "1234000000\",\"endTimeUnixNano\":18446744073709551615,\"attributes\":[{\"key\":\"i\",\"v"
    "alue\":{\"intValue\":\"-9223372036854775808\"}},{\"key\":\"j\",\"value\":{\"intValue\":9"
    "223372036854775807}},{\"key\":\"d\",\"value\":{\"doubleValue\":-0.0}},{\"key\":\"e\",\"v"
    "alue\":{\"doubleValue\":1e300}},{\"key\":\"n\",\"value\":{\"doubleValue\":\"NaN\"}},{\"k"
    "ey\":\"p\",\"value\":{\"doubleValue\":\"-Infinity\"}},{\"key\":\"l\",\"value\":{\"arrayV"
    "alue\":{\"values\":[{\"stringValue\":\"\"},{\"boolValue\":true},{}]}}},{\"key\":\"m\",\""
    "value\":{\"kvlistValue\":{\"values\":[{\"key\":\"x\",\"value\":{\"intValue\":\"0\"}}]}}}"
    ",{\"key\":\"b\",\"value\":{\"bytesValue\":\"AQIDBA==\"}}],\"droppedAttributesCount\":1,"
    "\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"e\",\"attributes\":[{\"key\":\"k\",\"valu"
    "e\":{\"stringValue\":\"v\"}}],\"droppedAttributesCount\":2}],\"droppedEventsCount\":7,\""
    "links\":[{\"traceId\":\"00000000000000000000000000000001\",\"spanId\":\"0000000000000002"
    "\",\"traceState\":\"s\",\"attributes\":[],\"droppedAttributesCount\":9,\"flags\":257}],"
    "\"droppedLinksCount\":8,\"status\":{\"message\":\"bad\",\"code\":2},\"flags\":769}],\"sc"
    "hemaUrl\":\"https://s\"}],\"schemaUrl\":\"https://r\"}]}";

/* By the Python classes of opentelemetry-proto 1.45. */
static const char trace_hex[] =
    "0ab3030a370a220a0c736572766963652e6e616d6512120a106dc3bc20f09f98800a225c2f080c0d0910031a"
    "0f0a01751201741a01611a016222016312ec020a220a0a6d6963726f74726163651205302e312e301a070a01"
    "6b1202100020ffffffff0f12ba020a100af7651916cd43dd8448eb211c80319c1208b7ad6b71692033311a03"
    "613d62220800f067aa0ba902b72a0d504f5354202f616e616c797a6530023980d82975f22c171841ffffffff"
    "ffffffff4a100a0169120b18808080808080808080014a0f0a016a120a18ffffffffffffffff7f4a0e0a0164"
    "12092100000000000000804a0e0a01651209219c7500883ce4377e4a0e0a016e120921000000000000f87f4a"
    "0e0a0170120921000000000000f0ff4a110a016c120c2a0a0a020a000a0210010a004a100a016d120b32090a"
    "070a0178120218004a0b0a016212063a040102030450015a180905000000000000001201651a080a016b1203"
    "0a0176200260076a260a1000000000000000000000000000000001120800000000000000021a017328093501"
    "01000070087a07120362616418028501010300001a0968747470733a2f2f731a0968747470733a2f2f72";

static const char logs_json[] =
    "{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"scope\":{\"name\":\"microtrace.api"
    "\"},\"logRecords\":[{\"timeUnixNano\":\"1735905601234000000\",\"severityNumber\":13,\"se"
    "verityText\":\"WARNING\",\"body\":{\"stringValue\":\"m\"},\"attributes\":[{\"key\":\"req"
    "uest_id\",\"value\":{\"stringValue\":\"demo-123\"}}],\"droppedAttributesCount\":1,\"flag"
    "s\":1,\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\","
    "\"observedTimeUnixNano\":\"1\",\"eventName\":\"e\"}],\"schemaUrl\":\"s\"}],\"schemaUrl\""
    ":\"r\"}]}";

/* By the Python classes of opentelemetry-proto 1.45. */
static const char logs_hex[] =
    "0a80010a0012790a100a0e6d6963726f74726163652e61706912620980d82975f22c1718100d1a075741524e"
    "494e472a030a016d32180a0a726571756573745f6964120a0a0864656d6f2d313233380145010000004a100a"
    "f7651916cd43dd8448eb211c80319c5208b7ad6b71692033315901000000000000006201651a01731a0172";

static const char metrics_json[] =
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\""
    ":{\"stringValue\":\"shop\"}}]},\"scopeMetrics\":[{\"scope\":{\"name\":\"php\"},\"metrics"
    "\":[{\"name\":\"g\",\"description\":\"d\",\"unit\":\"1\",\"gauge\":{\"dataPoints\":[{\"s"
    "tartTimeUnixNano\":\"1\",\"timeUnixNano\":\"18446744073709551615\",\"asDouble\":-0.5,\"e"
    "xemplars\":[{\"timeUnixNano\":\"5\",\"spanId\":\"0001020304050607\",\"traceId\":\"000102"
    "030405060708090a0b0c0d0e0f\",\"asInt\":\"-9223372036854775808\",\"filteredAttributes\":["
    "{\"key\":\"k\",\"value\":{\"bytesValue\":\"+//+\"}}]}],\"attributes\":[{\"key\":\"k\",\""
    "value\":{\"bytesValue\":\"+//+\"}}],\"flags\":1}]}},{\"name\":\"s\",\"sum\":{\"dataPoint"
    "s\":[{\"asInt\":\"9223372036854775807\"},{\"asInt\":\"0\"}],\"aggregationTemporality\":2"
    ",\"isMonotonic\":true}},{\"name\":\"h\",\"histogram\":{\"dataPoints\":[{\"count\":\"3\","
    "\"sum\":0.0,\"bucketCounts\":[\"0\",\"18446744073709551615\",\"1\"],\"explicitBounds\":["
    "0.5,1e+300],\"min\":-1.0,\"max\":2.0}],\"aggregationTemporality\":1}},{\"name\":\"e\",\""
    "exponentialHistogram\":{\"dataPoints\":[{\"count\":\"9\",\"sum\":4.5,\"scale\":-11,\"zer"
    "oCount\":\"1\",\"positive\":{\"offset\":-2147483648,\"bucketCounts\":[\"1\",\"0\",\"1844"
    "6744073709551615\"]},\"negative\":{\"offset\":2147483647},\"flags\":4294967295,\"min\":1"
    ".0,\"max\":3.0,\"zeroThreshold\":0.001}],\"aggregationTemporality\":2}},{\"name\":\"q\","
    "\"summary\":{\"dataPoints\":[{\"count\":\"7\",\"sum\":1.5,\"quantileValues\":[{\"quantil"
    "e\":0.99,\"value\":12.0}]}]},\"metadata\":[{\"key\":\"m\",\"value\":{\"kvlistValue\":{\""
    "values\":[{\"key\":\"x\"}]}}}]}],\"schemaUrl\":\"s\"}],\"schemaUrl\":\"r\"}]}";

/* By the Python classes of opentelemetry-proto 1.45. */
static const char metrics_hex[] =
    "0abe030a180a160a0c736572766963652e6e616d6512060a0473686f70129e030a050a0370687012720a0167"
    "1201641a01312a670a6511010000000000000019ffffffffffffffff21000000000000e0bf2a3a1105000000"
    "00000000220800010203040506072a10000102030405060708090a0b0c0d0e0f3100000000000000803a0a0a"
    "016b12053a03fbfffe3a0a0a016b12053a03fbfffe4001121f0a01733a1a0a0931ffffffffffffff7f0a0931"
    "00000000000000001002180112590a01684a540a502103000000000000002900000000000000003218000000"
    "0000000000ffffffffffffffff01000000000000003a10000000000000e03f9c7500883ce4377e5900000000"
    "0000f0bf610000000000000040100112650a016552600a5c2109000000000000002900000000000012403015"
    "390100000000000000421408ffffffff0f120c0100ffffffffffffffffff014a0608feffffff0f50ffffffff"
    "0f61000000000000f03f69000000000000084071fca9f1d24d62503f1002123b0a01715a280a262107000000"
    "0000000029000000000000f83f321209ae47e17a14aeef3f110000000000002840620c0a016d120732050a03"
    "0a01781a01731a0172";

static unsigned char out[65536];
static struct otlp_fault fault;

static int encode(const struct otlp_message *request, const char *json, size_t *len)
{
    return otlp_protobuf_encode(out, sizeof out, len, request, text_of(json), &fault);
}

static void to_hex(char *hex, size_t len)
{
    for (size_t i = 0; i < len; i++)
        (void)sprintf(hex + 2 * i, "%02x", out[i]);
    hex[2 * len] = '\0';
}

static void expect_hex(const struct otlp_message *request, const char *json, const char *expected)
{
    static char hex[2 * sizeof out + 1];
    size_t len;

    assert_int_equal(encode(request, json, &len), 0);
    to_hex(hex, len);
    assert_string_equal(hex, expected);
}

static void as_the_official_classes_do(void **state)
{
    (void)state;
    expect_hex(TRACES, trace_json, trace_hex);
    expect_hex(LOGS, logs_json, logs_hex);
    expect_hex(METRICS, metrics_json, metrics_hex);
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    expect_hex(TRACES, "{\"resourceSpans\":[]}", "");
    expect_hex(LOGS, " { } ", "");
    expect_hex(LOGS, "{\"resourceLogs\":null}", "");
    expect_hex(TRACES, "{\"resourceSpans\":[ { } , { } ]}", "0a000a00");
}

/* "Receivers MUST ignore message fields with unknown names": a newer writer's are left out. */
static void unknown_members_are_left_out(void **state)
{
    (void)state;
    expect_hex(
        TRACES,
        "{\"a\":{\"b\":[1,{\"c\":\"}\"}]},\"resourceSpans\":[{\"x\":null,\"schemaUrl\":\"s\","
        "\"y\":1.5}],\"resourceLogs\":[{}]}",
        "0a031a0173");
}

/* Lengths that need two and three bytes, each within the other. */
static void long_lengths(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 119, 120, 121, 127, 128, 129, 16380, 16384, 40000};
    char *json = malloc(65536);

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t len, at = (size_t)sprintf(json, "{\"resourceSpans\":[{\"schemaUrl\":\""), head;

        memset(json + at, 'x', sizes[i]);
        (void)strcpy(json + at + sizes[i], "\"}]}");
        assert_int_equal(encode(TRACES, json, &len), 0);
        head = sizes[i] < 128 ? 2 : sizes[i] < 16384 ? 3 : 4;
        assert_int_equal(out[0], 0x0a);
        assert_true(len > sizes[i] + head && len <= sizes[i] + head + 4);
        for (size_t k = len - sizes[i]; k < len; k++)
            assert_int_equal(out[k], 'x');
    }
    free(json);
}

static void half_a_surrogate_pair_becomes_a_replacement(void **state)
{
    static const char *const halves[] = {"\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041"};
    static const char *const hex[] = {"0a051a03efbfbd", "0a051a03efbfbd", "0a061a04efbfbd78",
                                      "0a061a04efbfbd41"};
    char json[128];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(json, sizeof json, "{\"resourceLogs\":[{\"schemaUrl\":\"%s\"}]}", halves[i]);
        expect_hex(LOGS, json, hex[i]);
    }
}

/* Values within the body of a log record, which is four messages deep. */
static int encode_nested(size_t levels)
{
    static const char level[] = "{\"arrayValue\":{\"values\":[", end[] = "]}}";
    char *const json = malloc((sizeof level + sizeof end) * levels + 200);
    size_t at = (size_t)sprintf(json,
                                "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"),
           len;
    int result;

    for (size_t i = 0; i < levels; i++)
        at += (size_t)sprintf(json + at, "%s", level);
    at += (size_t)sprintf(json + at, "{}");
    for (size_t i = 0; i < levels; i++)
        at += (size_t)sprintf(json + at, "%s", end);
    (void)sprintf(json + at, "}]}]}]}");
    result = encode(LOGS, json, &len);
    free(json);
    return result;
}

static void endless_nesting(void **state)
{
    (void)state;
    assert_int_equal(encode_nested((OTLP_PROTOBUF_DEPTH_MAX - 4) / 2), 0);
    assert_int_equal(encode_nested((OTLP_PROTOBUF_DEPTH_MAX - 4) / 2 + 1), -1);
    assert_string_equal(fault.what, "nested too deep");
    assert_int_equal(encode_nested(5000), -1);
    assert_string_equal(fault.what, "nested too deep");
}

static void messages_beside_each_other_are_not_nested(void **state)
{
    enum { COUNT = 3 * OTLP_PROTOBUF_DEPTH_MAX };
    char json[COUNT * 20 + 64];
    size_t at = (size_t)sprintf(json, "{\"resourceSpans\":["), len;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        at += (size_t)sprintf(json + at, "%s{\"resource\":{}}", i > 0 ? "," : "");
    (void)sprintf(json + at, "]}");
    assert_int_equal(encode(TRACES, json, &len), 0);
    assert_int_equal(len, COUNT * 4);
}

static void too_small_a_buffer(void **state)
{
    const size_t need = strlen(trace_hex) / 2;
    size_t len;

    (void)state;
    assert_true(need <= strlen(trace_json));
    for (size_t cap = 0; cap < need; cap++) {
        assert_int_equal(otlp_protobuf_encode(out, cap, &len, TRACES, text_of(trace_json), &fault),
                         -1);
        assert_string_equal(fault.what, "too long for a request");
    }
    assert_int_equal(otlp_protobuf_encode(out, need, &len, TRACES, text_of(trace_json), &fault), 0);
}

#define REJECTED(bytes) otlp_protobuf_rejected(bytes, sizeof(bytes) - 1)

static void partial_success(void **state)
{
    (void)state;
    assert_int_equal(REJECTED(""), 0);
    assert_int_equal(REJECTED("\x0a\x00"), 0);
    assert_int_equal(REJECTED("\x0a\x06\x08\xac\x02\x12\x01x"), 300);
    /* The message alone is a warning. */
    assert_int_equal(REJECTED("\x0a\x03\x12\x01x"), 0);
    /* -1 */
    assert_int_equal(REJECTED("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0);
    /* Fields of a later version around it. */
    assert_int_equal(REJECTED("\x15\x01\x02\x03\x04\x0a\x02\x08\x05\x19\x01\x02\x03\x04\x05\x06\x07"
                              "\x08"),
                     5);
    assert_int_equal(REJECTED("\x0a\x7f\x08\x05"), 0);
    assert_int_equal(REJECTED("\x0a\x02\x08\x80"), 0);
    assert_int_equal(REJECTED("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08\x05"), 0);
    assert_int_equal(REJECTED("\x0b\x0a\x02\x08\x05"), 0);
    assert_int_equal(REJECTED("{\"partialSuccess\":{}}"), 0);
}

static void any_cut_of_an_answer(void **state)
{
    static const char answer[] = "\x0a\x06\x08\xac\x02\x12\x01x";

    (void)state;
    for (size_t len = 0; len < sizeof answer - 1; len++) {
        char *exact = malloc(len > 0 ? len : 1);

        memcpy(exact, answer, len);
        assert_int_equal(otlp_protobuf_rejected(exact, len), 0);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_official_classes_do),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(unknown_members_are_left_out),
        cmocka_unit_test(long_lengths),
        cmocka_unit_test(half_a_surrogate_pair_becomes_a_replacement),
        cmocka_unit_test(endless_nesting),
        cmocka_unit_test(messages_beside_each_other_are_not_nested),
        cmocka_unit_test(too_small_a_buffer),
        cmocka_unit_test(partial_success),
        cmocka_unit_test(any_cut_of_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
