/*
 * Goal: with MICROTRACE_TRACES_KEEP each local trace of the public API is written whole or not at
 * all, whatever the order in which its spans end, whatever other threads do, and however large it
 * is; what is counted is what happened, and exemplars point to traces that are there.
 */
#include "lib/trace/held.h"
#include "tests/unit/microtrace_fixture.h"

static const char kept[] = "microtrace_traces_kept_total";
static const char discarded[] = "microtrace_traces_discarded_total";

static struct mt *open_with(const char *rules)
{
    struct mt *mt;

    assert_int_equal(setenv("MICROTRACE_TRACES_KEEP", rules, 1), 0);
    mt = mt_open("shop", "1.0");
    assert_non_null(mt);
    return mt;
}

/* The span of that name; NULL if it is not there. It lives as long as the lines. */
static json_t *find_span(const json_t *lines, const char *name)
{
    const json_t *line;
    json_t *span;
    size_t i, j;

    json_array_foreach(lines, i, line)
    {
        json_array_foreach(json_object_get(scope_spans(line), "spans"), j, span)
        {
            if (strcmp(text_of(span, "name"), name) == 0)
                return span;
        }
    }
    return NULL;
}

static const char *reason_of(const json_t *span)
{
    return text_of(attribute_of(json_object_get(span, "attributes"), "microtrace.keep.reason"),
                   "stringValue");
}

static void what_no_rule_keeps_is_counted_and_not_written(void **state)
{
    struct mt *const mt = open_with("error,slow:1h");
    struct mt_span *top, *child;
    json_t *lines;

    (void)state;
    assert_int_equal(value_of(discarded, NULL), 0);
    assert_int_equal(value_of(kept, "error"), 0);
    assert_int_equal(value_of(kept, "slow"), 0);
    assert_int_equal(value_of(kept, "large"), 0);
    assert_int_equal(value_of(kept, "all"), -1);
    top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
    child = mt_span_start(mt, "child", MT_SPAN_INTERNAL, top);
    mt_log(mt, child, MT_LOG_INFO, NULL, "logs are whole", NULL, 0);
    mt_span_end(child);
    mt_span_end(top);
    assert_int_equal(mt_flush(mt), 0);
    lines = spooled("traces");
    assert_int_equal(json_array_size(lines), 0);
    json_decref(lines);
    lines = spooled("logs");
    assert_int_equal(json_array_size(lines), 1);
    json_decref(lines);
    assert_int_equal(value_of(discarded, NULL), 1);
    mt_close(mt);
}

/* An error below the root keeps it all; each span is there once, with its text. */
static void an_error_below_keeps_the_trace(void **state)
{
    struct mt *const mt = open_with("slow:1h,error");
    struct mt_span *const top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
    struct mt_span *const middle = mt_span_start(mt, "middle", MT_SPAN_INTERNAL, top);
    struct mt_span *const leaf = mt_span_start(mt, "leaf", MT_SPAN_CLIENT, middle);
    json_t *lines, *span;

    (void)state;
    mt_span_set(leaf, mt_string("text", "of the \"leaf\""));
    mt_span_record_error(leaf, "io", "disk full", NULL);
    mt_span_end(leaf);
    mt_span_end(middle);
    assert_int_equal(mt_flush(mt), 0);
    lines = spooled("traces");
    assert_int_equal(json_array_size(lines), 0);
    json_decref(lines);
    mt_span_end(top);
    assert_int_equal(mt_flush(mt), 0);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), 3);
    assert_string_equal(reason_of(find_span(lines, "root")), "error");
    assert_string_equal(reason_of(find_span(lines, "middle")), "");
    span = find_span(lines, "leaf");
    assert_string_equal(
        text_of(attribute_of(json_object_get(span, "attributes"), "text"), "stringValue"),
        "of the \"leaf\"");
    assert_string_equal(text_of(json_object_get(span, "status"), "message"), "disk full");
    assert_int_equal(json_array_size(json_object_get(span, "events")), 1);
    json_decref(lines);
    assert_int_equal(value_of(kept, "error"), 1);
    assert_int_equal(value_of(discarded, NULL), 0);
    mt_close(mt);
}

