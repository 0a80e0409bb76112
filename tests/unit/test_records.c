/*
 * Goal: a span and a log line come out in the exact bytes that docs/spool.md fixes (the agent
 * splices by them), whatever their strings hold; the resource follows OpenTelemetry's rules for the
 * environment.
 */
#include "lib/trace/log.h"
#include "lib/trace/resource.h"
#include "lib/trace/span.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char buffer[65536];

static struct json_writer start(void)
{
    struct json_writer w;

    json_writer_init(&w, buffer, sizeof(buffer) - 1);
    return w;
}

/* The line as a tree; fails unless it is one line of valid JSON. */
static json_t *finish(struct json_writer *w)
{
    json_t *tree;

    assert_false(w->overflow);
    assert_int_equal(buffer[w->len - 1], '\n');
    assert_null(memchr(buffer, '\n', w->len - 1));
    tree = json_loadb(buffer, w->len, JSON_ALLOW_NUL, NULL);
    assert_non_null(tree);
    buffer[w->len] = '\0';
    return tree;
}

static const char *attribute_of(const json_t *list, const char *key)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *const entry = json_array_get(list, i);

        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0)
            return json_string_value(
                json_object_get(json_object_get(entry, "value"), "stringValue"));
    }
    return NULL;
}

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static const struct scope scope = {
    .json = "{\"name\":\"microtrace\",\"version\":\"" MICROTRACE_VERSION "\"}",
    .length = sizeof("{\"name\":\"microtrace\",\"version\":\"" MICROTRACE_VERSION "\"}") - 1,
};

static struct resource tiny_resource(void)
{
    struct resource r = {.json = "{\"attributes\":[]}"};

    r.length = strlen(r.json);
    return r;
}

static void a_span_has_canonical_bytes(void **state)
{
    const struct resource resource = tiny_resource();
    struct json_writer w = start();
    struct span parent, span;

    (void)state;
    span_begin(&parent, "POST /analyze", SPAN_SERVER, NULL, false, &always);
    span_begin_child(&span, "child", SPAN_INTERNAL, &parent);
    assert_memory_equal(&span.context.trace_id, &parent.context.trace_id, 16);
    assert_memory_equal(&span.parent, &parent.context.span_id, 8);
    memset(&span.context.trace_id, 0x11, 16);
    memset(&span.context.span_id, 0x22, 8);
    memset(&span.parent, 0x33, 8);
    span_set(&span, attribute_double("worker.sum", 14));
    span_set(&span, attribute_int("n", -3));
    span_set(&span, attribute_bool("b", true));
    span_set(&span, attribute_string("s", "a\"b\xff"));
    span_set(&span, attribute_string("absent", NULL));
    span.status = SPAN_STATUS_ERROR;
    span.start_ns = 1;
    span.end_ns = 18446744073709551615u;
    span_write(&span, &resource, &scope, &w);
    json_decref(finish(&w));
    assert_string_equal(
        buffer,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[]},\"scopeSpans\":[{\"scope\":{"
        "\"name\":"
        "\"microtrace\",\"version\":\"" MICROTRACE_VERSION "\"},\"spans\":[{\"traceId\":"
        "\"11111111111111111111111111111111\",\"spanId\":\"2222222222222222\",\"parentSpanId\":"
        "\"3333333333333333\",\"flags\":259,\"name\":\"child\",\"kind\":1,\"startTimeUnixNano\":"
        "\"1\",\"endTimeUnixNano\":\"18446744073709551615\",\"attributes\":[{\"key\":\"worker."
        "sum\","
        "\"value\":{\"doubleValue\":14.0}},{\"key\":\"n\",\"value\":{\"intValue\":\"-3\"}},"
        "{\"key\":\"b\",\"value\":{\"boolValue\":true}},{\"key\":\"s\",\"value\":{\"stringValue\":"
        "\"a\\\"b\xef\xbf\xbd\"}}],\"status\":{\"code\":2}}]}]}]}\n");
}

