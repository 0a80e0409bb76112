/*
 * Goal: each log line becomes one OTLP log record with every member in its place and nothing
 * invented, grouped by logger; a line that can't be taken apart is named, not sent.
 */
#include "lib/base/json_scan.h"
#include "metrics-agent/export/otlp_logs.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char out[1 << 20];
static const struct resource resource = {.json = "{\"attributes\":[]}", .length = 17};

static json_t *encode(const char *const *texts, size_t count)
{
    struct otlp_record lines[64];
    json_error_t error;
    json_t *json;
    size_t i, len, bad;

    for (i = 0; i < count; i++)
        lines[i] = (struct otlp_record){texts[i], strlen(texts[i]), .is_line = true};
    len = otlp_logs_encode(out, sizeof out, lines, count, &resource, &bad);
    assert_int_equal(bad, count);
    assert_true(len > 0);
    json = json_loadb(out, len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "resourceLogs")), 1);
    return json;
}

static json_t *scopes_of(json_t *json)
{
    return json_object_get(json_array_get(json_object_get(json, "resourceLogs"), 0), "scopeLogs");
}

static void expect_record(const char *line, const char *expected)
{
    json_t *json = encode(&line, 1), *record;
    json_t *want = json_loads(expected, 0, NULL);

    assert_non_null(want);
    record = json_array_get(json_object_get(json_array_get(scopes_of(json), 0), "logRecords"), 0);
    if (!json_equal(record, want))
        fail_msg("%s\ngave %s\nnot %s", line, json_dumps(record, 0), expected);
    json_decref(want);
    json_decref(json);
}

static void a_real_line(void **state)
{
    (void)state;
    expect_record(
        "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"levelname\":\"INFO\",\"name\":"
        "\"microtrace.request\",\"message\":\"request_completed\",\"request_id\":\"demo-123\","
        "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\","
        "\"method\":\"POST\",\"status_code\":200,\"elapsed_ms\":12.7}",
        "{\"timeUnixNano\":\"1735905601234000000\",\"observedTimeUnixNano\":"
        "\"1735905601234000000\",\"severityNumber\":9,\"severityText\":\"INFO\",\"body\":{"
        "\"stringValue\":\"request_completed\"},\"traceId\":\"0af7651916cd43dd8448eb211c80319c\","
        "\"spanId\":\"b7ad6b7169203331\",\"attributes\":[{\"key\":\"request_id\",\"value\":{"
        "\"stringValue\":\"demo-123\"}},{\"key\":\"method\",\"value\":{\"stringValue\":\"POST\"}},"
        "{\"key\":\"status_code\",\"value\":{\"intValue\":\"200\"}},{\"key\":\"elapsed_ms\","
        "\"value\":{\"doubleValue\":12.7}}]}");
}

static void absent_ids_are_left_out(void **state)
{
    (void)state;
    expect_record(
        "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"levelname\":\"ERROR\",\"name\":\"n\","
        "\"message\":\"m\",\"request_id\":\"\",\"trace_id\":\"\",\"span_id\":\"\"}",
        "{\"timeUnixNano\":\"1735905601234000000\",\"observedTimeUnixNano\":"
        "\"1735905601234000000\",\"severityNumber\":17,\"severityText\":\"ERROR\","
        "\"body\":{\"stringValue\":\"m\"},\"attributes\":[]}");
}

