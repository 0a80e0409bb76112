/*
 * Goal: what a scrape gets is byte for byte what the two text formats ask for, and the Accept
 * header chooses between them as HTTP says.
 */
#include "tests/unit/metrics_fixture.h"

#include "lib/metrics/exposition.h"
#include "metrics-agent/scrape/exposition_negotiate.h"

#include <math.h>

/* The text from its start to the first family that the exposition adds about the file itself. */
static char *render(const struct fixture *f, enum exposition_format format)
{
    struct metrics_reader *reader = fixture_read(f);
    struct exposition out;

    exposition_begin(&out, format);
    exposition_reader(&out, reader);
    assert_int_equal(exposition_end(&out), 0);
    char *text = malloc(out.len + 1);
    assert_non_null(text);
    memcpy(text, out.text, out.len);
    text[out.len] = '\0';
    exposition_free(&out);
    metrics_reader_close(reader);
    return text;
}

static void check(const struct fixture *f, enum exposition_format format, const char *expected)
{
    char *text = render(f, format);
    char *about = strstr(text, "# HELP microtrace_metrics_series ");

    assert_non_null(about);
    *about = '\0';
    assert_string_equal(text, expected);
    free(text);
}

static void test_counter(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def def = {
        .name = "sent_bytes_total",
        .help = "Back\\slash, \"quote\",\nnew line.",
        .unit = "bytes",
        .kind = METRICS_COUNTER,
        .labels = {"to"},
    };

    metrics_add(metrics_counter(metrics_declare(metrics, &def), VALUES("a\\\"\nb")), 42);
    metrics_add(metrics_counter(metrics_declare(metrics, &def), VALUES("")), UINT64_MAX);
    check(f, EXPOSITION_PROMETHEUS,
          "# HELP sent_bytes_total Back\\\\slash, \"quote\",\\nnew line.\n"
          "# TYPE sent_bytes_total counter\n"
          "sent_bytes_total{to=\"\"} 18446744073709551615.0\n"
          "sent_bytes_total{to=\"a\\\\\\\"\\nb\"} 42.0\n");
    check(f, EXPOSITION_OPENMETRICS,
          "# HELP sent_bytes Back\\\\slash, \\\"quote\\\",\\nnew line.\n"
          "# TYPE sent_bytes counter\n"
          "# UNIT sent_bytes bytes\n"
          "sent_bytes_total{to=\"\"} 18446744073709551615.0\n"
          "sent_bytes_total{to=\"a\\\\\\\"\\nb\"} 42.0\n");
    metrics_close(metrics);
}

static void test_gauges(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def def = {
        .name = "a_gauge", .help = "Values.", .kind = METRICS_GAUGE, .labels = {"n"}};
    static const double values[] = {0, -1.5, 1e300, 1e-5, NAN, INFINITY, -INFINITY, 123456789, 0.1};
    char n[8];

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(n, sizeof(n), "%zu", i);
        metrics_gauge_set(metrics_gauge(metrics_declare(metrics, &def), VALUES(n)), values[i]);
    }
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), -2);
    static const char expected[] = "# HELP a_gauge Values.\n"
                                   "# TYPE a_gauge gauge\n"
                                   "a_gauge{n=\"0\"} 0.0\n"
                                   "a_gauge{n=\"1\"} -1.5\n"
                                   "a_gauge{n=\"2\"} 1e+300\n"
                                   "a_gauge{n=\"3\"} 1e-05\n"
                                   "a_gauge{n=\"4\"} NaN\n"
                                   "a_gauge{n=\"5\"} +Inf\n"
                                   "a_gauge{n=\"6\"} -Inf\n"
                                   "a_gauge{n=\"7\"} 123456789.0\n"
                                   "a_gauge{n=\"8\"} 0.1\n"
                                   "# HELP test_in_progress Requests in progress.\n"
                                   "# TYPE test_in_progress gauge\n"
                                   "test_in_progress -2.0\n";
    check(f, EXPOSITION_PROMETHEUS, expected);
    check(f, EXPOSITION_OPENMETRICS, expected);
    metrics_close(metrics);
}

static const double wait_bounds[] = {0.00001, 0.25, 1, 10};
static const double drift_bounds[] = {-1, 1};