static void doubles_that_json_has_no_number_for_are_texts(void **state)
{
    const struct attribute doubles[] = {attribute_double("n", NAN), attribute_double("p", INFINITY),
                                        attribute_double("m", -INFINITY)};
    struct json_writer w = start();

    (void)state;
    for (size_t i = 0; i < 3; i++)
        attribute_write_otlp(&w, &doubles[i]);
    buffer[w.len] = '\0';
    assert_string_equal(buffer, "{\"key\":\"n\",\"value\":{\"doubleValue\":\"NaN\"}},"
                                "{\"key\":\"p\",\"value\":{\"doubleValue\":\"Infinity\"}},"
                                "{\"key\":\"m\",\"value\":{\"doubleValue\":\"-Infinity\"}}");
    w = start();
    json_writer_begin_object(&w);
    for (size_t i = 0; i < 3; i++)
        attribute_write_member(&w, &doubles[i]);
    json_writer_end_object(&w);
    buffer[w.len] = '\0';
    assert_string_equal(buffer, "{\"n\":\"NaN\",\"p\":\"Infinity\",\"m\":\"-Infinity\"}");
}

static void a_scope_may_name_its_conventions(void **state)
{
    static const char expected[] = "{\"name\":\"n\"},\"schemaUrl\":\"https://x/1.0.0\"";
    const struct resource resource = tiny_resource();
    struct json_writer w = start();
    struct scope own;
    struct span span;
    json_t *line;

    (void)state;
    scope_init(&own, "n", NULL, "https://x/1.0.0");
    assert_int_equal(own.length, sizeof(expected) - 1);
    assert_memory_equal(own.json, expected, own.length);
    span_begin(&span, "x", SPAN_SERVER, NULL, false, &always);
    span_end(&span);
    span_write(&span, &resource, &own, &w);
    line = finish(&w);
    assert_non_null(strstr(buffer, "\"schemaUrl\":\"https://x/1.0.0\",\"spans\":[{"));
    json_decref(line);
}