static void every_kind_of_value(void **state)
{
    (void)state;
    expect_record(
        "{\"asctime\":\"soon\", \"a\" : true,\"b\":false,\"c\":null,\"d\":-7,\"e\":1e3,\"f\":"
        "9223372036854775808,\"g\":-0,\"h\":[1,{\"x\":\"q\\\"\\\\\"}],\"i\":{},\"j\":\"\\u00fc\"}",
        "{\"attributes\":[{\"key\":\"asctime\",\"value\":{\"stringValue\":\"soon\"}},"
        "{\"key\":\"a\",\"value\":{\"boolValue\":true}},{\"key\":\"b\",\"value\":{\"boolValue\":"
        "false}},{\"key\":\"c\",\"value\":{}},{\"key\":\"d\",\"value\":{\"intValue\":\"-7\"}},"
        "{\"key\":\"e\",\"value\":{\"doubleValue\":1e3}},{\"key\":\"f\",\"value\":{\"doubleValue\":"
        "9223372036854775808.0}},{\"key\":\"g\",\"value\":{\"doubleValue\":-0.0}},{\"key\":\"h\","
        "\"value\":{\"stringValue\":\"[1,{\\\"x\\\":\\\"q\\\\\\\"\\\\\\\\\\\"}]\"}},{\"key\":\"i\","
        "\"value\":{\"stringValue\":\"{}\"}},{\"key\":\"j\",\"value\":{\"stringValue\":"
        "\"\\u00fc\"}}]}");
}

static void a_time_that_cannot_be_had_is_an_attribute(void **state)
{
    static const char *const times[] = {"2025-02-30T12:00:01.234Z",  "9999-01-03T12:00:01.234Z",
                                        "2025-01-03T24:00:01.234Z",  "2025-01-03T12:00:60.234Z",
                                        "2025-01-03T12:00:01+01:00", "2025-01-03T12:00:01.234",
                                        "1970-01-01T00:00:00.000Z"};
    char line[128], expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        (void)snprintf(line, sizeof line, "{\"asctime\":\"%s\",\"message\":\"m\"}", times[i]);
        (void)snprintf(expected, sizeof expected,
                       "{\"attributes\":[{\"key\":\"asctime\",\"value\":{\"stringValue\":\"%s\"}}],"
                       "\"body\":{\"stringValue\":\"m\"}}",
                       times[i]);
        expect_record(line, expected);
    }
}

static void severities(void **state)
{
    static const struct {
        const char *name;
        int number;
    } levels[] = {{"DEBUG", 5}, {"INFO", 9}, {"WARNING", 13}, {"ERROR", 17}, {"CRITICAL", 21}};
    char line[128];
    const char *text = line;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        json_t *json, *record;

        (void)snprintf(line, sizeof line, "{\"asctime\":\"\",\"levelname\":\"%s\"}",
                       levels[i].name);
        json = encode(&text, 1);
        record =
            json_array_get(json_object_get(json_array_get(scopes_of(json), 0), "logRecords"), 0);
        assert_int_equal(json_integer_value(json_object_get(record, "severityNumber")),
                         levels[i].number);
        json_decref(json);
    }
}

/* The records of a body by resource: how many there are with each value of service.name. */
static size_t records_of(const json_t *json, const char *service)
{
    const json_t *entry, *attribute, *scope;
    size_t found = 0, i, k;

    json_array_foreach(json_object_get(json, "resourceLogs"), i, entry)
    {
        const json_t *const attributes =
            json_object_get(json_object_get(entry, "resource"), "attributes");
        const char *name = "";

        json_array_foreach(attributes, k, attribute)
        {
            if (strcmp(json_string_value(json_object_get(attribute, "key")), "service.name") == 0)
                name = json_string_value(
                    json_object_get(json_object_get(attribute, "value"), "stringValue"));
        }
        if (strcmp(name, service) != 0)
            continue;
        json_array_foreach(json_object_get(entry, "scopeLogs"), k, scope) found +=
            json_array_size(json_object_get(scope, "logRecords"));
    }
    return found;
}

static json_t *encode_sources(const char *const *texts, size_t count, size_t resources)
{
    static struct otlp_record lines[OTLP_LOGS_LINES_MAX];
    json_t *json;
    size_t i, len, bad;

    for (i = 0; i < count; i++)
        lines[i] = (struct otlp_record){texts[i], strlen(texts[i]), .is_line = true};
    len = otlp_logs_encode(out, sizeof out, lines, count, &resource, &bad);
    assert_int_equal(bad, count);
    out[len] = '\0';
    json = json_loadb(out, len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "resourceLogs")), resources);
    return json;
}

