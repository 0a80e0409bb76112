/*
 * Goal: MICROTRACE_TRACES_KEEP is read as it is documented, the first rule that fits decides, and
 * spans that wait for the decision come back as they were.
 */
#include "lib/trace/held.h"
#include "lib/trace/keep.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sampler always = {.root = SAMPLER_ALWAYS_ON};
static const uint64_t MS = 1000000;

static void lists_are_read(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        struct keep_rule rules[KEEP_RULES_MAX];
    } cases[] = {
        {"all", 0, {{0}}},
        {" all\t", 0, {{0}}},
        {"error", 1, {{KEEP_ERROR, 0}}},
        {"remote", 1, {{KEEP_REMOTE, 0}}},
        {"slow:100ms", 1, {{KEEP_SLOW, 100000000}}},
        {"slow:100", 1, {{KEEP_SLOW, 100000000}}},
        {"slow:0.5ms", 1, {{KEEP_SLOW, 500000}}},
        {"slow:0", 1, {{KEEP_SLOW, 0}}},
        {"slow:2s", 1, {{KEEP_SLOW, UINT64_C(2000000000)}}},
        {"ratio:0", 1, {{KEEP_RATIO, 0}}},
        {"ratio:1", 1, {{KEEP_RATIO, UINT64_C(1) << 56}}},
        {"ratio:0.5", 1, {{KEEP_RATIO, UINT64_C(1) << 55}}},
        {"ratio:25e-2", 1, {{KEEP_RATIO, UINT64_C(1) << 54}}},
        {" remote , error,slow:1m,ratio:1 ",
         4,
         {{KEEP_REMOTE, 0},
          {KEEP_ERROR, 0},
          {KEEP_SLOW, UINT64_C(60000000000)},
          {KEEP_RATIO, UINT64_C(1) << 56}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keep keep = {.count = 99};

        assert_int_equal(keep_parse(&keep, cases[i].text), 0);
        assert_int_equal(keep.count, cases[i].count);
        for (size_t r = 0; r < keep.count; r++) {
            assert_int_equal(keep.rules[r].reason, cases[i].rules[r].reason);
            assert_int_equal(keep.rules[r].limit, cases[i].rules[r].limit);
        }
    }
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        ",",
        "error,",
        ",error",
        "error,,remote",
        "none",
        "large",
        "All",
        "all,error",
        "error,all",
        "error error",
        "error:1",
        "remote:",
        "slow",
        "slow:",
        "slow:x",
        "slow:-1ms",
        "slow:1 s",
        "slow:18446744073709552ms",
        "ratio",
        "ratio:",
        "ratio:1.1",
        "ratio:-0.1",
        "ratio:5%",
        "ratio:nan",
        "ratio:0x1",
        "ratio: 0.1",
        "ratio:0.00000000000000000000000000000001",
        "error,error",
        "slow:1s,slow:2s",
        "error,slow:1,ratio:1,remote,error",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct keep keep = {.count = 99};

        if (keep_parse(&keep, bad[i]) == 0)
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(keep.count, 99);
    }
}

/* A local root that has ended. */
static struct span root_of(uint64_t took_ns, const struct trace_context *caller)
{
    struct span span;

    span_begin(&span, "x", SPAN_SERVER, caller, caller != NULL, &always);
    span.end_ns = span.start_ns + took_ns;
    return span;
}

static enum keep_reason decided(const char *rules, const struct span *root)
{
    struct keep keep;

    assert_int_equal(keep_parse(&keep, rules), 0);
    return keep_decide(&keep, root);
}