static void a_remote_parent_is_continued(void **state)
{
    static const char parent_text[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
    const struct resource resource = tiny_resource();
    struct trace_context parent;
    struct json_writer w = start();
    struct span span;

    (void)state;
    assert_int_equal(trace_context_parse(&parent, parent_text, sizeof(parent_text) - 1, "a=1", 3),
                     0);
    span_begin(&span, "x", SPAN_SERVER, &parent, true, &always);
    span_end(&span);
    span_write(&span, &resource, &scope, &w);
    json_decref(finish(&w));
    assert_non_null(strstr(buffer, "\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
    assert_non_null(strstr(buffer, "\"parentSpanId\":\"00f067aa0ba902b7\",\"flags\":771,"));
    assert_non_null(strstr(buffer, "\"traceState\":\"a=1\""));
    assert_int_equal(span.context.flags, 3);
}

static void what_is_not_sampled_is_propagated_but_not_written(void **state)
{
    const struct resource resource = tiny_resource();
    struct json_writer w = start();
    struct span span, child;

    (void)state;
    span_begin(&span, "x", SPAN_SERVER, NULL, false, NULL);
    span_begin_child(&child, "y", SPAN_CLIENT, &span);
    span_set(&child, attribute_int("n", 1));
    span_end(&child);
    span_write(&child, &resource, &scope, &w);
    assert_int_equal(w.len, 0);
    assert_int_equal(child.context.flags & TRACE_CONTEXT_SAMPLED, 0);
    assert_false(ids_span_is_zero(&child.context.span_id));
}

/* The decision is on the id that the span gets: whoever sees the id can tell what it was. */
static void a_ratio_agrees_with_the_id_of_each_span(void **state)
{
    enum { ROOTS = 10000, SIX_SIGMA = 300 };
    struct sampler half;
    struct span root, child;
    unsigned sampled = 0;

    (void)state;
    assert_null(sampler_init(&half, "parentbased_traceidratio", "0.5"));
    for (int i = 0; i < ROOTS; i++) {
        span_begin(&root, "x", SPAN_SERVER, NULL, false, &half);
        assert_int_equal(root.recording, sampler_decide(&half, &root.context.trace_id, NULL));
        assert_int_equal(root.recording, (root.context.flags & TRACE_CONTEXT_SAMPLED) != 0);
        span_begin_child(&child, "y", SPAN_CLIENT, &root);
        assert_int_equal(child.recording, root.recording);
        sampled += root.recording;
    }
    assert_in_range(sampled, ROOTS / 2 - SIX_SIGMA, ROOTS / 2 + SIX_SIGMA);
}

static void spans_of_one_scope_share_a_line(void **state)
{
    const struct resource resource = tiny_resource();
    struct json_writer w = start();
    struct span first, second, ignored;
    const json_t *spans;
    json_t *line;
    size_t before_tail;

    (void)state;
    span_begin(&first, "first", SPAN_SERVER, NULL, false, &always);
    span_begin(&ignored, "ignored", SPAN_SERVER, NULL, false, NULL);
    span_begin_child(&second, "second", SPAN_INTERNAL, &first);
    span_end(&first);
    span_end(&ignored);
    span_end(&second);
    span_write_head(&resource, &scope, &w);
    span_write_object(&first, &w);
    span_write_object(&ignored, &w);
    span_write_object(&second, &w);
    before_tail = w.len;
    span_write_tail(&w);
    assert_int_equal(w.len - before_tail, SPAN_TAIL_SIZE);
    line = finish(&w);
    spans = json_object_get(
        json_array_get(json_object_get(json_array_get(json_object_get(line, "resourceSpans"), 0),
                                       "scopeSpans"),
                       0),
        "spans");
    assert_int_equal(json_array_size(spans), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(spans, 0), "name")),
                        "first");
    assert_string_equal(json_string_value(json_object_get(json_array_get(spans, 1), "name")),
                        "second");
    json_decref(line);
    /* The next line begins without a comma. */
    span_write(&first, &resource, &scope, &w);
    assert_int_equal(buffer[before_tail + SPAN_TAIL_SIZE], '{');
}

static void what_was_written_before_stands_behind_the_attributes(void **state)
{
    static const char attribute[] = "{\"key\":\"k\",\"value\":{}}", event[] = "{\"name\":\"e\"}";
    const struct resource resource = tiny_resource();
    struct json_writer w = start();
    struct span span;

    (void)state;
    span_begin(&span, "x", SPAN_PRODUCER, NULL, false, &always);
    span_set(&span, attribute_bytes("b", "\0\xff\x10", 3));
    span_set(&span, attribute_bytes("one", "a", 1));
    span.written_attributes = (struct span_list){attribute, sizeof(attribute) - 1, 2};
    span.events = (struct span_list){event, sizeof(event) - 1, 1};
    span_end(&span);
    span_write(&span, &resource, &scope, &w);
    json_decref(finish(&w));
    assert_non_null(strstr(buffer, "\"kind\":4,"));
    assert_non_null(strstr(
        buffer,
        "\"attributes\":[{\"key\":\"b\",\"value\":{\"bytesValue\":\"AP8Q\"}},"
        "{\"key\":\"one\",\"value\":{\"bytesValue\":\"YQ==\"}},{\"key\":\"k\",\"value\":{}}],"
        "\"droppedAttributesCount\":2,\"events\":[{\"name\":\"e\"}],\"droppedEventsCount\":1,"
        "\"status\":{}"));
}

static void attributes_without_room_are_counted(void **state)
{
    const struct resource resource = tiny_resource();
    struct json_writer w = start();
    struct span span;

    (void)state;
    span_begin(&span, "x", SPAN_SERVER, NULL, false, &always);
    for (int i = 0; i < SPAN_ATTRIBUTES_MAX + 3; i++)
        span_set(&span, attribute_int("n", i));
    span_end(&span);
    span_write(&span, &resource, &scope, &w);
    json_decref(finish(&w));
    assert_non_null(strstr(buffer, "\"droppedAttributesCount\":3,"));
}

static void a_log_line_has_canonical_bytes(void **state)
{
    struct trace_context trace = {.flags = 1};
    const struct log_context context = {.request_id = "demo-123", .trace = &trace};
    const struct attribute fields[] = {
        attribute_double("sum", 14), attribute_int("status_code", 200),
        attribute_string("client", "\x80\n"), attribute_json("errors", "[{}]", 4)};
    struct json_writer w = start();

    (void)state;
    memset(&trace.trace_id, 0xab, 16);
    memset(&trace.span_id, 0xcd, 8);
    log_write(&w, UINT64_C(1735905600234000000), LOG_LEVEL_WARNING, "microtrace.api", "hi",
              &context, fields, 4, NULL);
    json_decref(finish(&w));
    assert_string_equal(
        buffer,
        "{\"asctime\":\"2025-01-03T12:00:00.234Z\",\"levelname\":\"WARNING\",\"name\":"
        "\"microtrace.api\",\"message\":\"hi\",\"request_id\":\"demo-123\",\"trace_id\":"
        "\"abababababababababababababababab\",\"span_id\":\"cdcdcdcdcdcdcdcd\",\"sum\":14.0,"
        "\"status_code\":200,\"client\":\"\xef\xbf\xbd\\n\",\"errors\":[{}]}\n");
}

static void a_log_line_without_a_request_has_empty_ids(void **state)
{
    struct json_writer w = start();

    (void)state;
    log_write(&w, 0, LOG_LEVEL_INFO, "a", "b", NULL, NULL, 0, NULL);
    json_decref(finish(&w));
    assert_non_null(strstr(buffer, "\"request_id\":\"\",\"trace_id\":\"\",\"span_id\":\"\"}"));
}

static void a_log_line_ends_with_who_wrote_it(void **state)
{
    static const struct resource_service own = {"shop \"x\"", "1.2", NULL};
    static struct resource resource;
    struct json_writer w = start();
    json_t *line, *tree;

    (void)state;
    assert_null(resource_init(&resource, &own, NULL, "region=eu", "the-instance"));
    log_write(&w, 0, LOG_LEVEL_INFO, "a", "b", NULL, NULL, 0, &resource);
    line = finish(&w);
    tree = json_object_get(line, "resource");
    assert_string_equal(json_string_value(json_object_get(tree, "service.name")), "shop \"x\"");
    assert_string_equal(json_string_value(json_object_get(tree, "service.version")), "1.2");
    assert_string_equal(json_string_value(json_object_get(tree, "service.instance.id")),
                        "the-instance");
    assert_string_equal(json_string_value(json_object_get(tree, "region")), "eu");
    assert_string_equal(buffer + w.len - 4, "\"}}\n");
    json_decref(line);
}

static void a_field_never_takes_a_name_of_the_line(void **state)
{
    static const char *const taken[] = {"asctime",    "levelname", "name",    "message",
                                        "request_id", "trace_id",  "span_id", "resource"};
    enum { TAKEN = sizeof(taken) / sizeof(taken[0]) };
    static const struct resource_service own = {"shop", "1", NULL};
    static struct resource resource;
    struct attribute fields[TAKEN + 1];
    struct json_writer w = start();
    json_t *line;

    (void)state;
    assert_null(resource_init(&resource, &own, NULL, NULL, "the-instance"));
    for (size_t i = 0; i < TAKEN; i++)
        fields[i] = attribute_string(taken[i], "the field's");
    fields[TAKEN] = attribute_string("resources", "kept");
    log_write(&w, 0, LOG_LEVEL_INFO, "a", "b", NULL, fields, TAKEN + 1, &resource);
    line = finish(&w);
    assert_int_equal(json_object_size(line), 2 * TAKEN + 1);
    for (size_t i = 0; i < TAKEN; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "field.%s", taken[i]);
        assert_string_equal(json_string_value(json_object_get(line, key)), "the field's");
        assert_string_not_equal(json_string_value(json_object_get(line, taken[i])) != NULL
                                    ? json_string_value(json_object_get(line, taken[i]))
                                    : "",
                                "the field's");
    }
    assert_true(json_is_object(json_object_get(line, "resource")));
    assert_string_equal(json_string_value(json_object_get(line, "resources")), "kept");
    json_decref(line);
}