static void test_histogram(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def def = {
        .name = "wait_seconds",
        .help = "Waits.",
        .unit = "seconds",
        .kind = METRICS_HISTOGRAM,
        .bounds = wait_bounds,
        .bound_count = 4,
    };
    struct metrics_histogram *plain = metrics_histogram(metrics_declare(metrics, &def), NULL);
    struct metrics_histogram *labelled =
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/x"));
    struct trace_id trace = {{0x4b, 0xf9, [15] = 0x36}};
    struct span_id span = {{0x00, 0xf0, [7] = 0xb7}}, no_span = {{0}};

    metrics_observe(plain, 0.3);
    metrics_observe_exemplar(plain, 0.2, &trace, &span, 1700000000123999999u);
    metrics_observe_exemplar(plain, 11, &trace, &no_span, 0);
    metrics_observe(labelled, 1e-9);
    check(f, EXPOSITION_PROMETHEUS,
          "# HELP test_latency_seconds Latency.\n"
          "# TYPE test_latency_seconds histogram\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"0.1\"} 1\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"0.5\"} 1\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"1.0\"} 1\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"+Inf\"} 1\n"
          "test_latency_seconds_count{path=\"/x\"} 1\n"
          "test_latency_seconds_sum{path=\"/x\"} 0.000000001\n"
          "# HELP wait_seconds Waits.\n"
          "# TYPE wait_seconds histogram\n"
          "wait_seconds_bucket{le=\"1e-05\"} 0\n"
          "wait_seconds_bucket{le=\"0.25\"} 1\n"
          "wait_seconds_bucket{le=\"1.0\"} 2\n"
          "wait_seconds_bucket{le=\"10.0\"} 2\n"
          "wait_seconds_bucket{le=\"+Inf\"} 3\n"
          "wait_seconds_count 3\n"
          "wait_seconds_sum 11.5\n");
    check(f, EXPOSITION_OPENMETRICS,
          "# HELP test_latency_seconds Latency.\n"
          "# TYPE test_latency_seconds histogram\n"
          "# UNIT test_latency_seconds seconds\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"0.1\"} 1\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"0.5\"} 1\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"1.0\"} 1\n"
          "test_latency_seconds_bucket{path=\"/x\",le=\"+Inf\"} 1\n"
          "test_latency_seconds_count{path=\"/x\"} 1\n"
          "test_latency_seconds_sum{path=\"/x\"} 0.000000001\n"
          "# HELP wait_seconds Waits.\n"
          "# TYPE wait_seconds histogram\n"
          "# UNIT wait_seconds seconds\n"
          "wait_seconds_bucket{le=\"1e-05\"} 0\n"
          "wait_seconds_bucket{le=\"0.25\"} 1 "
          "# {trace_id=\"4bf90000000000000000000000000036\",span_id=\"00f00000000000b7\"} "
          "0.2 1700000000.123\n"
          "wait_seconds_bucket{le=\"1.0\"} 2\n"
          "wait_seconds_bucket{le=\"10.0\"} 2\n"
          "wait_seconds_bucket{le=\"+Inf\"} 3 "
          "# {trace_id=\"4bf90000000000000000000000000036\"} 11.0\n"
          "wait_seconds_count 3\n"
          "wait_seconds_sum 11.5\n");
    metrics_close(metrics);
}

static void test_sums(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct {
        const char *name;
        double resolution, value;
        const char *text;
    } rows[] = {
        {"sum_a", 0, -1.5, "-1.5"},
        {"sum_b", 0, -0.000000001, "-0.000000001"},
        {"sum_c", 1, 1e15, "1000000000000000.0"},
        {"sum_d", 1e-6, 0.1234567, "0.123457"},
        {"sum_e", 0.25, 0.8, "0.75"},
        {"sum_f", 1000, 1500000, "1500000.0"},
        {"sum_g", 0, 4e9, "4000000000.0"},
    };
    static struct metrics_family_def defs[sizeof(rows) / sizeof(rows[0])];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[128];
        defs[i] = (struct metrics_family_def){.name = rows[i].name,
                                              .help = "Sum.",
                                              .kind = METRICS_HISTOGRAM,
                                              .resolution = rows[i].resolution};
        metrics_observe(metrics_histogram(metrics_declare(metrics, &defs[i]), NULL), rows[i].value);
        snprintf(expected, sizeof(expected), "%s_sum %s\n", rows[i].name, rows[i].text);
        char *text = render(f, EXPOSITION_OPENMETRICS);
        if (strstr(text, expected) == NULL)
            fail_msg("no %s in %s", expected, text);
        free(text);
    }
    metrics_close(metrics);
}

