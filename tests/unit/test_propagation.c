/*
 * Goal: each format of OTEL_PROPAGATORS is read and written as its own specification says, several
 * together by their order, and a caller's bad header starts a new trace and nothing else.
 */
#include "lib/trace/propagation.h"
#include "lib/trace/sampler.h"
#include "lib/trace/span.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define SHORT  "a3ce929d0e0e4736"
#define PADDED "0000000000000000" SHORT
#define SPAN   "00f067aa0ba902b7"
#define ZERO   "0000000000000000"

enum {
    SAMPLED = TRACE_CONTEXT_SAMPLED,
    DEFERRED = TRACE_CONTEXT_DEFERRED,
    DEBUG = TRACE_CONTEXT_DEBUG | TRACE_CONTEXT_SAMPLED,
    NOTHING = -1, /* no context */
};

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static const struct scope scope = {.json = "{}", .length = 2};

static unsigned set_of(const char *names)
{
    unsigned set;

    assert_null(propagation_parse(&set, names));
    return set;
}

static void lists_are_read(void **state)
{
    static const struct {
        const char *value, *same_as;
        bool warns;
    } cases[] = {
        {NULL, "tracecontext,baggage", false},
        {"", "tracecontext,baggage", false},
        {" , ", "tracecontext,baggage", false},
        {" tracecontext ,\tbaggage,", "tracecontext,baggage", false},
        {"TraceContext,BAGGAGE", "tracecontext,baggage", false},
        {"b3,b3,b3multi,b3", "b3,b3multi", false},
        {"b3,xray,jaeger", "b3,jaeger", true},
        {"b3 jaeger", "tracecontext,baggage", true},
        {"xray,ottrace", "tracecontext,baggage", true},
        {"none,b3", "none", true},
        {"xray,none", "none", true},
        {"none,none", "none", false},
    };
    unsigned set;

    (void)state;
    assert_int_equal(set_of("none"), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *warning = propagation_parse(&set, cases[i].value);

        assert_int_equal(set, set_of(cases[i].same_as));
        assert_int_equal(warning != NULL, cases[i].warns);
        assert_true(warning == NULL || strstr(warning, "OTEL_PROPAGATORS") != NULL);
    }
    set = set_of("jaeger,b3multi,b3,baggage,tracecontext");
    for (int format = 1; format <= PROPAGATION_FORMATS; format++) {
        assert_true(propagation_has(set, format));
        assert_false(propagation_has(0, format));
    }
    assert_false(propagation_has(set_of("b3multi"), PROPAGATION_B3));
}

/* Checks what is found: `flags` NOTHING for no span, else a context of these ids. */
static void expect(unsigned set, const struct propagation_carrier *in, const char *trace, int flags)
{
    struct trace_context context;
    char hex[IDS_TRACE_HEX + 1] = {0}, span[IDS_SPAN_HEX + 1] = {0};

    memset(&context, 0xa5, sizeof(context));
    if (!propagation_extract(set, in, &context)) {
        assert_int_equal(NOTHING, flags);
        assert_true(ids_trace_is_zero(&context.trace_id) && ids_span_is_zero(&context.span_id));
        assert_string_equal(context.state, "");
        return;
    }
    assert_int_equal(context.flags, flags);
    ids_to_hex(hex, context.trace_id.bytes, 16);
    ids_to_hex(span, context.span_id.bytes, 8);
    assert_string_equal(hex, trace);
    assert_string_equal(span, SPAN);
}

static void nothing_is_found_in_nothing(void **state)
{
    const struct propagation_carrier none = {0};

    (void)state;
    expect(0, &none, NULL, NOTHING);
    expect(set_of("tracecontext,baggage,b3,b3multi,jaeger"), &none, NULL, NOTHING);
}

static void tracecontext_is_read_only_where_it_is_named(void **state)
{
    const struct propagation_carrier in = {.traceparent = "00-" TRACE "-" SPAN "-03",
                                           .tracestate = "foo=1 , bar=2"};
    struct trace_context context;

    (void)state;
    expect(set_of("tracecontext"), &in, TRACE, TRACE_CONTEXT_WIRE);
    expect(set_of("b3,jaeger,b3multi,baggage"), &in, NULL, NOTHING);
    expect(set_of("none"), &in, NULL, NOTHING);
    assert_true(propagation_extract(set_of("tracecontext"), &in, &context));
    assert_string_equal(context.state, "foo=1,bar=2");
}