static void grouped_by_who_wrote_them(void **state)
{
    static const char *const lines[] = {
        "{\"asctime\":\"\",\"name\":\"n\",\"a\":1,\"resource\":{\"service.name\":\"shop\",\"n\":2}"
        "}",
        "{\"asctime\":\"\",\"name\":\"n\",\"resource\":{\"service.name\":\"cart\"}}",
        "{\"asctime\":\"\",\"name\":\"n\",\"a\":2,\"resource\":{\"service.name\":\"shop\",\"n\":2}"
        "}",
        "{\"asctime\":\"\",\"name\":\"m\",\"a\":3,\"resource\":{\"service.name\":\"shop\",\"n\":2}"
        "}",
        /* Elsewhere than at the end, with blanks. */
        "{\"asctime\":\"\",\"resource\" : {\"service.name\":\"cart\"} , \"name\":\"n\"}",
        /* Not the line's own, or of another shape: attributes of a record of the agent's service.
         */
        "{\"asctime\":\"\",\"name\":\"n\",\"x\":{\"y\":1,\"resource\":{\"service.name\":\"cart\"}}"
        "}",
        "{\"asctime\":\"\",\"name\":\"n\",\"resource\":\"disk\"}",
        "{\"asctime\":\"\",\"name\":\"n\",\"resource\":{\"service.name\":\"cart\",\"labels\":{}}}",
        "{\"asctime\":\"\",\"name\":\"n\",\"resource\":{\"service.name\":\"cart\",\"labels\":[1]}}",
        /* It passes for JSON where only brackets are counted. */
        "{\"asctime\":\"\",\"name\":\"n\",\"resource\":{\"service.name\":\"cart\" \"b\":2}}",
        /* Twice: the last one holds, the first one is not lost. */
        "{\"asctime\":\"\",\"name\":\"n\",\"resource\":{\"service.name\":\"x\"},\"a\":4,"
        "\"resource\":{"
        "\"service.name\":\"cart\"}}",
    };
    static const char *const kept[] = {
        "{\\\"service.name\\\":\\\"cart\\\",\\\"labels\\\":{}}\"",
        "{\\\"service.name\\\":\\\"cart\\\",\\\"labels\\\":[1]}\"",
        "{\\\"service.name\\\":\\\"cart\\\" \\\"b\\\":2}\"",
        "{\\\"service.name\\\":\\\"x\\\"}\"",
    };
    const size_t count = sizeof lines / sizeof lines[0];
    json_t *json = encode_sources(lines, count, 3);
    size_t attributes = 0;

    (void)state;
    assert_int_equal(records_of(json, "shop"), 3);
    assert_int_equal(records_of(json, "cart"), 3);
    assert_int_equal(records_of(json, ""), 5);
    for (const char *at = out; (at = strstr(at, "{\"key\":\"resource\"")) != NULL; at++)
        attributes++;
    assert_int_equal(attributes, 5);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_non_null(strstr(out, kept[i]));
    assert_non_null(strstr(out, "\"key\":\"resource\",\"value\":{\"stringValue\":\"disk\"}"));
    assert_non_null(strstr(out, "{\"key\":\"n\",\"value\":{\"intValue\":\"2\"}}"));
    json_decref(json);
}

static void more_writers_than_a_batch_groups_by(void **state)
{
    enum { WRITERS = 200 };
    static char texts[2 * WRITERS][128];
    static const char *lines[2 * WRITERS];
    char service[32];
    json_t *json;

    (void)state;
    for (size_t i = 0; i < 2 * WRITERS; i++) {
        (void)snprintf(texts[i], sizeof texts[i],
                       "{\"asctime\":\"\",\"name\":\"n\",\"resource\":{\"service.name\":\"s%zu\"}}",
                       i % WRITERS);
        lines[i] = texts[i];
    }
    json = encode_sources(lines, 2 * WRITERS, 64 + 2 * (WRITERS - 64));
    for (size_t i = 0; i < WRITERS; i++) {
        (void)snprintf(service, sizeof service, "s%zu", i);
        assert_int_equal(records_of(json, service), 2);
    }
    json_decref(json);
}