/* A counter of what comes in fractions. */
static void test_counters_in_steps(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def defs[] = {
        {.name = "a_total", .help = "A.", .kind = METRICS_COUNTER, .resolution = 1e-6},
        {.name = "b_total", .help = "B.", .kind = METRICS_COUNTER, .resolution = 0.25},
        {.name = "c_total", .help = "C.", .kind = METRICS_COUNTER, .resolution = 1e-6},
    };
    static const uint64_t steps[] = {1200003, 7, UINT64_MAX};

    for (size_t i = 0; i < sizeof(defs) / sizeof(defs[0]); i++)
        metrics_add(metrics_counter(metrics_declare(metrics, &defs[i]), NULL), steps[i]);
    check(f, EXPOSITION_PROMETHEUS,
          "# HELP a_total A.\n# TYPE a_total counter\na_total 1.200003\n"
          "# HELP b_total B.\n# TYPE b_total counter\nb_total 1.75\n"
          "# HELP c_total C.\n# TYPE c_total counter\nc_total 18446744073709.551615\n");
    metrics_close(metrics);
}

static void test_negative_thresholds(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def def = {.name = "drift",
                                                  .help = "Drift.",
                                                  .kind = METRICS_HISTOGRAM,
                                                  .bounds = drift_bounds,
                                                  .bound_count = 2};

    metrics_observe(metrics_histogram(metrics_declare(metrics, &def), NULL), -2);
    check(f, EXPOSITION_PROMETHEUS,
          "# HELP drift Drift.\n# TYPE drift histogram\n"
          "drift_bucket{le=\"-1.0\"} 1\ndrift_bucket{le=\"1.0\"} 1\ndrift_bucket{le=\"+Inf\"} 1\n"
          "drift_count 1\ndrift_sum -2.0\n");
    check(f, EXPOSITION_OPENMETRICS,
          "# HELP drift Drift.\n# TYPE drift histogram\n"
          "drift_bucket{le=\"-1.0\"} 1\ndrift_bucket{le=\"1.0\"} 1\ndrift_bucket{le=\"+Inf\"} 1\n");
    metrics_close(metrics);
}

/* Names that are fine alone and can't stand in one answer. */
static void test_clashing_names(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def defs[] = {
        {.name = "x_total", .help = "A.", .kind = METRICS_COUNTER},
        {.name = "x", .help = "B.", .kind = METRICS_HISTOGRAM},
        {.name = "x_count", .help = "C.", .kind = METRICS_GAUGE},
        {.name = "y_count", .help = "D.", .kind = METRICS_GAUGE},
    };

    metrics_counter(metrics_declare(metrics, &defs[0]), NULL);
    metrics_histogram(metrics_declare(metrics, &defs[1]), NULL);
    metrics_gauge(metrics_declare(metrics, &defs[2]), NULL);
    metrics_gauge(metrics_declare(metrics, &defs[3]), NULL);
    check(f, EXPOSITION_OPENMETRICS,
          "# HELP x B.\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 0\nx_count 0\nx_sum 0.0\n"
          "# HELP x_total A.\n# TYPE x_total unknown\nx_total 0.0\n"
          "# HELP y_count D.\n# TYPE y_count gauge\ny_count 0.0\n");
    metrics_close(metrics);
}

static void test_about_the_file(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);

    metrics_counter(family, VALUES("a", "b"));
    metrics_counter(family, VALUES("a", "\xff"));
    char *text = render(f, EXPOSITION_OPENMETRICS);
    assert_non_null(strstr(text, "\nmicrotrace_metrics_series 1.0\n"));
    assert_non_null(strstr(text, "\nmicrotrace_metrics_series_limit 8192.0\n"));
    assert_non_null(strstr(text, "\nmicrotrace_metrics_damaged_records 0.0\n"));
    assert_non_null(strstr(text, "# TYPE microtrace_metrics_refused counter\n"));
    assert_non_null(
        strstr(text, "\nmicrotrace_metrics_refused_total{reason=\"value_not_utf8\"} 1.0\n"));
    assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
    free(text);
    text = render(f, EXPOSITION_PROMETHEUS);
    assert_non_null(strstr(text, "# TYPE microtrace_metrics_refused_total counter\n"));
    assert_null(strstr(text, "EOF"));
    free(text);
    metrics_close(metrics);
}