static void a_span_that_ends_after_its_root_goes_its_way(void **state)
{
    struct mt *const mt = open_with("error");
    json_t *lines;

    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        struct mt_span *const top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
        struct mt_span *const late =
            mt_span_start(mt, failed ? "kept" : "gone", MT_SPAN_INTERNAL, top);
        struct mt_span *later;

        if (failed)
            mt_span_set_status(top, MT_STATUS_ERROR, NULL);
        mt_span_end(top);
        later = mt_span_start(mt, failed ? "kept later" : "gone later", MT_SPAN_INTERNAL, late);
        mt_span_end(late);
        mt_span_end(later);
    }
    assert_int_equal(mt_flush(mt), 0);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), 3);
    assert_non_null(find_span(lines, "kept"));
    assert_non_null(find_span(lines, "kept later"));
    json_decref(lines);
    assert_int_equal(value_of(kept, "error") + value_of(discarded, NULL), 2);
    mt_close(mt);
}

static void the_callers_decision_is_kept(void **state)
{
    static const char *const parents[] = {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                          NULL};
    struct mt *const mt = open_with("error,remote");
    json_t *lines;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct mt_span *const top =
            mt_span_start_remote(mt, "root", MT_SPAN_SERVER, parents[i], NULL);
        struct mt_span *const child = mt_span_start(mt, "child", MT_SPAN_INTERNAL, top);
        char text[MT_TRACEPARENT_SIZE];

        /* Who is called meanwhile may need it: nothing is decided. */
        assert_int_equal(mt_span_traceparent(child, text), 0);
        assert_string_equal(text + 53, i == 0 ? "01" : "03");
        mt_span_end(child);
        mt_span_end(top);
    }
    mt_close(mt);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), 2);
    assert_string_equal(reason_of(find_span(lines, "root")), "remote");
    json_decref(lines);
    assert_int_equal(value_of(kept, "remote"), 1);
    assert_int_equal(value_of(discarded, NULL), 1);
}

/* More than can wait is no reason to lose a trace, or to hold up another. */
static void a_trace_beyond_the_room_is_kept(void **state)
{
    enum { TEXT = 4000, CHILDREN = HELD_BYTES / TEXT + 10 };
    static char text[TEXT];
    struct mt *const mt = open_with("error,slow:1h");
    struct mt_span *const other = mt_span_start(mt, "other", MT_SPAN_SERVER, NULL);
    struct mt_span *const top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
    struct mt_span *child = mt_span_start(mt, "other child", MT_SPAN_INTERNAL, other);
    json_t *lines;

    (void)state;
    memset(text, 'x', sizeof(text));
    mt_span_end(child);
    for (int i = 0; i < CHILDREN; i++) {
        child = mt_span_start(mt, "child", MT_SPAN_INTERNAL, top);
        mt_span_set(child, mt_string_n("text", text, sizeof(text)));
        mt_span_end(child);
    }
    mt_span_end(top);
    mt_span_end(other);
    mt_close(mt);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), CHILDREN + 1);
    assert_string_equal(reason_of(find_span(lines, "root")), "large");
    json_decref(lines);
    assert_int_equal(value_of(kept, "large"), 1);
    assert_int_equal(value_of(discarded, NULL), 1);
}

static void what_nobody_ends_is_there_in_the_end(void **state)
{
    struct mt *const mt = open_with("error");
    struct mt_span *const top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
    json_t *lines;
    pid_t child;
    int status;

    (void)state;
    mt_span_end(mt_span_start(mt, "child", MT_SPAN_INTERNAL, top));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* What waited is the parent's. */
        mt_close(mt);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    mt_close(mt);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), 1);
    assert_non_null(find_span(lines, "child"));
    json_decref(lines);
    free(top); /* the test's way of not ending it */
}

