/*
 * Goal: the contract of lib/metrics/metrics.h. What is counted is in the file, exactly; whatever is
 * refused or has no room is counted and harmless.
 */
#include "tests/unit/metrics_fixture.h"

#include <math.h>

static void test_creates_the_file(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    mode_t old = umask(077);
    struct metrics *metrics = fixture_open(f);

    umask(old);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_true(st.st_size >= 8 << 20 && st.st_size <= 16 << 20);
    /* Not a hole: every block is there. */
    assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
    assert_int_equal(strlen(metrics_instance_id(metrics)), IDS_UUID_TEXT);
    metrics_close(metrics);
}

static void test_second_open_finds_the_same_file(void **state)
{
    struct fixture *f = *state;
    struct metrics *a = fixture_open(f), *b = fixture_open(f);

    assert_string_equal(metrics_instance_id(a), metrics_instance_id(b));
    metrics_add(metrics_counter(metrics_declare(a, &fixture_counter), VALUES("GET", "/")), 3);
    metrics_add(metrics_counter(metrics_declare(b, &fixture_counter), VALUES("GET", "/")), 4);
    metrics_close(a);
    metrics_close(b);
    assert_int_equal(fixture_counter_value(f, VALUES("GET", "/")), 7);
}

static void test_a_series_exists_from_its_lookup_on(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);

    metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("GET", "/zero"));
    assert_int_equal(fixture_counter_value(f, VALUES("GET", "/zero")), 0);
    metrics_close(metrics);
}

static void test_declaring_again_gives_the_same_family(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    static const struct metrics_family_def other_help = {
        .name = "test_requests_total",
        .help = "Said otherwise by the next version of the program.",
        .kind = METRICS_COUNTER,
        .labels = {"method", "path"},
    };

    assert_ptr_equal(metrics_declare(metrics, &fixture_counter),
                     metrics_declare(metrics, &fixture_counter));
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("A", "b")), 1);
    metrics_add(metrics_counter(metrics_declare(metrics, &other_help), VALUES("A", "b")), 1);
    assert_int_equal(fixture_counter_value(f, VALUES("A", "b")), 2);
    metrics_close(metrics);
}

/* Values whose concatenation is the same are different series. */
static void test_label_values_do_not_run_together(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);

    metrics_add(metrics_counter(family, VALUES("ab", "c")), 1);
    metrics_add(metrics_counter(family, VALUES("a", "bc")), 2);
    metrics_add(metrics_counter(family, VALUES("", "abc")), 4);
    metrics_add(metrics_counter(family, VALUES("abc", "")), 8);
    assert_int_equal(fixture_counter_value(f, VALUES("ab", "c")), 1);
    assert_int_equal(fixture_counter_value(f, VALUES("a", "bc")), 2);
    assert_int_equal(fixture_counter_value(f, VALUES("", "abc")), 4);
    assert_int_equal(fixture_counter_value(f, VALUES("abc", "")), 8);
    metrics_close(metrics);
}

static void test_gauge(void **state)
{
    struct fixture *f = *state;
    struct metrics *a = fixture_open(f), *b = fixture_open(f);
    struct metrics_gauge *ga = metrics_gauge(metrics_declare(a, &fixture_gauge), NULL);
    struct metrics_gauge *gb = metrics_gauge(metrics_declare(b, &fixture_gauge), NULL);

    metrics_gauge_set(ga, 20.5);
    metrics_gauge_set(gb, -3.25);
    metrics_gauge_add(ga, 1.5);
    struct metrics_reader *reader = fixture_read(f);
    assert_true(metrics_reader_gauge(reader, fixture_series(reader, &fixture_gauge, NULL)) ==
                -1.75);
    metrics_reader_close(reader);
    metrics_close(a);
    metrics_close(b);
}

static void test_counter_set_holds_over_new_owners(void **state)
{
    struct fixture *f = *state;

    /* Each owner is in another stripe. */
    for (uint64_t value = 100; value < 120; value++) {
        struct metrics *metrics = fixture_open(f);
        metrics_counter_set(
            metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("", "")), value);
        metrics_close(metrics);
        assert_int_equal(fixture_counter_value(f, VALUES("", "")), value);
    }
}