static void the_first_rule_that_fits_decides(void **state)
{
    static const struct trace_context sampled = {
        .trace_id = {{1}}, .span_id = {{1}}, .flags = TRACE_CONTEXT_SAMPLED};
    static const struct trace_context unsampled = {.trace_id = {{1}}, .span_id = {{1}}};
    static const struct trace_context without_ids = {.flags = TRACE_CONTEXT_SAMPLED};
    struct span quick = root_of(MS, NULL), slow = root_of(100 * MS, NULL), span;

    (void)state;
    assert_int_equal(decided("all", &quick), KEEP_ALL);
    assert_int_equal(decided("error,slow:100ms,ratio:0,remote", &quick), KEEP_NONE);
    assert_int_equal(decided("error,slow:100ms,ratio:1", &quick), KEEP_RATIO);
    assert_int_equal(decided("error,slow:100ms,ratio:1", &slow), KEEP_SLOW);
    assert_int_equal(decided("ratio:1,slow:100ms", &slow), KEEP_RATIO);
    slow.end_ns--;
    assert_int_equal(decided("slow:100ms", &slow), KEEP_NONE);
    quick.status = SPAN_STATUS_ERROR;
    assert_int_equal(decided("error,ratio:1", &quick), KEEP_ERROR);
    assert_int_equal(decided("ratio:1,error", &quick), KEEP_RATIO);
    quick.status = SPAN_STATUS_OK;
    assert_int_equal(decided("error", &quick), KEEP_NONE);
    quick.failed = true; /* a span below it */
    assert_int_equal(decided("error", &quick), KEEP_ERROR);

    span = root_of(MS, &sampled);
    assert_int_equal(decided("error,remote", &span), KEEP_REMOTE);
    span = root_of(MS, &unsampled);
    assert_int_equal(decided("error,remote", &span), KEEP_NONE);
    span = root_of(MS, &without_ids);
    assert_int_equal(decided("error,remote", &span), KEEP_NONE);
    /* A parent in this process is no caller. */
    span_begin(&span, "x", SPAN_SERVER, &sampled, false, &always);
    span_end(&span);
    assert_int_equal(decided("remote", &span), KEEP_NONE);
}

static void id_and_caller_are_known_at_the_start(void **state)
{
    static const struct {
        const char *rules;
        bool from_start;
    } cases[] = {
        {"all", true},           {"error,slow:0", false},
        {"error,ratio:1", true}, {"error,ratio:0", false},
        {"error,remote", false},
    };
    struct span root = root_of(MS, NULL);
    struct keep keep;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(keep_parse(&keep, cases[i].rules), 0);
        assert_int_equal(keep_from_start(&keep, &root), cases[i].from_start);
    }
}

/* Two services of one ratio keep the same traces, and a smaller ratio keeps some of those. */
static void a_ratio_is_the_samplers(void **state)
{
    enum { TRACES = 20000 };
    struct sampler sampler;
    struct keep keep, smaller;
    unsigned kept = 0;

    (void)state;
    assert_null(sampler_init(&sampler, "traceidratio", "0.05"));
    assert_int_equal(keep_parse(&keep, "error,ratio:0.05"), 0);
    assert_int_equal(keep_parse(&smaller, "ratio:0.01"), 0);
    for (int i = 0; i < TRACES; i++) {
        struct span root;
        bool is_kept;

        span_begin(&root, "x", SPAN_SERVER, NULL, false, &always);
        span_end(&root);
        is_kept = keep_decide(&keep, &root) == KEEP_RATIO;
        kept += is_kept;
        assert_int_equal(is_kept, sampler_decide(&sampler, &root.context.trace_id, NULL));
        if (keep_decide(&smaller, &root) == KEEP_RATIO)
            assert_true(is_kept);
    }
    /* 1000, and 31 for a standard deviation. */
    assert_in_range(kept, 800, 1200);
}

static struct held held;
static char seen[64][4096]; /* the lines of spans that were taken out */
static size_t seen_count;

static void line_of(const struct span *span, char out[4096])
{
    static struct resource resource;
    static struct scope scope;
    struct json_writer w;

    json_writer_init(&w, out, 4095);
    span_write(span, &resource, &scope, &w);
    assert_false(w.overflow);
    out[w.len] = '\0';
}

static void see(void *context, const struct span *span)
{
    assert_ptr_equal(context, &held);
    assert_true(seen_count < sizeof(seen) / sizeof(seen[0]));
    line_of(span, seen[seen_count++]);
}