static void b3_in_one_header_is_read(void **state)
{
    static const struct {
        const char *text, *trace;
        int flags;
    } cases[] = {
        {TRACE "-" SPAN, TRACE, DEFERRED},
        {TRACE "-" SPAN "-0", TRACE, 0},
        {TRACE "-" SPAN "-1", TRACE, SAMPLED},
        {TRACE "-" SPAN "-d", TRACE, DEBUG},
        {TRACE "-" SPAN "-1-" SHORT, TRACE, SAMPLED},
        {SHORT "-" SPAN "-1", PADDED, SAMPLED},
        {PADDED "-" SPAN "-1", PADDED, SAMPLED},
        {"", NULL, NOTHING},
        {"0", NULL, NOTHING},
        {"1", NULL, NOTHING},
        {"d", NULL, NOTHING},
        {"-", NULL, NOTHING},
        {"--", NULL, NOTHING},
        {TRACE, NULL, NOTHING},
        {TRACE "-", NULL, NOTHING},
        {TRACE "-" SPAN "-", NULL, NOTHING},
        {TRACE "-" SPAN "-2", NULL, NOTHING},
        {TRACE "-" SPAN "-D", NULL, NOTHING},
        {TRACE "-" SPAN "-true", NULL, NOTHING},
        {TRACE "-" SPAN "-1-", NULL, NOTHING},
        {TRACE "-" SPAN "-1-" ZERO, NULL, NOTHING},
        {TRACE "-" SPAN "-1-" SHORT "-", NULL, NOTHING},
        {TRACE "-" SPAN "-1-" SHORT "0", NULL, NOTHING},
        {TRACE "-" SPAN "0-1", NULL, NOTHING},
        {TRACE "-" ZERO "-1", NULL, NOTHING},
        {ZERO "-" SPAN "-1", NULL, NOTHING},
        {ZERO ZERO "-" SPAN "-1", NULL, NOTHING},
        {"4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-1", NULL, NOTHING},
        {"4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-1", NULL, NOTHING},
        {"4bf92f3577b34da6a3ce929d0e0e473x-" SPAN "-1", NULL, NOTHING},
        {"04bf92f3577b34da6a3ce929d0e0e4736-" SPAN "-1", NULL, NOTHING},
        {"a3ce929d0e0e473-" SPAN "-1", NULL, NOTHING},
        {TRACE "-" SPAN "-1, " TRACE "-" SPAN "-1", NULL, NOTHING},
        {" " TRACE "-" SPAN "-1", NULL, NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct propagation_carrier in = {.b3 = cases[i].text};

        expect(set_of("b3"), &in, cases[i].trace, cases[i].flags);
        expect(set_of("b3multi"), &in, cases[i].trace, cases[i].flags);
        expect(set_of("tracecontext,baggage,jaeger"), &in, NULL, NOTHING);
    }
}

static void b3_in_several_headers_is_read(void **state)
{
    static const struct {
        struct propagation_carrier in;
        const char *trace;
        int flags;
    } cases[] = {
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN}, TRACE, DEFERRED},
        {{.b3_trace_id = SHORT, .b3_span_id = SPAN}, PADDED, DEFERRED},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "1"}, TRACE, SAMPLED},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "true"}, TRACE, SAMPLED},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "0"}, TRACE, 0},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "False"}, TRACE, 0},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "yes"}, TRACE, DEFERRED},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "d"}, TRACE, DEFERRED},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_flags = "1"}, TRACE, DEBUG},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "0", .b3_flags = "1"},
         TRACE,
         DEBUG},
        {{.b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "0", .b3_flags = "0"}, TRACE, 0},
        {{.b3_trace_id = TRACE}, NULL, NOTHING},
        {{.b3_span_id = SPAN}, NULL, NOTHING},
        {{.b3_sampled = "1"}, NULL, NOTHING},
        {{.b3_trace_id = "", .b3_span_id = SPAN}, NULL, NOTHING},
        {{.b3_trace_id = TRACE, .b3_span_id = ZERO}, NULL, NOTHING},
        {{.b3_trace_id = TRACE "-", .b3_span_id = SPAN}, NULL, NOTHING},
        {{.b3_trace_id = TRACE, .b3_span_id = "f067aa0ba902b7"}, NULL, NOTHING},
        {{.b3_trace_id = TRACE, .b3_span_id = "00F067AA0BA902B7"}, NULL, NOTHING},
        /* The single header comes first, and a bad one is as good as none. */
        {{.b3 = SHORT "-" SPAN "-0", .b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "1"},
         PADDED,
         0},
        {{.b3 = "bad", .b3_trace_id = TRACE, .b3_span_id = SPAN, .b3_sampled = "1"},
         TRACE,
         SAMPLED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(set_of("b3multi"), &cases[i].in, cases[i].trace, cases[i].flags);
        expect(set_of("b3"), &cases[i].in, cases[i].trace, cases[i].flags);
        expect(set_of("tracecontext,baggage,jaeger"), &cases[i].in, NULL, NOTHING);
    }
}

