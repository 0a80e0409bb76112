/*
 * Goal: a request spliced from the records of spool lines is valid JSON and holds each record once,
 * under the resource and scope of its own line, also where lines have other forms than ours.
 */
#include "metrics-agent/export/otlp_splice.h"

#include "lib/spool/lines.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LINE(resource, scope, span)                                                                \
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"r\",\"value\":{"                \
    "\"stringValue\":\"" resource "\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"" scope           \
    "\"},\"spans\":[{\"name\":\"" span "\"}]}]}]}"

static char out[65536];

static char window[65536];
static struct otlp_record records[SPOOL_LINES_MAX];

/* The lines' records. Returns how many. */
static size_t take(enum spool_signal signal, const char *const *texts, size_t count)
{
    static struct spool_lines batch;

    window[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        strcat(window, texts[i]);
        strcat(window, "\n");
    }
    spool_lines_split(&batch, signal, window, strlen(window), 0, false);
    assert_int_equal(batch.consumed, strlen(window));
    for (size_t i = 0; i < batch.count; i++) {
        assert_int_equal(batch.items[i].kind, SPOOL_LINE_RECORD);
        records[i] = otlp_splice_record(&batch, window, &batch.items[i]);
    }
    return batch.count;
}

static json_t *encode(const char *const *texts, size_t count, size_t *length)
{
    json_error_t error;
    json_t *json;

    *length =
        otlp_splice(out, sizeof out, 0, SPOOL_TRACES, records, take(SPOOL_TRACES, texts, count));
    assert_true(*length > 0);
    json = json_loadb(out, *length, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    return json;
}

/* "resource/scope/span;" for each span. */
static void expect(const char *const *texts, size_t count, size_t elements, const char *expected)
{
    char found[1024] = "";
    size_t length, i, k, m;
    json_t *json = encode(texts, count, &length), *resource, *scope, *span;
    json_t *list = json_object_get(json, "resourceSpans");

    assert_int_equal(json_array_size(list), elements);
    json_array_foreach(list, i, resource)
    {
        json_t *value = json_object_get(
            json_array_get(json_object_get(json_object_get(resource, "resource"), "attributes"), 0),
            "value");

        json_array_foreach(json_object_get(resource, "scopeSpans"), k, scope)
        {
            json_array_foreach(json_object_get(scope, "spans"), m, span)
            {
                strcat(found, json_string_value(json_object_get(value, "stringValue")));
                strcat(found, "/");
                strcat(found,
                       json_string_value(json_object_get(json_object_get(scope, "scope"), "name")));
                strcat(found, "/");
                strcat(found, json_string_value(json_object_get(span, "name")));
                strcat(found, ";");
            }
        }
    }
    assert_string_equal(found, expected);
    json_decref(json);
}

static void same_head_is_shared(void **state)
{
    const char *const lines[] = {LINE("a", "m", "1"), LINE("a", "m", "2"), LINE("a", "m", "3")};

    (void)state;
    expect(lines, 1, 1, "a/m/1;");
    expect(lines, 3, 1, "a/m/1;a/m/2;a/m/3;");
}

static void other_heads_stay_apart(void **state)
{
    const char *const lines[] = {LINE("a", "m", "1"), LINE("b", "m", "2"), LINE("b", "m", "3"),
                                 LINE("b", "n", "4"), LINE("a", "m", "5")};

    (void)state;
    expect(lines, 5, 4, "a/m/1;b/m/2;b/m/3;b/n/4;a/m/5;");
}

static void texts_that_look_like_structure(void **state)
{
    const char *const lines[] = {LINE("a", "m", "\\\"spans\\\":[{}]}]}]}"),
                                 LINE("a", "m", "]}]}]}"), LINE("\\\"spans\\\":[", "m", "3")};

    (void)state;
    expect(lines, 3, 2, "a/m/\"spans\":[{}]}]}]};a/m/]}]}]};\"spans\":[/m/3;");
}

static void foreign_shapes(void **state)
{
    static const char two_scopes[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"r\",\"value\":{"
        "\"stringValue\":\"a\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"m\"},\"spans\":[{"
        "\"name\":\"1\"}]},{\"scope\":{\"name\":\"n\"},\"spans\":[{\"name\":\"2\"}]}]}]}";
    static const char spans_first[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"3\"}],\"scope\":{\"name\":"
        "\"o\"}}],\"resource\":{\"attributes\":[{\"key\":\"r\",\"value\":{\"stringValue\":\"c\"}}]}"
        "}]}";
    /* Members that nobody knows, before, between and after; blanks; a CR; several spans a list. */
    static const char unknown[] =
        "{\"v\": [1], \"resourceSpans\" : [ {\"x\":{}, "
        "\"resource\":{\"attributes\":[{\"key\":\"r\","
        "\"value\":{\"stringValue\":\"d\"}}]} , \"scopeSpans\": [ { \"scope\":{\"name\":\"p\"},"
        "\"spans\":[ {\"name\":\"4\"} , {\"name\":\"5\"} ] , \"schemaUrl\":\"u\" } ], \"ext\":[1] "
        "} ],"
        " \"ext\":[{\"spans\":[{\"name\":\"no\"}]}]} \r";
    const char *const lines[] = {LINE("a", "m", "0"), two_scopes,         unknown,
                                 LINE("a", "m", "9"), spans_first,        unknown,
                                 LINE("a", "m", "8"), LINE("a", "m", "7")};

    (void)state;
    expect(lines, 8, 7, "a/m/0;a/m/1;a/n/2;d/p/4;d/p/5;a/m/9;c/o/3;d/p/4;d/p/5;a/m/8;a/m/7;");
}

static void elements_that_cant_be_taken_apart(void **state)
{
    const char *const lines[] = {
        LINE("a", "m", "0"),
        "{\"resourceSpans\":[{\"instrumentationLibrarySpans\":[{\"spans\":[{\"name\":\"old\"}]}]},"
        "{\"scopeSpans\":[],\"scopeSpans\":[]},7]}",
        LINE("a", "m", "1")};
    size_t length;

    (void)state;
    /* They go as they are, each a record of its own. */
    length = otlp_splice(out, sizeof out, 0, SPOOL_TRACES, records, take(SPOOL_TRACES, lines, 3));
    out[length] = '\0';
    assert_non_null(strstr(out,
                           "}]}]},{\"instrumentationLibrarySpans\":[{\"spans\":[{\"name\":\"old\"}]"
                           "}]},{\"scopeSpans\":[],\"scopeSpans\":[]},7,{\"resource\""));
    /* What holds nothing is nothing. */
    assert_int_equal(
        take(SPOOL_TRACES,
             (const char *const[]){"{\"resourceSpans\":[]}", "{\"resourceSpans\":null}",
                                   "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{"
                                   "\"spans\":[]}]},{}]}"},
             3),
        0);
}

static void behind_log_lines(void **state)
{
    static const char start[] = "{\"resourceLogs\":[{\"scopeLogs\":[]}]}";
    static const char log[] =
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{}},{\"body\":{}}]}]}]}";
    const size_t count =
        take(SPOOL_LOGS,
             (const char *const[]){"{\"asctime\":\"2025\"}", log, "{\"a\":1,\"asctime\":2}"}, 3);
    size_t length;

    (void)state;
    assert_int_equal(count, 4);
    assert_true(records[0].is_line && !records[1].is_line && records[3].is_line);
    strcpy(out, start);
    length = otlp_splice(out, sizeof out, strlen(start), SPOOL_LOGS, records, count);
    out[length] = '\0';
    assert_string_equal(out,
                        "{\"resourceLogs\":[{\"scopeLogs\":[]},{\"scopeLogs\":[{\"logRecords\":[{"
                        "\"body\":{}},{\"body\":{}}]}]}]}");
}

static void too_small_a_buffer(void **state)
{
    const char *const texts[] = {LINE("a", "m", "1"), LINE("a", "m", "2")};
    const size_t count = take(SPOOL_TRACES, texts, 2);
    const size_t need = otlp_splice(out, sizeof out, 0, SPOOL_TRACES, records, count);

    (void)state;
    for (size_t cap = 0; cap < need; cap++)
        assert_int_equal(otlp_splice(out, cap, 0, SPOOL_TRACES, records, count), 0);
    assert_int_equal(otlp_splice(out, need, 0, SPOOL_TRACES, records, count), need);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_head_is_shared),
        cmocka_unit_test(other_heads_stay_apart),
        cmocka_unit_test(texts_that_look_like_structure),
        cmocka_unit_test(foreign_shapes),
        cmocka_unit_test(elements_that_cant_be_taken_apart),
        cmocka_unit_test(behind_log_lines),
        cmocka_unit_test(too_small_a_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
