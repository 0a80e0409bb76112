/*
 * Goal: the public API by its own header: every call takes NULL, records come out as the header
 * says, threads and forks share an instance without losing or doubling anything, and a replaced
 * metrics file is followed.
 */
#include "tests/unit/microtrace_fixture.h"

static void ignore(void *context, const char *name, const char *value)
{
    (void)name;
    (void)value;
    ++*(int *)context;
}

static void null_is_taken_everywhere(void **state)
{
    char text[MT_TRACEPARENT_SIZE] = "x", reason[8];
    int headers = 0;

    (void)state;
    mt_set_scope(NULL, "a", NULL);
    assert_int_equal(mt_flush(NULL), 0);
    assert_int_equal(mt_check(NULL, reason, sizeof(reason)), 0);
    assert_null(mt_declare(NULL, MT_COUNTER, "a_total", "A.", NULL, NULL));
    assert_null(mt_declare_histogram(NULL, "a", "A.", NULL, NULL, NULL, 0));
    assert_null(mt_metric_series(NULL, NULL));
    mt_add(NULL, 1);
    mt_set(NULL, 1);
    mt_adjust(NULL, 1);
    mt_observe(NULL, 1, NULL);
    assert_null(mt_span_start(NULL, "a", MT_SPAN_INTERNAL, NULL));
    assert_null(mt_span_start_remote(NULL, "a", MT_SPAN_INTERNAL, NULL, NULL));
    assert_null(mt_span_start_env(NULL, "a", MT_SPAN_INTERNAL));
    assert_null(mt_span_start_cgi(NULL, "a", MT_SPAN_INTERNAL, NULL));
    mt_span_set_name(NULL, "a");
    mt_span_set(NULL, mt_int("a", 1));
    mt_span_set_request_id(NULL, "a");
    mt_span_set_status(NULL, MT_STATUS_OK, NULL);
    mt_span_add_event(NULL, "a", NULL, 0);
    mt_span_record_error(NULL, "a", "b", NULL);
    assert_false(mt_span_is_recording(NULL));
    assert_int_equal(mt_span_traceparent(NULL, text), -1);
    assert_string_equal(text, "");
    assert_int_equal(mt_span_inject(NULL, ignore, &headers), 0);
    mt_span_end(NULL);
    mt_log(NULL, NULL, MT_LOG_ERROR, "a", "b", NULL, 0);
    assert_false(mt_log_enabled(NULL, MT_LOG_CRITICAL));
    mt_close(NULL);
}

static void a_span_comes_out_with_all_that_was_set(void **state)
{
    struct mt *const mt = mt_open("shop", "1.0");
    struct mt_span *const span = mt_span_start(mt, "first", MT_SPAN_CONSUMER, NULL);
    const struct mt_attribute event[] = {mt_int("n", 7), mt_string("absent", NULL)};
    json_t *lines, *record, *attributes, *events;

    (void)state;
    mt_span_set_name(span, "second");
    mt_span_set(span, mt_string("text", "old"));
    mt_span_set(span, mt_double("half", 0.5));
    mt_span_set(span, mt_string("text", "new \"quoted\""));
    mt_span_set(span, mt_bool("yes", true));
    mt_span_set(span, mt_bytes("bytes", "\0\xff", 2));
    mt_span_set(span, mt_string("absent", NULL));
    mt_span_set(span, mt_int("", 1));
    mt_span_set(span, mt_int("big", INT64_MIN));
    mt_span_set_request_id(span, "not valid");
    mt_span_set_request_id(span, "req-1");
    mt_span_add_event(span, "step", event, 2);
    mt_span_record_error(span, "io", "disk \x1b full", NULL);
    mt_set_scope(mt, "shop.module", "0.9");
    mt_span_end(span);
    assert_int_equal(mt_flush(mt), 0);
    lines = spooled("traces");
    assert_int_equal(json_array_size(lines), 1);
    record = span_of(json_array_get(lines, 0));
    assert_string_equal(text_of(record, "name"), "second");
    assert_int_equal(json_integer_value(json_object_get(record, "kind")), 5);
    attributes = json_object_get(record, "attributes");
    assert_int_equal(json_array_size(attributes), 6);
    assert_string_equal(text_of(attribute_of(attributes, "text"), "stringValue"), "new \"quoted\"");
    assert_string_equal(text_of(attribute_of(attributes, "bytes"), "bytesValue"), "AP8=");
    assert_string_equal(text_of(attribute_of(attributes, "big"), "intValue"),
                        "-9223372036854775808");
    assert_string_equal(text_of(attribute_of(attributes, "microtrace.request_id"), "stringValue"),
                        "req-1");
    assert_true(json_is_true(json_object_get(attribute_of(attributes, "yes"), "boolValue")));
    events = json_object_get(record, "events");
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(text_of(json_array_get(events, 0), "name"), "step");
    assert_int_equal(json_array_size(json_object_get(json_array_get(events, 0), "attributes")), 1);
    assert_string_equal(text_of(json_array_get(events, 1), "name"), "exception");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(record, "status"), "code")),
                     2);
    assert_string_equal(
        text_of(json_object_get(scope_spans(json_array_get(lines, 0)), "scope"), "version"), "0.9");
    json_decref(lines);
    mt_close(mt);
}

