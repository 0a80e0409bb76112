/*
 * Goal: whatever spans and log records a spool holds of a trace, in whatever order and with
 * whatever clocks, they become one finite tree in which everything has its place, and memory is
 * bounded.
 */
#include "tests/unit/unit.h"

#include "lib/base/clock.h"
#include "view/trace_ids.h"
#include "view/view_trace.h"
#include "view/view_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"
#define T0 UINT64_C(1700000000000000000)

struct fixture {
    struct arena arena;
    struct view_trace trace;
    bool foreign;
};

static struct record_walk walk;
static struct spool_lines batch;

static int begin(void **state)
{
    struct fixture *const f = calloc(1, sizeof(*f));

    f->arena.max = 64 << 20;
    view_trace_init(&f->trace, &f->arena, ID);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *const f = *state;

    view_trace_free(&f->trace);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static bool take_span(void *context, const struct record_parts *parts)
{
    view_trace_add_span(&((struct fixture *)context)->trace, parts);
    return true;
}

static bool take_log(void *context, const struct record_parts *parts)
{
    struct fixture *const f = context;

    view_trace_add_log(&f->trace, parts, f->foreign);
    return true;
}

static void add_line(struct fixture *f, enum spool_signal signal, const char *line)
{
    spool_lines_split(&batch, signal, line, strlen(line), 0, true);
    assert_int_equal(batch.count > 0, 1);
    for (size_t i = 0; i < batch.count; i++) {
        assert_int_equal(batch.items[i].kind, SPOOL_LINE_RECORD);
        assert_true(record_walk_each(&walk, signal, &batch, line, i,
                                     signal == SPOOL_TRACES ? take_span : take_log, f));
    }
}

/* Times in milliseconds after T0. */
static void add_at(struct fixture *f, const char *host, const char *id, const char *parent,
                   const char *name, double start, double duration, int status)
{
    char line[2048];

    (void)snprintf(
        line, sizeof(line),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
        "\"stringValue\":\"svc-%s\"}},{\"key\":\"host.name\",\"value\":{\"stringValue\":\"%s\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"s\"},\"spans\":[{\"traceId\":\"" ID
        "\",\"spanId\":\"%s\",\"parentSpanId\":\"%s\",\"name\":\"%s\",\"startTimeUnixNano\":\"%llu"
        "\",\"endTimeUnixNano\":\"%llu\",\"status\":{\"code\":%d}}]}]}]}\n",
        host, host, id, parent, name, (unsigned long long)(T0 + (uint64_t)(int64_t)(start * 1e6)),
        (unsigned long long)(T0 + (uint64_t)(int64_t)((start + duration) * 1e6)), status);
    add_line(f, SPOOL_TRACES, line);
}

static void add_span(struct fixture *f, const char *id, const char *parent, double start,
                     double duration)
{
    add_at(f, "a", id, parent, id, start, duration, 0);
}

static void add_log(struct fixture *f, const char *span, int ms, const char *message)
{
    char line[1024], when[CLOCK_ISO8601_SIZE];

    clock_iso8601(when, T0 + (uint64_t)ms * 1000000);
    (void)snprintf(
        line, sizeof(line),
        "{\"asctime\":\"%s\",\"levelname\":\"WARNING\",\"name\":\"n\",\"message\":\"%s\","
        "\"request_id\":\"r1\",\"trace_id\":\"" ID
        "\",\"span_id\":\"%s\",\"k\":7,\"resource\":{}}\n",
        when, message, span);
    add_line(f, SPOOL_LOGS, line);
}

/* The walk as one text: depth and name of a span, ":" and text of a note, "+" and a count. */
static const char *walked(struct fixture *f)
{
    static char text[65536];
    struct view_walk w;
    size_t len = 0, items = 0;

    text[0] = '\0';
    view_walk_begin(&w, &f->trace);
    while (view_walk_next(&w) && len + 300 < sizeof(text)) {
        assert_true(items++ < 100000);
        if (w.what == VIEW_WALK_SPAN)
            len += (size_t)sprintf(text + len, " %u%s", w.span->depth, w.span->name);
        else if (w.what == VIEW_WALK_NOTE)
            len += (size_t)sprintf(text + len, " :%s", w.at->text);
        else
            len += (size_t)sprintf(text + len, " +%u", w.span->fold_count);
    }
    return text;
}

static const char *const a = "aaaaaaaaaaaaaaaa", *const b = "bbbbbbbbbbbbbbbb";
static const char *const c = "cccccccccccccccc", *const d = "dddddddddddddddd";

static void children_stand_below_their_parents_in_the_order_of_time(void **state)
{
    struct fixture *const f = *state;

    add_span(f, d, b, 3, 1);
    add_span(f, c, a, 1, 1);
    add_span(f, b, a, 2, 5);
    add_span(f, a, "", 0, 10);
    add_log(f, b, 4, "late");
    add_log(f, b, 2, "early");
    add_log(f, a, 9, "end");
    add_log(f, "", 5, "nobody's");
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0aaaaaaaaaaaaaaaa 1cccccccccccccccc 1bbbbbbbbbbbbbbbb :early "
                                   "2dddddddddddddddd :late :end :nobody's");
    assert_int_equal(f->trace.duration_ns, 10000000);
    assert_int_equal(f->trace.roots->below, 3);
    assert_string_equal(f->trace.request, "r1");
    assert_int_equal(f->trace.service_count, 1);
}