/* A child with some of everything, whose texts are gone when it is taken out. */
static void hold_child(struct span *parent, unsigned number, char line[4096])
{
    char text[64], name[16], state[16], json[96];
    struct span span;

    (void)snprintf(name, sizeof(name), "child %u", number);
    (void)snprintf(text, sizeof(text), "text \"%u\"", number);
    (void)snprintf(state, sizeof(state), "a=%u", number);
    (void)snprintf(json, sizeof(json), "{\"key\":\"k\",\"value\":{\"intValue\":\"%u\"}}", number);
    span_begin_child(&span, name, SPAN_CLIENT, parent);
    if (number % 2 == 0)
        memcpy(span.context.state, state, strlen(state) + 1);
    for (unsigned i = 0; i < number % SPAN_ATTRIBUTES_MAX; i++) {
        const struct attribute kinds[] = {
            attribute_string("s", text),       attribute_string("empty", ""),
            attribute_string("absent", NULL),  attribute_int("i", i),
            attribute_double("d", i / 4.0),    attribute_bool("b", i % 2 == 0),
            attribute_bytes("bytes", text, 5), attribute_json("json", "{\"a\":1}", 7),
        };

        span_set(&span, kinds[i % (sizeof(kinds) / sizeof(kinds[0]))]);
    }
    if (number % 3 == 0) {
        span.written_attributes = (struct span_list){json, strlen(json), number};
        span.events = (struct span_list){json, strlen(json), 0};
    }
    if (number % 5 == 0) {
        span.status = SPAN_STATUS_ERROR;
        span.status_message = text;
    }
    span_end(&span);
    line_of(&span, line);
    assert_int_equal(held_add(&held, &span), 0);
    memset(text, 'x', sizeof(text));
    memset(name, 'x', sizeof(name));
    memset(json, 'x', sizeof(json));
}

/* Spans of two traces at once: each comes out with its own, in order, byte for byte. */
static void held_spans_come_back_as_they_were(void **state)
{
    static char lines[2][30][4096];
    struct span roots[2];

    (void)state;
    held_init(&held);
    for (int r = 0; r < 2; r++)
        span_begin(&roots[r], "root", SPAN_SERVER, NULL, false, &always);
    for (unsigned i = 0; i < 60; i++)
        hold_child(&roots[i % 2], i, lines[i % 2][i / 2]);
    for (int r = 0; r < 2; r++) {
        seen_count = 0;
        held_release(&held, &roots[1 - r], see, &held);
        assert_int_equal(seen_count, 30);
        for (size_t i = 0; i < 30; i++)
            assert_string_equal(seen[i], lines[1 - r][i]);
    }
    assert_int_equal(held.used, 0);
    hold_child(&roots[0], 1, lines[0][0]);
    held_release(&held, &roots[1], NULL, NULL);
    assert_true(held.used > 0);
    held_release(&held, NULL, NULL, NULL);
    assert_int_equal(held.used, 0);
}

static void no_room_changes_nothing(void **state)
{
    static char text[ATTRIBUTE_STRING_MAX];
    struct span root, span;
    unsigned held_spans = 0, before;

    (void)state;
    held_init(&held);
    memset(text, 'x', sizeof(text));
    span_begin(&root, "root", SPAN_SERVER, NULL, false, &always);
    span_begin_child(&span, "child", SPAN_INTERNAL, &root);
    span_set(&span, attribute_string_n("k", text, sizeof(text)));
    span_end(&span);
    while (held_add(&held, &span) == 0)
        held_spans++;
    assert_in_range(held_spans, HELD_BYTES / (sizeof(text) + 1024), HELD_BYTES / sizeof(text));
    before = (unsigned)held.used;
    assert_int_equal(held_add(&held, &span), -1);
    assert_int_equal(held.used, before);
    held_release(&held, &root, NULL, NULL);
    assert_int_equal(held_add(&held, &span), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(id_and_caller_are_known_at_the_start),
        cmocka_unit_test(a_ratio_is_the_samplers),
        cmocka_unit_test(held_spans_come_back_as_they_were),
        cmocka_unit_test(no_room_changes_nothing),
    };

    return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