static void too_many_attributes_and_events_are_counted(void **state)
{
    enum { MORE = 5 };
    struct mt *const mt = mt_open("shop", NULL);
    struct mt_span *const span = mt_span_start(mt, "x", MT_SPAN_INTERNAL, NULL);
    json_t *lines, *record;
    char key[16];

    (void)state;
    for (int i = 0; i < MT_SPAN_ATTRIBUTES_MAX + MORE; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        mt_span_set(span, mt_int(key, i));
        mt_span_add_event(span, key, NULL, 0);
    }
    mt_span_set(span, mt_int("k0", -1)); /* in the place of the first */
    mt_span_end(span);
    mt_close(mt);
    lines = spooled("traces");
    record = span_of(json_array_get(lines, 0));
    assert_int_equal(json_array_size(json_object_get(record, "attributes")),
                     MT_SPAN_ATTRIBUTES_MAX);
    assert_int_equal(json_integer_value(json_object_get(record, "droppedAttributesCount")), MORE);
    assert_string_equal(
        text_of(attribute_of(json_object_get(record, "attributes"), "k0"), "intValue"), "-1");
    assert_int_equal(json_array_size(json_object_get(record, "events")), MT_SPAN_EVENTS_MAX);
    assert_int_equal(json_integer_value(json_object_get(record, "droppedEventsCount")), MORE);
    json_decref(lines);
}

static void a_span_of_huge_values_stays_one_record(void **state)
{
    static char huge[1 << 20];
    struct mt *const mt = mt_open("shop", NULL);
    struct mt_span *const span = mt_span_start(mt, "x", MT_SPAN_INTERNAL, NULL);
    char key[16];
    json_t *lines;

    (void)state;
    memset(huge, '\x01', sizeof(huge) - 1);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        mt_span_set(span, mt_string(key, huge));
        mt_span_record_error(span, key, huge, huge);
    }
    mt_span_end(span);
    mt_log(mt, NULL, MT_LOG_ERROR, NULL, huge, NULL, 0);
    (void)mt_flush(mt);
    lines = spooled("traces");
    assert_int_equal(json_array_size(lines), 1);
    json_decref(lines);
    mt_close(mt);
}