static void test_histogram_buckets_and_sum(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_histogram *h =
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/"));
    static const double observed[] = {0.1, 0.1000001, 0.5, 1, 1.0000001, -1, 0, 1e300};
    struct metrics_reader_histogram read;

    for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++)
        metrics_observe(h, observed[i]);
    metrics_observe(h, NAN);
    metrics_observe(h, INFINITY);
    metrics_observe(h, -INFINITY);
    struct metrics_reader *reader = fixture_read(f);
    metrics_reader_histogram(reader, fixture_family(reader, &fixture_histogram),
                             fixture_series(reader, &fixture_histogram, VALUES("/")), &read);
    assert_int_equal(read.buckets[0], 4); /* 0.1, -1, 0, -Inf: a bound belongs to its bucket */
    assert_int_equal(read.buckets[1], 2);
    assert_int_equal(read.buckets[2], 1);
    assert_int_equal(read.buckets[3], 3);
    assert_int_equal(read.count, 10);
    /* What no sum can hold adds nothing to it. */
    assert_int_equal(read.sum_steps, (int64_t)100000000 + 100000100 + 500000000 + 1000000000 +
                                         1000000100 - 1000000000);
    metrics_reader_close(reader);
    metrics_close(metrics);
}

/* The search for a bucket against the plain definition, for all counts of bounds. */
static void test_every_bound_count(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    double bounds[METRICS_BOUNDS_MAX];
    struct metrics_family_def defs[METRICS_BOUNDS_MAX + 1];
    char names[METRICS_BOUNDS_MAX + 1][32];

    for (size_t i = 0; i < METRICS_BOUNDS_MAX; i++)
        bounds[i] = (double)i;
    for (size_t n = 0; n <= METRICS_BOUNDS_MAX; n++) {
        uint64_t expected[METRICS_BOUNDS_MAX + 1] = {0};
        snprintf(names[n], sizeof(names[n]), "test_%zu_bounds", n);
        defs[n] = (struct metrics_family_def){.name = names[n],
                                              .help = "x",
                                              .kind = METRICS_HISTOGRAM,
                                              .bounds = bounds,
                                              .bound_count = n};
        struct metrics_histogram *h = metrics_histogram(metrics_declare(metrics, &defs[n]), NULL);
        for (double v = -1.5; v < METRICS_BOUNDS_MAX + 1; v += 0.5) {
            size_t bucket = 0;
            while (bucket < n && v > bounds[bucket])
                bucket++;
            expected[bucket]++;
            metrics_observe(h, v);
        }
        struct metrics_reader *reader = fixture_read(f);
        struct metrics_reader_histogram read;
        metrics_reader_histogram(reader, fixture_family(reader, &defs[n]),
                                 fixture_series(reader, &defs[n], NULL), &read);
        assert_memory_equal(read.buckets, expected, (n + 1) * sizeof(*expected));
        metrics_reader_close(reader);
    }
    metrics_close(metrics);
}

static void test_exemplars(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *declared = metrics_declare(metrics, &fixture_histogram);
    struct metrics_histogram *h = metrics_histogram(declared, VALUES("/")),
                             *next = metrics_histogram(declared, VALUES("/next"));
    struct trace_id trace = ids_new_trace();
    struct span_id span = ids_new_span();
    struct metrics_reader_exemplar exemplar;

    metrics_observe_exemplar(h, 0.05, &trace, &span, 5);
    metrics_observe_exemplar(h, 0.3, &trace, &span, 1700000000123456789u);
    metrics_observe_exemplar(h, 0.4, &trace, &span, 1700000001123456789u);
    metrics_observe_exemplar(h, NAN, &trace, &span, 1700000002123456789u);
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_histogram);
    const struct metrics_reader_series *series =
        fixture_series(reader, &fixture_histogram, VALUES("/"));
    assert_true(metrics_reader_exemplar(reader, family, series, 0, &exemplar));
    assert_true(metrics_reader_exemplar(reader, family, series, 1, &exemplar));
    assert_true(exemplar.value == 0.4);
    assert_int_equal(exemplar.unix_ns, 1700000001123456789u);
    assert_memory_equal(&exemplar.trace, &trace, sizeof(trace));
    assert_memory_equal(&exemplar.span, &span, sizeof(span));
    assert_false(metrics_reader_exemplar(reader, family, series, 2, &exemplar));
    assert_false(metrics_reader_exemplar(reader, family, series, 3, &exemplar));

    /* A mixture of two writers, or the half of a killed one, is none. */
    atomic_store(&atomic_load(&h->exemplars)[1].unix_ns, 1);
    assert_false(metrics_reader_exemplar(reader, family, series, 1, &exemplar));
    metrics_observe_exemplar(h, 0.2, &trace, &span, 6);
    assert_true(metrics_reader_exemplar(reader, family, series, 1, &exemplar));

    /* The highest bucket's is followed by the next series' first. */
    metrics_observe_exemplar(h, 2, &trace, &span, 7);
    metrics_observe_exemplar(next, 0.01, &trace, &span, 8);
    assert_true(metrics_reader_exemplar(reader, family, series, 3, &exemplar));
    assert_true(exemplar.value == 2);
    series = fixture_series(reader, &fixture_histogram, VALUES("/next"));
    assert_true(metrics_reader_exemplar(reader, family, series, 0, &exemplar));
    metrics_reader_close(reader);
    metrics_close(metrics);
}