static void b3_can_decide_on_sampling_alone(void **state)
{
    static const struct {
        struct propagation_carrier in;
        uint8_t flags;
    } cases[] = {
        {{.b3 = "0"}, 0},
        {{.b3 = "1"}, SAMPLED},
        {{.b3 = "d"}, DEBUG},
        {{.b3 = "x"}, DEFERRED},
        {{.b3 = ""}, DEFERRED},
        {{.b3 = "00"}, DEFERRED},
        {{.b3_sampled = "0"}, 0},
        {{.b3_sampled = "1"}, SAMPLED},
        {{.b3_flags = "1"}, DEBUG},
        {{.b3_flags = "0"}, DEFERRED},
        {{.traceparent = "bad"}, DEFERRED},
    };
    struct trace_context context;
    struct sampler sampler;

    (void)state;
    assert_null(sampler_init(&sampler, "parentbased_always_on", NULL));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(propagation_extract(set_of("b3"), &cases[i].in, &context));
        assert_int_equal(context.flags, cases[i].flags);
        assert_int_equal(sampler_decide(&sampler, &context.trace_id, &context),
                         cases[i].flags != 0);
        assert_false(propagation_extract(set_of("tracecontext"), &cases[i].in, &context));
        assert_int_equal(context.flags, DEFERRED);
    }
}

static void a_deferred_decision_is_the_root_samplers(void **state)
{
    const struct propagation_carrier in = {.b3 = TRACE "-" SPAN};
    struct trace_context context;
    struct sampler sampler;

    (void)state;
    assert_true(propagation_extract(set_of("b3"), &in, &context));
    assert_null(sampler_init(&sampler, "parentbased_always_on", NULL));
    assert_true(sampler_decide(&sampler, &context.trace_id, &context));
    assert_null(sampler_init(&sampler, "parentbased_always_off", NULL));
    assert_false(sampler_decide(&sampler, &context.trace_id, &context));
    assert_null(sampler_init(&sampler, "parentbased_traceidratio", "0"));
    assert_false(sampler_decide(&sampler, &context.trace_id, &context));
}

