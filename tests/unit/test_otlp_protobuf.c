/*
 * Goal: a request in protobuf is byte for byte what the official classes make of the same content,
 * for every field and type that OTLP has; JSON that is not such a request is refused; and the
 * answer's rejected records are read from any bytes at all.
 */
#include "metrics-agent/export/otlp_protobuf.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static unsigned char out[65536];

static int encode(enum spool_signal signal, const char *json, size_t *len)
{
    return otlp_protobuf_encode(out, sizeof out, len, signal, json, strlen(json));
}

static void to_hex(char *hex, size_t len)
{
    for (size_t i = 0; i < len; i++)
        (void)sprintf(hex + 2 * i, "%02x", out[i]);
    hex[2 * len] = '\0';
}

static void expect_hex(enum spool_signal signal, const char *json, const char *expected)
{
    static char hex[2 * sizeof out + 1];
    size_t len;

    assert_int_equal(encode(signal, json, &len), 0);
    to_hex(hex, len);
    assert_string_equal(hex, expected);
}

static void as_the_official_classes_do(void **state)
{
    (void)state;
    expect_hex(SPOOL_TRACES, trace_json, trace_hex);
    expect_hex(SPOOL_LOGS, logs_json, logs_hex);
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    expect_hex(SPOOL_TRACES, "{\"resourceSpans\":[]}", "");
    expect_hex(SPOOL_LOGS, " { } ", "");
    expect_hex(SPOOL_LOGS, "{\"resourceLogs\":null}", "");
    expect_hex(SPOOL_TRACES, "{\"resourceSpans\":[ { } , { } ]}", "0a000a00");
}

/* "Receivers MUST ignore message fields with unknown names": a newer writer's are left out. */
static void unknown_members_are_left_out(void **state)
{
    (void)state;
    expect_hex(
        SPOOL_TRACES,
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
        assert_int_equal(encode(SPOOL_TRACES, json, &len), 0);
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
        expect_hex(SPOOL_LOGS, json, hex[i]);
    }
}

#define SPAN(member)  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" member "}]}]}]}"
#define VALUE(member) SPAN("\"attributes\":[{\"value\":{" member "}}]")

static void what_is_no_request_is_refused(void **state)
{
    static const char *const refused[] = {"",
                                          "{",
                                          "[]",
                                          "{}x",
                                          "{\"resourceSpans\"}",
                                          "{\"resourceSpans\":}",
                                          "{\"resourceSpans\":[{]}",
                                          "{\"resourceSpans\":[{},]}",
                                          "{\"resourceSpans\":[{}]",
                                          "{\"resourceSpans\":[1]}",
                                          "{\"resourceSpans\":[{\"resource\":\"x\"}]}",
                                          "{resourceSpans:[]}",
                                          SPAN("\"traceId\":\"0\""),
                                          SPAN("\"traceId\":\"0g\""),
                                          SPAN("\"traceId\":12"),
                                          SPAN("\"name\":5"),
                                          SPAN("\"name\":\"\\x\""),
                                          SPAN("\"name\":\"\\u12\""),
                                          SPAN("\"kind\":\"SPAN_KIND_SERVER\""),
                                          SPAN("\"kind\":-1"),
                                          SPAN("\"kind\":2147483648"),
                                          SPAN("\"flags\":4294967296"),
                                          SPAN("\"startTimeUnixNano\":\"18446744073709551616\""),
                                          SPAN("\"startTimeUnixNano\":\"\""),
                                          SPAN("\"startTimeUnixNano\":1.5"),
                                          VALUE("\"intValue\":\"9223372036854775808\""),
                                          VALUE("\"intValue\":\"-9223372036854775809\""),
                                          VALUE("\"intValue\":-"),
                                          VALUE("\"doubleValue\":\"\""),
                                          VALUE("\"doubleValue\":0x10"),
                                          VALUE("\"doubleValue\":1e"),
                                          VALUE("\"doubleValue\":nan"),
                                          VALUE("\"boolValue\":\"true\""),
                                          VALUE("\"boolValue\":1"),
                                          VALUE("\"bytesValue\":\"a b\"")};
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (encode(SPOOL_TRACES, refused[i], &len) == 0)
            fail_msg("taken for a request: %s", refused[i]);
    }
}

static void endless_nesting(void **state)
{
    enum { LEVELS = 5000 };
    static const char level[] = "{\"arrayValue\":{\"values\":[";
    char *json = malloc(sizeof level * LEVELS + 200);
    size_t at = (size_t)sprintf(json,
                                "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"),
           len;

    (void)state;
    for (int i = 0; i < LEVELS; i++)
        at += (size_t)sprintf(json + at, "%s", level);
    assert_int_equal(encode(SPOOL_LOGS, json, &len), -1);
    free(json);
}

static void too_small_a_buffer(void **state)
{
    const size_t need = strlen(trace_hex) / 2;
    size_t len;

    (void)state;
    assert_true(need <= strlen(trace_json));
    for (size_t cap = 0; cap < need; cap++)
        assert_int_equal(
            otlp_protobuf_encode(out, cap, &len, SPOOL_TRACES, trace_json, strlen(trace_json)), -1);
    assert_int_equal(
        otlp_protobuf_encode(out, need, &len, SPOOL_TRACES, trace_json, strlen(trace_json)), 0);
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
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(endless_nesting),
        cmocka_unit_test(too_small_a_buffer),
        cmocka_unit_test(partial_success),
        cmocka_unit_test(any_cut_of_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