static void logs_take_the_ids_of_their_span(void **state)
{
    char traceparent[] = "HTTP_TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    char request_id[] = "HTTP_X_REQUEST_ID=req-9", baggage[] = "HTTP_BAGGAGE=k=v";
    char *const envp[] = {traceparent, request_id, baggage, NULL};
    struct mt *const mt = mt_open("shop", "1.0");
    struct mt_span *const span = mt_span_start_cgi(mt, "GET /", MT_SPAN_SERVER, envp);
    struct mt_span *const child = mt_span_start(mt, "call", MT_SPAN_CLIENT, span);
    const struct mt_attribute fields[] = {mt_string("name", "a field of a taken name"),
                                          mt_string("resource", "another"), mt_int("n", 1)};
    char parent[MT_TRACEPARENT_SIZE];
    json_t *lines, *line;
    int headers = 0;

    (void)state;
    assert_int_equal(mt_span_traceparent(child, parent), 0);
    assert_int_equal(strncmp(parent, "00-4bf92f3577b34da6a3ce929d0e0e4736-", 36), 0);
    assert_int_equal(mt_span_inject(child, ignore, &headers), 3); /* baggage and request id too */
    assert_int_equal(headers, 3);
    mt_log(mt, child, MT_LOG_WARNING, NULL, "hello", fields, 3);
    mt_log(mt, child, MT_LOG_DEBUG, NULL, "below the level", NULL, 0);
    mt_span_end(child);
    mt_span_end(span);
    mt_close(mt);
    lines = spooled("logs");
    assert_int_equal(json_array_size(lines), 1);
    line = json_array_get(lines, 0);
    assert_string_equal(text_of(line, "name"), "shop");
    assert_string_equal(text_of(line, "message"), "hello");
    assert_string_equal(text_of(line, "request_id"), "req-9");
    assert_string_equal(text_of(line, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_int_equal(strncmp(text_of(line, "span_id"), parent + 36, 16), 0);
    assert_string_equal(text_of(line, "field.name"), "a field of a taken name");
    assert_string_equal(text_of(line, "field.resource"), "another");
    assert_string_equal(text_of(json_object_get(line, "resource"), "service.name"), "shop");
    json_decref(lines);
}

static void of_fields_and_event_attributes_of_one_key_the_last_counts(void **state)
{
    enum { MORE = 3 };
    struct mt *const mt = mt_open("shop", "1.0");
    struct mt_span *const span = mt_span_start(mt, "x", MT_SPAN_INTERNAL, NULL);
    const struct mt_attribute twice[] = {
        mt_int("a", 1),         mt_int("message", 2),       mt_int("b", 3),
        mt_string("a", "last"), mt_int("field.message", 4), mt_string("a", NULL),
        mt_int("", 5)};
    const size_t count = sizeof(twice) / sizeof(twice[0]);
    static struct mt_attribute many[MT_SPAN_ATTRIBUTES_MAX + MORE];
    static char keys[MT_SPAN_ATTRIBUTES_MAX + MORE][8];
    const json_t *line, *event;
    json_t *lines;

    (void)state;
    for (int i = 0; i < MT_SPAN_ATTRIBUTES_MAX + MORE; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        many[i] = mt_int(keys[i], i);
    }
    mt_span_add_event(span, "e", twice, count);
    mt_span_add_event(span, "many", many, MT_SPAN_ATTRIBUTES_MAX + MORE);
    mt_log(mt, span, MT_LOG_INFO, NULL, "m", twice, count);
    mt_span_end(span);
    mt_close(mt);
    lines = spooled("logs"); /* rejects a name that comes twice */
    line = json_array_get(lines, 0);
    assert_string_equal(text_of(line, "a"), "last");
    assert_int_equal(json_integer_value(json_object_get(line, "b")), 3);
    assert_int_equal(json_integer_value(json_object_get(line, "field.message")), 4);
    assert_string_equal(text_of(line, "message"), "m");
    json_decref(lines);
    lines = spooled("traces");
    line = json_object_get(span_of(json_array_get(lines, 0)), "events");
    event = json_array_get(line, 0);
    assert_int_equal(json_array_size(json_object_get(event, "attributes")), 4);
    assert_string_equal(
        text_of(attribute_of(json_object_get(event, "attributes"), "a"), "stringValue"), "last");
    event = json_array_get(line, 1);
    assert_int_equal(json_array_size(json_object_get(event, "attributes")), MT_SPAN_ATTRIBUTES_MAX);
    assert_int_equal(json_integer_value(json_object_get(event, "droppedAttributesCount")), MORE);
    json_decref(lines);
}

static void series_count_by_their_kind(void **state)
{
    const char *const labels[] = {"kind", NULL}, *const book[] = {"book"}, *const pen[] = {"pen"};
    const double bounds[] = {1, 2};
    struct mt *const mt = mt_open("shop", NULL);
    struct mt_metric *const sold = mt_declare(mt, MT_COUNTER, "sold_total", "Sold.", NULL, labels);
    struct mt_series *const books = mt_metric_series(sold, book);
    struct mt_series *const stock =
        mt_metric_series(mt_declare(mt, MT_GAUGE, "stock", "In stock.", NULL, NULL), NULL);
    struct mt_series *const tills =
        mt_metric_series(mt_declare(mt, MT_LIVE_GAUGE, "tills", "Open tills.", NULL, NULL), NULL);
    struct mt_series *const sizes =
        mt_metric_series(mt_declare_histogram(mt, "sizes", "Sizes.", NULL, NULL, bounds, 2), NULL);

    (void)state;
    assert_ptr_equal(mt_declare(mt, MT_COUNTER, "sold_total", "Sold.", NULL, labels), sold);
    assert_ptr_equal(mt_metric_series(sold, book), books);
    assert_ptr_not_equal(mt_metric_series(sold, pen), books);
    assert_null(mt_metric_series(sold, NULL));
    assert_null(mt_declare(mt, MT_COUNTER, NULL, "A.", NULL, NULL));
    mt_add(books, 3);
    mt_add(mt_metric_series(sold, pen), 1);
    mt_set(stock, 40);
    mt_adjust(stock, -2);
    mt_set(tills, 2);
    mt_adjust(tills, 1);
    mt_observe(sizes, 1.5, NULL);
    /* None of these fits. */
    mt_add(stock, 100);
    mt_add(sizes, 100);
    mt_set(books, 100);
    mt_observe(books, 100, NULL);
    assert_int_equal(value_of("sold_total", "book"), 3);
    assert_int_equal(value_of("sold_total", "pen"), 1);
    assert_int_equal(value_of("stock", NULL), 38);
    assert_int_equal(value_of("tills", NULL), 3);
    assert_int_equal(value_of("sizes", NULL), 1);
    mt_close(mt);
    assert_int_equal(value_of("sold_total", "book"), 3);
}

static void *work(void *context)
{
    struct mt *const mt = context;
    struct mt_metric *const metric =
        mt_declare(mt, MT_COUNTER, "rounds_total", "Rounds.", NULL, NULL);
    struct mt_series *const rounds = mt_metric_series(metric, NULL);

    for (int i = 0; i < ROUNDS; i++) {
        struct mt_span *const span = mt_span_start(mt, "round", MT_SPAN_INTERNAL, NULL);

        mt_span_set(span, mt_int("i", i));
        mt_log(mt, span, MT_LOG_INFO, NULL, "round", NULL, 0);
        mt_add(rounds, 1);
        mt_span_end(span);
        if (i % 50 == 0)
            (void)mt_flush(mt);
    }
    return NULL;
}

static void threads_share_an_instance(void **state)
{
    struct mt *const mt = mt_open("shop", NULL);
    pthread_t threads[THREADS];
    json_t *lines;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, mt), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mt_close(mt);
    assert_int_equal(value_of("rounds_total", NULL), THREADS * ROUNDS);
    lines = spooled("traces");
    assert_int_equal(count_spans(lines), THREADS * ROUNDS);
    json_decref(lines);
    lines = spooled("logs");
    assert_int_equal(json_array_size(lines), THREADS * ROUNDS);
    json_decref(lines);
}

static void a_fork_doubles_nothing(void **state)
{
    struct mt *const mt = mt_open("shop", NULL);
    struct mt_series *const count =
        mt_metric_series(mt_declare(mt, MT_COUNTER, "forks_total", "Forks.", NULL, NULL), NULL);
    json_t *lines;
    int status;
    pid_t child;

    (void)state;
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "gathered before", NULL, 0);
    mt_add(count, 1);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        mt_log(mt, NULL, MT_LOG_INFO, NULL, "of the child", NULL, 0);
        mt_add(count, 1);
        mt_close(mt);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    mt_close(mt);
    assert_int_equal(value_of("forks_total", NULL), 2);
    lines = spooled("logs");
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(text_of(json_array_get(lines, 0), "message"), "of the child");
    json_decref(lines);
}