static void a_copy_is_left_out(void **state)
{
    struct fixture *const f = *state;

    for (int i = 0; i < 3; i++)
        add_span(f, a, "", 0, 10);
    for (f->foreign = false;; f->foreign = true) {
        add_log(f, a, 1, "once");
        add_log(f, a, 1, "once"); /* and the same once more */
        if (f->foreign)
            break;
    }
    add_log(f, a, 1, "once"); /* the file has one that was not copied yet */
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0aaaaaaaaaaaaaaaa :once :once :once");
    assert_int_equal(f->trace.duplicates, 2);
}

static void the_events_of_a_copy_are_left_out(void **state)
{
    static const char line[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" ID
        "\",\"spanId\":\"aaaaaaaaaaaaaaaa\",\"name\":\"n\",\"events\":[{\"name\":\"e\"},{\"name\":"
        "\"f\"}]}]}]}]}\n";
    struct fixture *const f = *state;

    for (int i = 0; i < 3; i++)
        add_line(f, SPOOL_TRACES, line);
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0n :e :f");
}

static void a_parent_that_is_not_here_makes_an_orphan(void **state)
{
    struct fixture *const f = *state;

    add_span(f, b, a, 1, 1);
    add_span(f, c, "0000000000000000", 2, 1);
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0bbbbbbbbbbbbbbbb 0cccccccccccccccc");
    assert_true(f->trace.roots->orphan);
    assert_false(f->trace.roots->next->orphan);
}

static void a_circle_is_opened(void **state)
{
    struct fixture *const f = *state;

    add_span(f, a, c, 0, 1);
    add_span(f, b, a, 1, 1);
    add_span(f, c, b, 2, 1);
    add_span(f, d, d, 3, 1);
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0aaaaaaaaaaaaaaaa 1bbbbbbbbbbbbbbbb 2cccccccccccccccc "
                                   "0dddddddddddddddd");
    assert_true(f->trace.roots->orphan);
}

static void another_hosts_clock_is_moved_into_the_parent_with_all_below(void **state)
{
    struct fixture *const f = *state;

    add_at(f, "one", a, "", "a", 0, 10, 0);
    add_at(f, "two", b, a, "b", -3600000, 4, 0);
    add_at(f, "two", c, b, "c", -3599999, 2, 0);
    add_at(f, "one", d, c, "d", 5, 1, 0);
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0a 1b 2c 3d");
    assert_int_equal(f->trace.duration_ns, 10000000);
    for (const struct view_span *at = f->trace.roots; at != NULL; at = at->children) {
        assert_true(at->offset_ns >= 0);
        assert_true((uint64_t)at->offset_ns + at->duration_ns <= f->trace.duration_ns);
    }
    assert_int_equal(f->trace.roots->children->offset_ns, 3000000);
    assert_int_equal(f->trace.roots->children->children->offset_ns, 4000000);
}