static void grouped_by_name(void **state)
{
    static char texts[60][64];
    const char *lines[60];
    json_t *json, *scope;
    size_t i, records = 0;

    (void)state;
    for (i = 0; i < 60; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "{\"asctime\":\"\",\"name\":\"n%zu\",\"i\":%zu}",
                       i % 3, i);
        lines[i] = texts[i];
    }
    json = encode(lines, 60);
    assert_int_equal(json_array_size(scopes_of(json)), 3);
    json_array_foreach(scopes_of(json), i, scope)
        assert_int_equal(json_array_size(json_object_get(scope, "logRecords")), 20);
    json_decref(json);

    /* More names than a batch groups by. */
    for (i = 0; i < 60; i++)
        (void)snprintf(texts[i], sizeof texts[i], "{\"asctime\":\"\",\"name\":\"n%zu\",\"i\":%zu}",
                       i % 50, i);
    json = encode(lines, 60);
    json_array_foreach(scopes_of(json), i, scope) records +=
        json_array_size(json_object_get(scope, "logRecords"));
    assert_int_equal(records, 60);
    json_decref(json);
}

static void what_some_parsers_refuse_is_sent_as_they_take_it(void **state)
{
    (void)state;
    expect_record(
        "{\"asctime\":\"\",\"a\\ud800\":\"x\\uDC00\\ud83d\\ude00\\\\ud800\",\"b\":1e400,\"c\":-"
        "1E400,"
        "\"d\":1e-400,\"message\":\"\\udfff\",\"trace_id\":\"zz\",\"span_id\":"
        "\"00f067aa0ba902b7a\"}",
        "{\"attributes\":[{\"key\":\"asctime\",\"value\":{\"stringValue\":\"\"}},"
        "{\"key\":\"a\\ufffd\",\"value\":{\"stringValue\":\"x\\ufffd\\ud83d\\ude00\\\\ud800\"}},"
        "{\"key\":\"b\",\"value\":{\"stringValue\":\"1e400\"}},{\"key\":\"c\",\"value\":{"
        "\"stringValue\":"
        "\"-1E400\"}},{\"key\":\"d\",\"value\":{\"doubleValue\":0.0}},"
        "{\"key\":\"trace_id\",\"value\":{\"stringValue\":\"zz\"}},{\"key\":\"span_id\",\"value\":{"
        "\"stringValue\":\"00f067aa0ba902b7a\"}}],\"body\":{\"stringValue\":\"\\ufffd\"}}");
    /* The same in a resource and a scope. */
    {
        static const char *const line = "{\"asctime\":\"\",\"name\":\"n\\ud800\",\"resource\":{"
                                        "\"a\\ud800\":\"\\udc00\",\"b\":1e999}}";
        json_t *const json = encode(&line, 1);

        assert_non_null(
            strstr(out, "{\"resource\":{\"attributes\":[{\"key\":\"a\xef\xbf\xbd\",\"value\":{"
                        "\"stringValue\":\"\xef\xbf\xbd\"}},{\"key\":\"b\",\"value\":{"
                        "\"stringValue\":\"1e999\"}}]}"));
        assert_non_null(strstr(out, "\"scope\":{\"name\":\"n\xef\xbf\xbd\"}"));
        json_decref(json);
    }
}

static void a_bad_line_is_named(void **state)
{
    static const char *const bad_lines[] = {"{\"asctime\":,}",
                                            "{\"asctime\":\"\" \"a\":1}",
                                            "{\"asctime\":\"\",}",
                                            "{\"asctime\":01}",
                                            "{\"asctime\":1.}",
                                            "{\"asctime\":tru}",
                                            "{\"asctime\"}",
                                            "{\"asctime\":\"\",1:2}",
                                            "{\"asctime\":\"\\x\"}",
                                            "{\"asctime\":\"\",\"a\\u12g4\":1}",
                                            "{\"asctime\":\"\",\"resource\":{\"a\":\"\\q\"}}",
                                            "{\"asctime\":\"\",\"name\":\"\\u1\"}",
                                            "{\"asctime\":\"\",\"a\":[\"\\'\"]}"};
    struct otlp_record lines[2] = {{"{\"asctime\":\"\"}", 14, .is_line = true}};
    size_t i, bad;

    (void)state;
    for (i = 0; i < sizeof bad_lines / sizeof bad_lines[0]; i++) {
        lines[1] = (struct otlp_record){bad_lines[i], strlen(bad_lines[i]), .is_line = true};
        assert_int_equal(otlp_logs_encode(out, sizeof out, lines, 2, &resource, &bad), 0);
        assert_int_equal(bad, 1);
    }
}