static void test_truncated_file_is_no_answer(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct exposition out;

    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("", "")), 5);
    struct metrics_reader *reader = fixture_read(f);
    assert_int_equal(truncate(f->file, 0), 0);
    exposition_begin(&out, EXPOSITION_PROMETHEUS);
    exposition_reader(&out, reader);
    assert_int_equal(exposition_end(&out), -1);
    exposition_free(&out);
    metrics_reader_close(reader);
    metrics_close(metrics);
}

static void test_many_series(void **state)
{
    enum { SERIES = 3000 };
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    char value[METRICS_LABEL_VALUE_MAX + 1], line[METRICS_LABEL_VALUE_MAX * 2 + 100];

    for (unsigned i = 0; i < SERIES; i++) {
        snprintf(value, sizeof(value), "%0200u", i);
        metrics_add(metrics_counter(family, VALUES("", value)), i);
    }
    char *text = render(f, EXPOSITION_PROMETHEUS), *at = strstr(text, "\ntest_");
    for (unsigned i = 0; i < SERIES; i++) {
        int n = snprintf(line, sizeof(line),
                         "\ntest_requests_total{method=\"\",path=\"%0200u\"} %u.0", i, i);
        assert_int_equal(strncmp(at, line, (size_t)n), 0);
        at += n;
    }
    free(text);
    metrics_close(metrics);
}

#define TEXT "text/plain; version=0.0.4; charset=utf-8"
#define OPEN "application/openmetrics-text; version=1.0.0; charset=utf-8"

static void test_negotiation(void **state)
{
    static const struct {
        const char *accept, *content_type;
    } rows[] = {
        {NULL, TEXT},
        {"", TEXT},
        {"*/*", TEXT},
        {"text/plain", TEXT},
        {"text/html", TEXT},
        {"application/json", TEXT},
        {"application/openmetrics-text", OPEN},
        {"application/openmetrics-text; version=1.0.0", OPEN},
        {"Application/OpenMetrics-Text;VERSION=\"1.0.0\"", OPEN},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", OPEN},
        {"application/openmetrics-text; version=2.0.0", TEXT},
        {"application/openmetrics-text; version=0.0.1", TEXT},
        {"application/openmetrics-text;q=0", TEXT},
        {"application/openmetrics-text;q=0.000,*/*", TEXT},
        {"application/openmetrics-text;q=0.5,text/plain;q=0.6", TEXT},
        {"application/openmetrics-text;q=0.501,text/plain;q=0.5", OPEN},
        {"text/plain;q=0.5;version=0.0.4, application/openmetrics-text ; q=0.9", OPEN},
        {"application/openmetrics-text,text/plain", OPEN},
        {"text/plain,application/openmetrics-text", TEXT},
        {"application/openmetrics-text;q=0.5,*/*;q=0.5", OPEN},
        {"*/*;q=0.1,application/openmetrics-text;q=0.2", OPEN},
        {"text/*,application/openmetrics-text;q=0.2", TEXT},
        {"application/openmetrics-text;q=x", TEXT},
        {"application/openmetrics-text;q=1.001", TEXT},
        {"application/openmetrics-text;q=1.000", OPEN},
        {"application/openmetrics-text;q=", TEXT},
        {"application/openmetrics-textual", TEXT},
        {";;,,=;q=1,\"", TEXT},
        {"x;y=\"a,application/openmetrics-text\"", TEXT},
        {"x;y=\"a\\\",b\",application/openmetrics-text", OPEN},
        /* Prometheus 2 and 3. */
        {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
         "version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         OPEN},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
         "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         OPEN "; escaping=underscores"},
        {"text/plain;version=0.0.4;escaping=values;q=0.3,*/*;q=0.2", TEXT "; escaping=underscores"},
        {"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3",
         TEXT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct exposition_choice choice = exposition_negotiate(rows[i].accept);
        if (strcmp(choice.content_type, rows[i].content_type) != 0)
            fail_msg("%s gives %s", rows[i].accept, choice.content_type);
        assert_int_equal(choice.format == EXPOSITION_OPENMETRICS,
                         strncmp(choice.content_type, "application", 11) == 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counter),
        TEST(test_gauges),
        TEST(test_histogram),
        TEST(test_sums),
        TEST(test_counters_in_steps),
        TEST(test_negative_thresholds),
        TEST(test_clashing_names),
        TEST(test_about_the_file),
        TEST(test_truncated_file_is_no_answer),
        TEST(test_many_series),
        TEST(test_negotiation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