/* The trace id of the exemplar in the bucket of 1 second, or "". */
static const char *exemplar_of(const char *name)
{
    static char text[33];
    struct metrics_reader *const reader = metrics_reader_open(run_dir);
    const struct metrics_reader_family *family;
    struct metrics_reader_exemplar exemplar;

    text[0] = '\0';
    assert_non_null(reader);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    family = metrics_reader_find_family(reader, name, strlen(name));
    assert_non_null(family);
    for (uint32_t bucket = 0; bucket <= family->bound_count; bucket++) {
        if (metrics_reader_exemplar(reader, family, family->series[0], bucket, &exemplar))
            ids_to_hex(text, exemplar.trace.bytes, sizeof(exemplar.trace.bytes));
    }
    text[32] = '\0';
    metrics_reader_close(reader);
    return text;
}

static void an_exemplar_waits_for_the_decision(void **state)
{
    struct mt *const mt = open_with("error");
    struct mt_series *const seconds = mt_metric_series(
        mt_declare(mt, MT_HISTOGRAM, "step_seconds", "Steps.", "seconds", NULL), NULL);

    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        struct mt_span *const top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
        struct mt_span *const child = mt_span_start(mt, "child", MT_SPAN_INTERNAL, top);
        char parent[MT_TRACEPARENT_SIZE];

        assert_int_equal(mt_span_traceparent(child, parent), 0);
        mt_observe(seconds, 1, child);
        /* The value counts at once. */
        assert_int_equal(value_of("step_seconds", NULL), failed + 1);
        assert_string_equal(exemplar_of("step_seconds"), "");
        mt_span_end(child);
        if (failed)
            mt_span_set_status(top, MT_STATUS_ERROR, NULL);
        mt_span_end(top);
        parent[35] = '\0';
        assert_string_equal(exemplar_of("step_seconds"), failed ? parent + 3 : "");
        assert_int_equal(value_of("step_seconds", NULL), failed + 1);
    }
    mt_close(mt);
}

static void *work(void *argument)
{
    struct mt *const mt = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct mt_span *const top = mt_span_start(mt, "root", MT_SPAN_SERVER, NULL);
        struct mt_span *const first = mt_span_start(mt, "child", MT_SPAN_INTERNAL, top);
        struct mt_span *const second = mt_span_start(mt, "child", MT_SPAN_INTERNAL, first);

        mt_span_end(second);
        if (i % 10 == 0)
            mt_span_set_status(first, MT_STATUS_ERROR, NULL);
        mt_span_end(first);
        mt_span_end(top);
        if (i % 50 == 0)
            (void)mt_flush(mt);
    }
    return NULL;
}

static void threads_decide_each_on_its_own(void **state)
{
    struct mt *const mt = open_with("error,ratio:0");
    pthread_t threads[THREADS];
    json_t *lines;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, mt), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mt_close(mt);
    assert_int_equal(value_of(kept, "error"), THREADS * ROUNDS / 10);
    assert_int_equal(value_of(discarded, NULL), THREADS * ROUNDS * 9 / 10);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), 3 * THREADS * ROUNDS / 10);
    json_decref(lines);
}

static void a_value_that_cannot_be_used_keeps_all(void **state)
{
    struct mt *const mt = open_with("errors");
    json_t *lines;

    (void)state;
    mt_span_end(mt_span_start(mt, "root", MT_SPAN_SERVER, NULL));
    mt_close(mt);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), 1);
    assert_string_equal(reason_of(find_span(lines, "root")), "");
    json_decref(lines);
    assert_int_equal(value_of(kept, "all"), 1);
    assert_int_equal(value_of(discarded, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_no_rule_keeps_is_counted_and_not_written),
        TEST(an_error_below_keeps_the_trace),
        TEST(a_span_that_ends_after_its_root_goes_its_way),
        TEST(the_callers_decision_is_kept),
        TEST(a_trace_beyond_the_room_is_kept),
        TEST(what_nobody_ends_is_there_in_the_end),
        TEST(an_exemplar_waits_for_the_decision),
        TEST(threads_decide_each_on_its_own),
        TEST(a_value_that_cannot_be_used_keeps_all),
    };

    return cmocka_run_group_tests_name("microtrace_keep", tests, NULL, NULL);
}