static void a_resource_without_an_instance(void **state)
{
    static const struct resource_service own = {"shop", NULL, NULL};
    static struct resource resource;

    (void)state;
    assert_null(resource_init(&resource, &own, NULL, "host.name=h", NULL));
    assert_int_equal(resource.members_length,
                     strlen("{\"service.name\":\"shop\",\"host.name\":\"h\"}"));
    assert_memory_equal(resource.members, "{\"service.name\":\"shop\",\"host.name\":\"h\"}",
                        resource.members_length);
}

static json_t *resource_of(const char *service, const char *attributes, const char **problem)
{
    static const struct resource_service own = {"microtrace", MICROTRACE_VERSION, NULL};
    struct resource resource;
    json_t *tree;

    *problem = resource_init(&resource, &own, service, attributes, "the-instance");
    tree = json_loadb(resource.json, resource.length, 0, NULL);
    assert_non_null(tree);
    return tree;
}

static void the_resource_follows_the_environment(void **state)
{
    static const struct {
        const char *service, *attributes, *name, *region;
    } cases[] = {
        {NULL, NULL, "microtrace", NULL},
        {"", "", "microtrace", NULL},
        {"shop", NULL, "shop", NULL},
        {NULL, "service.name=cart,region=eu", "cart", "eu"},
        {"shop", "service.name=cart, region = a%2Cb%20c ", "shop", "a,b c"},
        {NULL, "region=a,region=b", "microtrace", "b"},
        {NULL, "region=", "microtrace", ""},
        {NULL, "region=%41", "microtrace", "A"},
    };
    const char *problem;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const tree = resource_of(cases[i].service, cases[i].attributes, &problem);
        const json_t *const list = json_object_get(tree, "attributes");
        const char *const region = attribute_of(list, "region");

        assert_null(problem);
        assert_string_equal(attribute_of(list, "service.name"), cases[i].name);
        assert_string_equal(attribute_of(list, "service.instance.id"), "the-instance");
        assert_string_equal(attribute_of(list, "service.version"), MICROTRACE_VERSION);
        assert_non_null(attribute_of(list, "host.name"));
        if (cases[i].region == NULL)
            assert_null(region);
        else
            assert_string_equal(region, cases[i].region);
        json_decref(tree);
    }
}

