/*
 * Goal: a batch spliced from span lines is valid JSON and holds each span once, under the resource
 * and scope of its own line, also where lines have other shapes than ours.
 */
#include "metrics-agent/export/otlp_traces.h"

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

static json_t *encode(const char *const *texts, size_t count, size_t *length)
{
    struct otlp_line lines[16];
    json_error_t error;
    json_t *json;
    size_t i;

    for (i = 0; i < count; i++)
        lines[i] = (struct otlp_line){texts[i], strlen(texts[i])};
    *length = otlp_traces_encode(out, sizeof out, lines, count);
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
    const char *const lines[] = {LINE("a", "m", "0"), two_scopes, LINE("a", "m", "9"), spans_first,
                                 LINE("a", "m", "8")};

    (void)state;
    expect(lines, 5, 5, "a/m/0;a/m/1;a/n/2;a/m/9;c/o/3;a/m/8;");
}

static void too_small_a_buffer(void **state)
{
    const char *const texts[] = {LINE("a", "m", "1"), LINE("a", "m", "2")};
    struct otlp_line lines[] = {{texts[0], strlen(texts[0])}, {texts[1], strlen(texts[1])}};
    size_t need = otlp_traces_encode(out, sizeof out, lines, 2), cap;

    (void)state;
    for (cap = 0; cap < need; cap++)
        assert_int_equal(otlp_traces_encode(out, cap, lines, 2), 0);
    assert_int_equal(otlp_traces_encode(out, need, lines, 2), need);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_head_is_shared),
        cmocka_unit_test(other_heads_stay_apart),
        cmocka_unit_test(texts_that_look_like_structure),
        cmocka_unit_test(foreign_shapes),
        cmocka_unit_test(too_small_a_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