static void a_replaced_metrics_file_is_followed(void **state)
{
    struct mt *const mt = mt_open("shop", NULL);
    struct mt_series *const count =
        mt_metric_series(mt_declare(mt, MT_COUNTER, "seen_total", "Seen.", NULL, NULL), NULL);
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/metrics.mmap", run_dir);
    mt_add(count, 5);
    assert_int_equal(value_of("seen_total", NULL), 5);
    assert_int_equal(unlink(path), 0);
    for (int tries = 0; tries < 2000 && access(path, F_OK) != 0; tries++) {
        (void)mt_flush(mt);
        (void)usleep(5000);
    }
    mt_add(count, 2);
    assert_int_equal(value_of("seen_total", NULL), 2);
    mt_close(mt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(null_is_taken_everywhere),
        TEST(a_span_comes_out_with_all_that_was_set),
        TEST(too_many_attributes_and_events_are_counted),
        TEST(of_fields_and_event_attributes_of_one_key_the_last_counts),
        TEST(a_span_of_huge_values_stays_one_record),
        TEST(logs_take_the_ids_of_their_span),
        TEST(series_count_by_their_kind),
        TEST(threads_share_an_instance),
        TEST(a_fork_doubles_nothing),
        TEST(a_replaced_metrics_file_is_followed),
    };

    return cmocka_run_group_tests_name("microtrace", tests, NULL, NULL);
}