static void test_malformed_families_are_refused(void **state)
{
    struct fixture *f = *state;
    static char long_name[METRICS_NAME_MAX + 2], long_help[METRICS_HELP_MAX + 2];
    memset(long_name, 'a', sizeof(long_name) - 1);
    memset(long_help, 'a', sizeof(long_help) - 1);
    const struct metrics_family_def bad[] = {
        {.name = "no_suffix", .help = "x", .kind = METRICS_COUNTER},
        {.name = "_total", .help = "x", .kind = METRICS_COUNTER},
        {.name = "a_gauge_total", .help = "x", .kind = METRICS_GAUGE},
        {.name = "", .help = "x", .kind = METRICS_GAUGE},
        {.name = "1a", .help = "x", .kind = METRICS_GAUGE},
        {.name = "a-b", .help = "x", .kind = METRICS_GAUGE},
        {.name = long_name, .help = "x", .kind = METRICS_GAUGE},
        {.name = "a", .help = long_help, .kind = METRICS_GAUGE},
        {.name = "a", .help = "\xff", .kind = METRICS_GAUGE},
        {.name = "a", .help = NULL, .kind = METRICS_GAUGE},
        {.name = "a", .help = "x", .kind = (enum metrics_kind)9},
        {.name = "a_bytes", .help = "x", .unit = "seconds", .kind = METRICS_GAUGE},
        {.name = "seconds", .help = "x", .unit = "seconds", .kind = METRICS_GAUGE},
        {.name = "a", .help = "x", .kind = METRICS_GAUGE, .labels = {"b", "b"}},
        {.name = "a", .help = "x", .kind = METRICS_GAUGE, .labels = {"__b"}},
        {.name = "a", .help = "x", .kind = METRICS_GAUGE, .labels = {"b:c"}},
        {.name = "a", .help = "x", .kind = METRICS_HISTOGRAM, .labels = {"le"}},
        {.name = "a", .help = "x", .kind = METRICS_HISTOGRAM, .bound_count = 1},
        {.name = "a",
         .help = "x",
         .kind = METRICS_HISTOGRAM,
         .bounds = (const double[]){1, 1},
         .bound_count = 2},
        {.name = "a",
         .help = "x",
         .kind = METRICS_HISTOGRAM,
         .bounds = (const double[]){INFINITY},
         .bound_count = 1},
        {.name = "a", .help = "x", .kind = METRICS_HISTOGRAM, .resolution = -1},
        {.name = "a_total", .help = "x", .kind = METRICS_COUNTER, .resolution = -1},
        {.name = "a_total", .help = "x", .kind = METRICS_COUNTER, .resolution = NAN},
    };
    const size_t count = sizeof(bad) / sizeof(bad[0]);
    struct metrics *metrics = fixture_open(f);

    for (size_t i = 0; i < count; i++) {
        struct metrics_family *family = metrics_declare(metrics, &bad[i]);
        assert_non_null(family);
        metrics_add(metrics_counter(family, VALUES("x", "y")), 1);
        assert_int_equal(fixture_refused(f, METRICS_REFUSED_FAMILY_MALFORMED), i + 1);
    }
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_FAMILY_REFUSED), count);
    struct metrics_reader *reader = fixture_read(f);
    size_t families;
    metrics_reader_families(reader, &families);
    assert_int_equal(families, 0);
    metrics_reader_close(reader);
    metrics_close(metrics);
}