static void one_hosts_clock_is_believed(void **state)
{
    struct fixture *const f = *state;

    add_span(f, a, "", 5, 10);
    add_span(f, b, a, 0, 1);
    view_trace_build(&f->trace);
    assert_int_equal(f->trace.roots->offset_ns, 5000000);
    assert_int_equal(f->trace.roots->children->offset_ns, 0);
}

/* A child of the span before it, of a host of its own. */
static void add_next(struct fixture *f, int id, const char *start, const char *end)
{
    char line[1024];

    (void)snprintf(line, sizeof(line),
                   "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"host.name"
                   "\",\"value\":{\"stringValue\":\"%d\"}}]},\"scopeSpans\":[{\"spans\":[{"
                   "\"traceId\":\"" ID "\",\"spanId\":\"%016x\",\"parentSpanId\":\"%016x\","
                   "\"startTimeUnixNano\":\"%s\",\"endTimeUnixNano\":\"%s\",\"events\":[{"
                   "\"timeUnixNano\":\"%s\",\"name\":\"e\"}]}]}]}]}\n",
                   id, id, id - 1, start, end, start);
    add_line(f, SPOOL_TRACES, line);
}

static void clocks_that_are_centuries_apart_do_no_harm(void **state)
{
    struct fixture *const f = *state;

    add_next(f, 1, "9000000000000000000", "9000000000000000001");
    add_next(f, 2, "1000000000000000000", "9200000000000000000");
    add_next(f, 3, "1", "1");
    view_trace_build(&f->trace);
    assert_int_equal(f->trace.start_ns, UINT64_C(9000000000000000000));
    assert_true(f->trace.roots->children->children->offset_ns > 0);
}

static void times_that_nobody_has_do_no_harm(void **state)
{
    static const char *const times[] = {"0", "1", "9223372036854775807", "18446744073709551615"};
    struct fixture *const f = *state;
    int id = 1;

    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++, id++)
            add_next(f, id, times[i], times[k]);
    }
    view_trace_build(&f->trace);
    assert_int_equal(f->trace.span_count, 16);
    assert_non_null(strstr(walked(f), " 15"));
}

static void alike_siblings_are_folded_but_for_the_first_the_slowest_and_what_failed(void **state)
{
    struct fixture *const f = *state;
    char id[17];

    add_span(f, a, "", 0, 10000);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i + 1);
        add_at(f, "a", id, a, "q", i, i == 500 ? 9 : 1, i >= 900 ? 2 : 0);
    }
    add_at(f, "a", c, a, "other", 2000, 1, 0);
    view_trace_build(&f->trace);
    assert_string_equal(walked(f), " 0aaaaaaaaaaaaaaaa 1q 1q 1q 1q 1q +989 1q 1q 1q 1q 1q 1q "
                                   "1other");
    assert_int_equal(f->trace.errors, 100);
    assert_int_equal(f->trace.roots->below, 1001);
}

static void memory_is_bounded_and_what_found_no_room_is_counted(void **state)
{
    struct fixture *const f = *state;
    char id[17];

    f->arena.max = 1 << 20;
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i + 1);
        add_span(f, id, i > 0 ? "0000000000000001" : "", i, 1);
    }
    add_log(f, a, 1, "no room");
    assert_true(f->arena.used <= f->arena.max);
    assert_true(f->trace.spans_left_out > 0);
    assert_int_equal(f->trace.spans_left_out + f->trace.span_count, 5000);
    view_trace_build(&f->trace);
    assert_true(strlen(walked(f)) > 0);
}

static void a_chain_of_all_spans_there_may_be(void **state)
{
    struct fixture *const f = *state;
    char id[17], parent[17] = "";

    for (int i = 0; i < VIEW_TRACE_SPANS_MAX + 5; i++) {
        (void)snprintf(id, sizeof(id), "%016x", i + 1);
        add_span(f, id, parent, i, 1);
        memcpy(parent, id, sizeof(parent));
    }
    view_trace_build(&f->trace);
    assert_int_equal(f->trace.span_count, VIEW_TRACE_SPANS_MAX);
    assert_int_equal(f->trace.spans_left_out, 5);
    assert_int_equal(f->trace.roots->below, VIEW_TRACE_SPANS_MAX - 1);
    assert_non_null(walked(f));
}