static void jaeger_is_read(void **state)
{
    static const struct {
        const char *text, *trace;
        int flags;
    } cases[] = {
        {TRACE ":" SPAN ":0:1", TRACE, SAMPLED},
        {TRACE ":" SPAN ":0:0", TRACE, 0},
        {TRACE ":" SPAN ":0:01", TRACE, SAMPLED},
        {TRACE ":" SPAN ":" SHORT ":3", TRACE, DEBUG},
        {TRACE ":" SPAN ":0:2", TRACE, 0}, /* debug counts with sampled only */
        {TRACE ":" SPAN ":0:ff", TRACE, DEBUG},
        {TRACE ":f067aa0ba902b7:0:1", TRACE, SAMPLED},
        {SHORT ":" SPAN ":0:1", PADDED, SAMPLED},
        {"1:" SPAN ":0:1", ZERO "0000000000000001", SAMPLED},
        {"abc:" SPAN ":0:1", ZERO "0000000000000abc", SAMPLED},
        {"4BF92F3577B34DA6A3CE929D0E0E4736:" SPAN ":0:1", TRACE, SAMPLED},
        {TRACE "%3A" SPAN "%3a0%3A1", TRACE, SAMPLED},
        {TRACE ":" SPAN "%3A0:1", TRACE, SAMPLED},
        {"", NULL, NOTHING},
        {":", NULL, NOTHING},
        {":::", NULL, NOTHING},
        {TRACE, NULL, NOTHING},
        {TRACE ":" SPAN, NULL, NOTHING},
        {TRACE ":" SPAN ":0", NULL, NOTHING},
        {TRACE ":" SPAN ":0:", NULL, NOTHING},
        {TRACE ":" SPAN "::1", NULL, NOTHING},
        {TRACE ":" SPAN ":0:1:", NULL, NOTHING},
        {TRACE ":" SPAN ":0:1:0", NULL, NOTHING},
        {TRACE ":" SPAN ":0:001", NULL, NOTHING},
        {TRACE ":" SPAN ":0:x", NULL, NOTHING},
        {TRACE ":" SPAN ":x:1", NULL, NOTHING},
        {TRACE ":" ZERO ":0:1", NULL, NOTHING},
        {"0:" SPAN ":0:1", NULL, NOTHING},
        {"0" TRACE ":" SPAN ":0:1", NULL, NOTHING},
        {TRACE ":0" SPAN ":0:1", NULL, NOTHING},
        {TRACE "%3" SPAN ":0:1", NULL, NOTHING},
        {TRACE "%3B" SPAN ":0:1", NULL, NOTHING},
        {TRACE ":" SPAN ":0:1, " TRACE ":" SPAN ":0:1", NULL, NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct propagation_carrier in = {.uber_trace_id = cases[i].text};

        expect(set_of("jaeger"), &in, cases[i].trace, cases[i].flags);
        expect(set_of("tracecontext,baggage,b3,b3multi"), &in, NULL, NOTHING);
    }
}

static void an_endless_jaeger_header_is_not_read(void **state)
{
    char text[4096];
    const struct propagation_carrier in = {.uber_trace_id = text};

    (void)state;
    memset(text, '0', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    memcpy(text + 2000, ":1:0:1", 6);
    expect(set_of("jaeger"), &in, NULL, NOTHING);
}

static void the_last_valid_format_wins(void **state)
{
    const struct propagation_carrier both = {.traceparent = "00-" TRACE "-" SPAN "-01",
                                             .tracestate = "foo=1",
                                             .b3 = SHORT "-" SPAN "-0"};
    const struct propagation_carrier bad_b3 = {
        .traceparent = "00-" TRACE "-" SPAN "-01", .tracestate = "foo=1", .b3 = "bad"};
    const struct propagation_carrier same = {.traceparent = "00-" TRACE "-" SPAN "-03",
                                             .tracestate = "foo=1",
                                             .b3 = TRACE "-" SPAN "-d"};
    const struct propagation_carrier denied = {.traceparent = "00-" TRACE "-" SPAN "-01",
                                               .b3 = "0"};
    struct trace_context context;

    (void)state;
    expect(set_of("tracecontext,b3"), &both, PADDED, 0);
    expect(set_of("b3,tracecontext"), &both, TRACE, SAMPLED);
    expect(set_of("tracecontext,b3"), &bad_b3, TRACE, SAMPLED);
    expect(set_of("b3,tracecontext"), &bad_b3, TRACE, SAMPLED);
    /* Another trace's state does not stay, the same span's does. */
    assert_true(propagation_extract(set_of("tracecontext,b3"), &both, &context));
    assert_string_equal(context.state, "");
    assert_true(propagation_extract(set_of("tracecontext,b3"), &bad_b3, &context));
    assert_string_equal(context.state, "foo=1");
    assert_true(propagation_extract(set_of("tracecontext,b3"), &same, &context));
    assert_string_equal(context.state, "foo=1");
    assert_int_equal(context.flags, DEBUG | TRACE_CONTEXT_RANDOM);
    /* A decision alone never beats a context. */
    expect(set_of("tracecontext,b3"), &denied, TRACE, SAMPLED);
}

/* What was injected: "name: value\n" each. */
static void gather(void *to, const char *name, const char *value)
{
    char *text = to;

    (void)stpcpy(stpcpy(stpcpy(stpcpy(text + strlen(text), name), ": "), value), "\n");
}

static void expect_fields(const char *names, uint8_t flags, const char *expected)
{
    struct trace_context context = {.flags = flags, .state = "foo=1"};
    char text[16384] = "";
    int lines = 0;

    assert_int_equal(ids_from_hex(context.trace_id.bytes, TRACE, 16), 0);
    assert_int_equal(ids_from_hex(context.span_id.bytes, SPAN, 8), 0);
    for (const char *at = expected; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(propagation_inject(set_of(names), &context, "k=v ; p", gather, text), lines);
    assert_string_equal(text, expected);
}

static void each_format_is_written(void **state)
{
    (void)state;
    expect_fields("none", SAMPLED, "");
    expect_fields("tracecontext", TRACE_CONTEXT_WIRE,
                  "traceparent: 00-" TRACE "-" SPAN "-03\ntracestate: foo=1\n");
    expect_fields("tracecontext", DEBUG | DEFERRED,
                  "traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: foo=1\n");
    expect_fields("baggage", SAMPLED, "baggage: k=v ; p\n");
    expect_fields("b3", SAMPLED, "b3: " TRACE "-" SPAN "-1\n");
    expect_fields("b3", 0, "b3: " TRACE "-" SPAN "-0\n");
    expect_fields("b3", DEBUG, "b3: " TRACE "-" SPAN "-d\n");
    expect_fields("b3multi", SAMPLED,
                  "X-B3-TraceId: " TRACE "\nX-B3-SpanId: " SPAN "\nX-B3-Sampled: 1\n");
    expect_fields("b3multi", 0,
                  "X-B3-TraceId: " TRACE "\nX-B3-SpanId: " SPAN "\nX-B3-Sampled: 0\n");
    expect_fields("b3multi", DEBUG,
                  "X-B3-TraceId: " TRACE "\nX-B3-SpanId: " SPAN "\nX-B3-Flags: 1\n");
    expect_fields("jaeger", SAMPLED, "uber-trace-id: " TRACE ":" SPAN ":0:1\n");
    expect_fields("jaeger", 0, "uber-trace-id: " TRACE ":" SPAN ":0:0\n");
    expect_fields("jaeger", DEBUG, "uber-trace-id: " TRACE ":" SPAN ":0:3\n");
    expect_fields("jaeger,b3,b3multi,baggage,tracecontext", SAMPLED,
                  "uber-trace-id: " TRACE ":" SPAN ":0:1\n"
                  "b3: " TRACE "-" SPAN "-1\n"
                  "X-B3-TraceId: " TRACE "\nX-B3-SpanId: " SPAN "\nX-B3-Sampled: 1\n"
                  "baggage: k=v ; p\n"
                  "traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: foo=1\n");
}

static void a_context_without_ids_is_not_written(void **state)
{
    const struct trace_context context = {.flags = SAMPLED};
    const unsigned set = set_of("tracecontext,b3,b3multi,jaeger,baggage");
    char text[256] = "";

    (void)state;
    assert_int_equal(propagation_inject(set, &context, NULL, gather, text), 0);
    assert_int_equal(propagation_inject(set, &context, "a=1", gather, text), 1);
    assert_string_equal(text, "baggage: a=1\n");
}

static void debug_reaches_the_child_and_never_a_line(void **state)
{
    const struct propagation_carrier in = {.b3 = TRACE "-" SPAN "-d"};
    static const struct resource resource = {.json = "{}", .length = 2};
    struct trace_context context;
    struct span server, child;
    struct json_writer w;
    char line[4096];

    (void)state;
    assert_true(propagation_extract(set_of("b3"), &in, &context));
    span_begin(&server, "server", SPAN_SERVER, &context, true, &always);
    span_begin_child(&child, "child", SPAN_CLIENT, &server);
    assert_int_equal(child.context.flags, DEBUG);
    span_end(&child);
    json_writer_init(&w, line, sizeof(line));
    span_write(&child, &resource, &scope, &w);
    line[w.len] = '\0';
    assert_non_null(strstr(line, "\"flags\":257,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(nothing_is_found_in_nothing),
        cmocka_unit_test(tracecontext_is_read_only_where_it_is_named),
        cmocka_unit_test(b3_in_one_header_is_read),
        cmocka_unit_test(b3_in_several_headers_is_read),
        cmocka_unit_test(b3_can_decide_on_sampling_alone),
        cmocka_unit_test(a_deferred_decision_is_the_root_samplers),
        cmocka_unit_test(jaeger_is_read),
        cmocka_unit_test(an_endless_jaeger_header_is_not_read),
        cmocka_unit_test(the_last_valid_format_wins),
        cmocka_unit_test(each_format_is_written),
        cmocka_unit_test(a_context_without_ids_is_not_written),
        cmocka_unit_test(debug_reaches_the_child_and_never_a_line),
    };

    return cmocka_run_group_tests_name("propagation", tests, NULL, NULL);
}