static void test_conflicting_families_are_refused(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family_def base = fixture_histogram, other[6];

    for (size_t i = 0; i < 6; i++)
        other[i] = base;
    other[0].kind = METRICS_GAUGE;
    other[1].labels[0] = "route";
    other[2].labels[1] = "more";
    other[3].bounds = (const double[]){0.1, 0.5, 2};
    other[4].bound_count = 2;
    other[5].resolution = 1e-6;
    assert_non_null(metrics_declare(metrics, &base));
    for (size_t i = 0; i < 6; i++) {
        struct metrics_family *family = metrics_declare(metrics, &other[i]);
        metrics_observe(metrics_histogram(family, VALUES("/", "x")), 1);
        assert_int_equal(fixture_refused(f, METRICS_REFUSED_FAMILY_CONFLICT), i + 1);
    }
    struct metrics_reader *reader = fixture_read(f);
    assert_int_equal(fixture_family(reader, &base)->series_count, 0);
    metrics_reader_close(reader);
    metrics_close(metrics);
}

static void test_bad_label_values_are_refused(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    static const char *const not_utf8[] = {"\x80",         "\xc0\x80",         "\xe0\x80\x80",
                                           "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80",
                                           "abc\xc3",      "\xe2\x82"};
    char value[METRICS_LABEL_VALUE_MAX + 2];

    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    metrics_add(metrics_counter(family, VALUES("GET", value)), 1);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_VALUE_TOO_LONG), 1);
    value[sizeof(value) - 2] = '\0';
    metrics_add(metrics_counter(family, VALUES("GET", value)), 1);
    assert_int_equal(fixture_counter_value(f, VALUES("GET", value)), 1);
    for (size_t i = 0; i < sizeof(not_utf8) / sizeof(not_utf8[0]); i++) {
        metrics_add(metrics_counter(family, VALUES(not_utf8[i], "/")), 1);
        assert_int_equal(fixture_refused(f, METRICS_REFUSED_VALUE_NOT_UTF8), i + 1);
    }
    metrics_add(metrics_counter(family, VALUES("\xf0\x9f\x98\x80\xed\x9f\xbf\xee\x80\x80", "\n")),
                1);
    assert_int_equal(
        fixture_counter_value(f, VALUES("\xf0\x9f\x98\x80\xed\x9f\xbf\xee\x80\x80", "\n")), 1);
    metrics_gauge_set(metrics_gauge(family, VALUES("a", "b")), 1);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_WRONG_KIND), 1);
    metrics_add(metrics_counter(NULL, NULL), 1);
    metrics_observe(metrics_histogram(NULL, NULL), 1);
    metrics_gauge_add(metrics_gauge(NULL, NULL), 1);
    metrics_live_gauge_set(metrics_live_gauge(NULL, NULL), 1);
    metrics_close(metrics);
}

static void test_full_table_refuses_and_goes_on(void **state)
{
    struct fixture *f = *state;
    f->max_series = 50;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    char value[32];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 80; i++) {
            snprintf(value, sizeof(value), "/%d", i);
            metrics_add(metrics_counter(family, VALUES("GET", value)), 1);
        }
    }
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_SERIES_LIMIT), 60);
    assert_int_equal(fixture_counter_value(f, VALUES("GET", "/49")), 2);
    struct metrics_reader *reader = fixture_read(f);
    assert_int_equal(fixture_family(reader, &fixture_counter)->series_count, 50);
    metrics_reader_close(reader);
    metrics_close(metrics);
}

/* Wide histograms use up the cells before the series: that is counted as well. */
static void test_no_room_for_cells(void **state)
{
    struct fixture *f = *state;
    f->max_series = 64;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family_def def = fixture_histogram;
    double bounds[METRICS_BOUNDS_MAX];
    char value[32];

    for (size_t i = 0; i < METRICS_BOUNDS_MAX; i++)
        bounds[i] = (double)i;
    def.bounds = bounds;
    def.bound_count = METRICS_BOUNDS_MAX;
    for (int i = 0; i < 64; i++) {
        snprintf(value, sizeof(value), "/%d", i);
        metrics_observe(metrics_histogram(metrics_declare(metrics, &def), VALUES(value)), 3);
    }
    struct metrics_reader *reader = fixture_read(f);
    size_t count = fixture_family(reader, &def)->series_count;
    assert_in_range(count, 1, 63);
    for (size_t i = 0; i < count; i++) {
        struct metrics_reader_histogram read;
        metrics_reader_histogram(reader, fixture_family(reader, &def),
                                 fixture_family(reader, &def)->series[i], &read);
        assert_int_equal(read.count, 1);
        assert_int_equal(read.buckets[3], 1);
    }
    metrics_reader_close(reader);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_ROOM), 64 - count);
    metrics_close(metrics);
}