static void texts_are_cut_with_a_mark_and_command_no_terminal(void **state)
{
    static char line[200000];
    struct fixture *const f = *state;
    const struct view_span *span;
    size_t len;

    len =
        (size_t)sprintf(line,
                        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"trace_id\":\"" ID
                        "\",\"span_id\":\"%s\",\"name\":\"\\u001b[31m \x7f \xc2\x9b "
                        "\xe2\x80\xae \\\"q\\\" \\n\",\"attributes\":[{\"key\":\"big\",\"value\":{"
                        "\"stringValue\":\"",
                        a);
    memset(line + len, 'x', 65536);
    (void)strcpy(line + len + 65536,
                 "\"}},{\"key\":\"n\",\"value\":{\"intValue\":\"7\"}},{\"key\":\"l\",\"value\":{"
                 "\"arrayValue\":{\"values\":[{\"stringValue\":\"v\"}]}}}]}]}]}]}\n");
    add_line(f, SPOOL_TRACES, line);
    view_trace_build(&f->trace);
    span = f->trace.roots;
    assert_string_equal(span->name, "\\u001b[31m \\u007f \\u009b \\u202e \"q\" \\n");
    assert_int_equal(span->pair_count, 3);
    assert_int_equal(strlen(span->pairs[0].value),
                     VIEW_TRACE_VALUE_MAX + strlen("...(65536 bytes)"));
    assert_non_null(strstr(span->pairs[0].value, "x...(65536 bytes)"));
    assert_string_equal(span->pairs[1].value, "7");
    assert_string_equal(span->pairs[2].value, "[\"v\"]");
}

static void ids_are_found_in_either_case_and_at_any_place(void **state)
{
    struct trace_ids ids = {.count = 0};
    char json[256];

    (void)state;
    assert_int_equal(trace_ids_add(&ids, text_of("0123456789ABCDEF0123456789abcdef")), 0);
    assert_int_equal(trace_ids_add(&ids, text_of(ID)), 0);
    assert_int_equal(trace_ids_add(&ids, text_of("00000000000000000000000000000000")), -1);
    assert_int_equal(trace_ids_add(&ids, text_of("0123456789abcdef0123456789abcde")), -1);
    assert_int_equal(trace_ids_add(&ids, text_of("0123456789abcdef0123456789abcdeg")), -1);
    for (size_t before = 0; before < 70; before++) {
        for (size_t behind = 0; behind < 70; behind += 23) {
            memset(json, 'x', sizeof(json));
            memcpy(json + before, "\"" ID "\"", 34);
            assert_true(trace_ids_may_be_in(&ids, (struct text){json, before + 34 + behind}));
            json[before + 5] ^= 1;
            assert_false(trace_ids_may_be_in(&ids, (struct text){json, before + 34 + behind}));
        }
    }
    assert_true(trace_ids_may_be_in(&ids, text_of("\"0123456789ABCDEF0123456789ABCDEF\"")));
    assert_true(trace_ids_may_be_in(&ids, text_of("{\"a\":\"\\u0030\"}"))); /* perhaps */
    assert_false(trace_ids_may_be_in(&ids, text_of("{\"a\":\"\\n\"}")));
    assert_false(trace_ids_may_be_in(&ids, text_of("")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(children_stand_below_their_parents_in_the_order_of_time),
        TEST(a_copy_is_left_out),
        TEST(the_events_of_a_copy_are_left_out),
        TEST(a_parent_that_is_not_here_makes_an_orphan),
        TEST(a_circle_is_opened),
        TEST(another_hosts_clock_is_moved_into_the_parent_with_all_below),
        TEST(one_hosts_clock_is_believed),
        TEST(clocks_that_are_centuries_apart_do_no_harm),
        TEST(times_that_nobody_has_do_no_harm),
        TEST(alike_siblings_are_folded_but_for_the_first_the_slowest_and_what_failed),
        TEST(memory_is_bounded_and_what_found_no_room_is_counted),
        TEST(a_chain_of_all_spans_there_may_be),
        TEST(texts_are_cut_with_a_mark_and_command_no_terminal),
        TEST(ids_are_found_in_either_case_and_at_any_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