static void too_small_a_buffer(void **state)
{
    static const char text[] = "{\"asctime\":\"\",\"name\":\"n\",\"a\":[\"b\"]}";
    struct otlp_record line = {text, sizeof text - 1, .is_line = true};
    size_t bad, need = otlp_logs_encode(out, sizeof out, &line, 1, &resource, &bad), cap;

    (void)state;
    for (cap = 0; cap < need; cap++) {
        assert_int_equal(otlp_logs_encode(out, cap, &line, 1, &resource, &bad), 0);
        assert_int_equal(bad, 1);
    }
}

/* The bound that the agent sizes its buffer by. */
static void growth(void **state)
{
    static char text[60000];
    size_t len = (size_t)sprintf(text, "{\"asctime\":\"\""), bad, got;
    struct otlp_record line = {text, .is_line = true};

    (void)state;
    while (len < sizeof text - 16)
        len += (size_t)sprintf(text + len, ",\"\":1");
    text[len++] = '}';
    line.length = len;
    got = otlp_logs_encode(out, sizeof out, &line, 1, &resource, &bad);
    assert_true(got > 0 && got <= len * OTLP_LOGS_GROWTH);
}

/* The body, or no bytes where the line can't be taken apart. */
static struct text body_of(char *to, size_t cap, const char *line)
{
    const struct otlp_record record = {line, strlen(line), .is_line = true};
    size_t bad;

    return (struct text){to, otlp_logs_encode(to, cap, &record, 1, &resource, &bad)};
}

/* A blank makes the line one that is read member by member. */
static void the_head_at_once_and_member_by_member(void **state)
{
    static const char line[] =
        "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"levelname\":\"INFO\",\"name\":"
        "\"microtrace.api\",\"message\":\"analyze_request\",\"request_id\":\"r-1\","
        "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\","
        "\"input_a\":10.5,\"message\":\"later\",\"user_agent\":\"a long name of a program\"}";
    static const char bytes[] = "\"\\{}[],: 0afgAG9Z\x7f\xc3";
    static char slow[4096], fast[4096];
    char text[sizeof(line)], blank[sizeof(line) + 1];
    unsigned compared = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(line) - 1; i++) {
        for (size_t k = 0; k < sizeof(bytes); k++) {
            struct text one, other;

            memcpy(text, line, sizeof(line));
            if (k < sizeof(bytes) - 1)
                text[i] = bytes[k];
            else
                memmove(text + i, text + i + 1, sizeof(line) - i - 1);
            if (json_scan_line(text, strlen(text)) != JSON_SCAN_OBJECT)
                continue;
            (void)snprintf(blank, sizeof(blank), "{ %s", text + 1);
            one = body_of(fast, sizeof(fast), text);
            other = body_of(slow, sizeof(slow), blank);
            assert_int_equal(one.len, other.len);
            assert_memory_equal(one.at, other.at, one.len);
            compared++;
        }
    }
    assert_true(compared > sizeof(line) * 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_line),
        cmocka_unit_test(absent_ids_are_left_out),
        cmocka_unit_test(every_kind_of_value),
        cmocka_unit_test(a_time_that_cannot_be_had_is_an_attribute),
        cmocka_unit_test(severities),
        cmocka_unit_test(grouped_by_who_wrote_them),
        cmocka_unit_test(more_writers_than_a_batch_groups_by),
        cmocka_unit_test(grouped_by_name),
        cmocka_unit_test(what_some_parsers_refuse_is_sent_as_they_take_it),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(too_small_a_buffer),
        cmocka_unit_test(growth),
        cmocka_unit_test(the_head_at_once_and_member_by_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
