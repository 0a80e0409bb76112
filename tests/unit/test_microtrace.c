/*
 * Goal: the public API by its own header: every call takes NULL, records come out as the header
 * says, threads and forks share an instance without losing or doubling anything, and a replaced
 * metrics file is followed.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <microtrace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/metrics/reader.h"

enum { THREADS = 4, ROUNDS = 2000, TEXT_MAX = 8 << 20 };

static char root[64], run_dir[96], spool_dir[96];

static int make_dirs(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/test_microtrace.XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    (void)snprintf(run_dir, sizeof(run_dir), "%s/run", root);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", root);
    (void)clearenv();
    (void)setenv("MICROTRACE_RUN_DIR", run_dir, 1);
    (void)setenv("MICROTRACE_SPOOL_DIR", spool_dir, 1);
    return mkdir(run_dir, 0770) | mkdir(spool_dir, 0770);
}

static int remove_dirs(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "/bin/rm -rf '%s'", root);
    return system(command);
}

/* All lines of a spool file as one JSON array. */
static json_t *spooled(const char *signal)
{
    static char text[TEXT_MAX];
    json_t *const list = json_array();
    char path[160], *line, *rest = text;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", spool_dir, signal);
    text[0] = '\0';
    file = fopen(path, "r");
    if (file != NULL) {
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        assert_int_equal(fclose(file), 0);
    }
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        json_t *const tree = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

        assert_non_null(tree);
        assert_int_equal(json_array_append_new(list, tree), 0);
    }
    return list;
}

static json_t *scope_spans(const json_t *line)
{
    const json_t *const resource = json_array_get(json_object_get(line, "resourceSpans"), 0);

    return json_array_get(json_object_get(resource, "scopeSpans"), 0);
}

static json_t *span_of(const json_t *line)
{
    return json_array_get(json_object_get(scope_spans(line), "spans"), 0);
}

/* The value of an attribute: the object that OTLP calls AnyValue. */
static json_t *attribute_of(const json_t *list, const char *key)
{
    const json_t *entry;
    json_t *found = NULL;
    size_t i;

    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0) {
            assert_null(found);
            found = json_object_get(entry, "value");
        }
    }
    return found;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *const text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* The value of a series as the agent would read it; -1 if it does not exist. */
static int64_t value_of(const char *name, const char *label)
{
    struct metrics_reader *const reader = metrics_reader_open(run_dir);
    const struct metrics_reader_family *family;
    struct metrics_reader_histogram histogram;
    int64_t value = -1;

    assert_non_null(reader);
    assert_int_equal(metrics_reader_refresh(reader), 0);
    family = metrics_reader_find_family(reader, name, strlen(name));
    for (size_t i = 0; family != NULL && i < family->series_count; i++) {
        const struct metrics_reader_series *const series = family->series[i];

        if (label != NULL && strcmp(series->values[0], label) != 0)
            continue;
        switch (family->kind) {
        case METRICS_COUNTER:
            value = (int64_t)metrics_reader_counter(reader, series);
            break;
        case METRICS_GAUGE:
            value = (int64_t)metrics_reader_gauge(reader, series);
            break;
        case METRICS_LIVE_GAUGE:
            value = metrics_reader_live_gauge(reader, series);
            break;
        case METRICS_HISTOGRAM:
            metrics_reader_histogram(reader, family, series, &histogram);
            value = (int64_t)histogram.count;
            break;
        }
    }
    metrics_reader_close(reader);
    return value;
}

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
    assert_int_equal(json_array_size(lines), THREADS * ROUNDS);
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

static void settings_that_cannot_be_used_end_no_program(void **state)
{
    struct mt *mt;

    (void)state;
    (void)setenv("MICROTRACE_SPOOL_MAX_BYTES", "banana", 1);
    (void)setenv("LOG_LEVEL", "LOUD", 1);
    (void)setenv("MICROTRACE_SPOOL_DIR", "/nonexistent/spool", 1);
    mt = mt_open("shop", NULL);
    assert_non_null(mt);
    assert_true(mt_log_enabled(mt, MT_LOG_INFO));
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "lost", NULL, 0);
    assert_int_equal(mt_flush(mt), -1);
    assert_int_equal(value_of("microtrace_spool_dropped_records_total", "logs"), 1);
    assert_int_equal(mt_check(mt, NULL, 0), -1);
    mt_close(mt);
}