static void attributes_that_cannot_be_decoded_are_discarded_whole(void **state)
{
    static char long_list[10000];
    const char *const cases[] = {"region=eu,x", "region=%4", "region=%zz", "=eu",
                                 "region=%00",  "region",    long_list};
    const char *problem;

    (void)state;
    (void)snprintf(long_list, sizeof(long_list), "region=%09000d", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const tree = resource_of("shop", cases[i], &problem);
        const json_t *const list = json_object_get(tree, "attributes");

        assert_non_null(problem);
        assert_null(attribute_of(list, "region"));
        assert_string_equal(attribute_of(list, "service.name"), "shop");
        json_decref(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_has_canonical_bytes),
        cmocka_unit_test(doubles_that_json_has_no_number_for_are_texts),
        cmocka_unit_test(a_scope_may_name_its_conventions),
        cmocka_unit_test(a_remote_parent_is_continued),
        cmocka_unit_test(what_is_not_sampled_is_propagated_but_not_written),
        cmocka_unit_test(a_ratio_agrees_with_the_id_of_each_span),
        cmocka_unit_test(spans_of_one_scope_share_a_line),
        cmocka_unit_test(what_was_written_before_stands_behind_the_attributes),
        cmocka_unit_test(attributes_without_room_are_counted),
        cmocka_unit_test(a_log_line_has_canonical_bytes),
        cmocka_unit_test(a_log_line_without_a_request_has_empty_ids),
        cmocka_unit_test(a_log_line_ends_with_who_wrote_it),
        cmocka_unit_test(a_field_never_takes_a_name_of_the_line),
        cmocka_unit_test(a_resource_without_an_instance),
        cmocka_unit_test(the_resource_follows_the_environment),
        cmocka_unit_test(attributes_that_cannot_be_decoded_are_discarded_whole),
    };

    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