static void test_live_gauge_limit(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family_def def = fixture_live;
    char value[32];

    def.labels[0] = "state";
    for (int i = 0; i < METRICS_FILE_LIVE_GAUGES + 5; i++) {
        snprintf(value, sizeof(value), "%02d", i);
        metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &def), VALUES(value)),
                               i + 1);
    }
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_LIVE_GAUGE_LIMIT), 5);
    struct metrics_reader *reader = fixture_read(f);
    for (int i = 0; i < METRICS_FILE_LIVE_GAUGES; i++) {
        snprintf(value, sizeof(value), "%02d", i);
        assert_int_equal(
            metrics_reader_live_gauge(reader, fixture_series(reader, &def, VALUES(value))), i + 1);
    }
    metrics_reader_close(reader);
    metrics_close(metrics);
}

static void test_more_processes_than_slots(void **state)
{
    struct fixture *f = *state;
    static struct metrics *all[METRICS_FILE_SLOTS + 3];

    for (size_t i = 0; i < METRICS_FILE_SLOTS + 3; i++) {
        all[i] = metrics_open(f->dir, f->max_series);
        assert_non_null(all[i]);
        metrics_live_gauge_set(metrics_live_gauge(metrics_declare(all[i], &fixture_live), NULL), 1);
        metrics_add(metrics_counter(metrics_declare(all[i], &fixture_counter), VALUES("", "")), 1);
    }
    assert_int_equal(fixture_live_value(f), METRICS_FILE_SLOTS);
    assert_int_equal(fixture_counter_value(f, VALUES("", "")), METRICS_FILE_SLOTS + 3);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_SLOT), 3);
    for (size_t i = 1; i < METRICS_FILE_SLOTS + 3; i++)
        metrics_close(all[i]);
    assert_int_equal(fixture_live_value(f), 1);
    metrics_close(all[0]);
    assert_int_equal(fixture_live_value(f), 0);
    /* What the last owners of the slots had set is not the next ones'. */
    for (size_t i = 0; i < METRICS_FILE_SLOTS; i++)
        all[i] = fixture_open(f);
    assert_int_equal(fixture_live_value(f), 0);
    for (size_t i = 0; i < METRICS_FILE_SLOTS; i++)
        metrics_close(all[i]);
}

static void test_shared_words(void **state)
{
    struct fixture *f = *state;
    struct metrics *a = fixture_open(f), *b = fixture_open(f);

    for (unsigned i = 0; i < METRICS_SHARED_WORDS; i++) {
        assert_int_equal(atomic_load(metrics_words_at(metrics_words(b), i)), 0);
        atomic_store(metrics_words_at(metrics_words(a), i), i + 1);
    }
    for (unsigned i = 0; i < METRICS_SHARED_WORDS; i++)
        assert_int_equal(atomic_load(metrics_words_at(metrics_words(b), i)), i + 1);
    metrics_close(a);
    metrics_close(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_creates_the_file),
        TEST(test_second_open_finds_the_same_file),
        TEST(test_a_series_exists_from_its_lookup_on),
        TEST(test_declaring_again_gives_the_same_family),
        TEST(test_label_values_do_not_run_together),
        TEST(test_gauge),
        TEST(test_counter_set_holds_over_new_owners),
        TEST(test_histogram_buckets_and_sum),
        TEST(test_every_bound_count),
        TEST(test_exemplars),
        TEST(test_malformed_families_are_refused),
        TEST(test_conflicting_families_are_refused),
        TEST(test_bad_label_values_are_refused),
        TEST(test_full_table_refuses_and_goes_on),
        TEST(test_no_room_for_cells),
        TEST(test_live_gauge_limit),
        TEST(test_more_processes_than_slots),
        TEST(test_shared_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