/* What a caller should not do, and what no call may answer with the program's end. */
static void nonsense_ends_no_program(void **state)
{
    static char huge[200000];
    const char *const one[] = {"a", NULL}, *const three[] = {"a", "b", "c", NULL};
    const char *const values[] = {"x"};
    struct mt_metric *elder, *other;
    struct mt_span *span;
    json_t *lines;
    struct mt *mt;

    (void)state;
    memset(huge, 'x', sizeof(huge) - 1);
    mt = mt_open(huge, huge);
    assert_non_null(mt);
    elder = mt_declare(mt, MT_COUNTER, "x_total", "X.", NULL, three);
    other = mt_declare(mt, MT_COUNTER, "x_total", "X.", NULL, one);
    assert_ptr_not_equal(elder, other);
    mt_add(mt_metric_series(other, values), 1);
    assert_ptr_not_equal(mt_declare(mt, MT_GAUGE, "x_total", "X.", NULL, three), elder);
    span = mt_span_start(mt, NULL, (enum mt_span_kind)77, NULL);
    mt_span_set_status(span, (enum mt_status)77, NULL);
    mt_span_add_event(span, "e", NULL, 2);
    mt_span_record_error(span, NULL, NULL, NULL);
    mt_log(mt, span, (enum mt_level)99, NULL, NULL, NULL, 3);
    mt_log(mt, span, (enum mt_level) - 1, NULL, "m", NULL, 0);
    mt_span_end(span);
    assert_int_equal(mt_flush(mt), 0);
    mt_close(mt);
    lines = spooled("traces");
    assert_int_equal(json_integer_value(json_object_get(span_of(json_array_get(lines, 0)), "kind")),
                     1);
    json_decref(lines);
    lines = spooled("logs");
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(text_of(json_array_get(lines, 0), "levelname"), "CRITICAL");
    json_decref(lines);
}

static void spool_names_that_lead_elsewhere_are_not_followed(void **state)
{
    static char long_dir[4095];
    char path[160], victim[160];
    struct mt *mt;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/logs.jsonl", spool_dir);
    (void)snprintf(victim, sizeof(victim), "%s/victim", root);
    assert_int_equal(symlink(victim, path), 0);
    mt = mt_open("shop", NULL);
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "m", NULL, 0);
    assert_int_equal(mt_flush(mt), -1);
    assert_int_equal(access(victim, F_OK), -1);
    mt_close(mt);
    /* So long that no file of it has a path: nothing is written to a name that was cut. */
    (void)memset(long_dir, '/', sizeof(long_dir) - 1);
    (void)memcpy(long_dir + sizeof(long_dir) - 1 - strlen(spool_dir), spool_dir, strlen(spool_dir));
    (void)setenv("MICROTRACE_SPOOL_DIR", long_dir, 1);
    mt = mt_open("shop", NULL);
    mt_log(mt, NULL, MT_LOG_INFO, NULL, "m", NULL, 0);
    assert_int_equal(mt_flush(mt), -1);
    assert_int_equal(value_of("microtrace_spool_dropped_records_total", "logs"), 2);
    mt_close(mt);
}

static atomic_bool forking;

static void *open_and_close(void *context)
{
    (void)context;
    while (atomic_load(&forking)) {
        struct mt *const mt = mt_open("other", NULL);

        (void)mt_flush(mt);
        mt_close(mt);
    }
    return NULL;
}

/* A lock that another thread held at the fork would never be released in the child. */
static void a_fork_beside_other_threads_blocks_nobody(void **state)
{
    enum { FORKS = 100, PATIENCE_S = 30 };
    struct mt *const mt = mt_open("shop", NULL);
    pthread_t threads[2];
    int status;

    (void)state;
    atomic_store(&forking, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
    for (int i = 0; i < FORKS; i++) {
        const pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            (void)alarm(PATIENCE_S);
            mt_log(mt, NULL, MT_LOG_INFO, NULL, "of the child", NULL, 0);
            _exit(mt_flush(mt) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("child %d ended with %#x", i, (unsigned)status);
    }
    atomic_store(&forking, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mt_close(mt);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dirs, remove_dirs)
    const struct CMUnitTest tests[] = {
        TEST(null_is_taken_everywhere),
        TEST(a_span_comes_out_with_all_that_was_set),
        TEST(too_many_attributes_and_events_are_counted),
        TEST(a_span_of_huge_values_stays_one_record),
        TEST(logs_take_the_ids_of_their_span),
        TEST(series_count_by_their_kind),
        TEST(threads_share_an_instance),
        TEST(a_fork_doubles_nothing),
        TEST(a_replaced_metrics_file_is_followed),
        TEST(nonsense_ends_no_program),
        TEST(spool_names_that_lead_elsewhere_are_not_followed),
        TEST(a_fork_beside_other_threads_blocks_nobody),
        TEST(settings_that_cannot_be_used_end_no_program),
    };

    return cmocka_run_group_tests_name("microtrace", tests, NULL, NULL);
}
