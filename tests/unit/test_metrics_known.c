/*
 * Goal: a program that knows a metric's name alone finds out all that it takes to update it, and
 * learns why an update of its own was refused.
 */
#include "lib/metrics/rules.h"
#include "tests/unit/metrics_fixture.h"

static const double bounds[] = {0.5, 1, 30};

static const struct metrics_family_def duration = {.name = "backup_duration_seconds",
                                                   .help = "How long.",
                                                   .unit = "seconds",
                                                   .kind = METRICS_HISTOGRAM,
                                                   .labels = {"what", "by", NULL},
                                                   .bounds = bounds,
                                                   .bound_count = 3,
                                                   .resolution = 1e-3};

static void test_all_of_it_is_found(void **state)
{
    struct fixture *f = *state;
    struct metrics *first = metrics_open(f->dir, 0), *second = metrics_open(f->dir, 0);
    static struct metrics_known known;

    assert_false(metrics_known(second, "backup_duration_seconds", &known));
    assert_non_null(metrics_declare(first, &duration));
    assert_true(metrics_known(second, "backup_duration_seconds", &known));
    assert_string_equal(known.def.name, duration.name);
    assert_string_equal(known.def.help, duration.help);
    assert_string_equal(known.def.unit, duration.unit);
    assert_int_equal(known.def.kind, METRICS_HISTOGRAM);
    assert_string_equal(known.def.labels[0], "what");
    assert_string_equal(known.def.labels[1], "by");
    assert_null(known.def.labels[2]);
    assert_int_equal(known.def.bound_count, 3);
    assert_memory_equal(known.def.bounds, bounds, sizeof(bounds));
    assert_true(known.def.resolution == 1e-3);
    /* Looking adds nothing, and what was found can be declared. */
    assert_false(metrics_known(second, "backup_duration", &known));
    assert_false(metrics_known(second, "", &known));
    assert_true(metrics_known(second, "backup_duration_seconds", &known));
    metrics_observe(metrics_histogram(metrics_declare(second, &known.def), VALUES("a", "b")), 2);
    assert_null(metrics_refusal(second));
    metrics_close(first);
    metrics_close(second);
}

static void test_without_a_file(void **state)
{
    struct fixture *f = *state;
    char missing[300];
    static struct metrics_known known;

    snprintf(missing, sizeof(missing), "%s/missing", f->dir);
    struct metrics *metrics = metrics_open(missing, 0);
    assert_false(metrics_known(metrics, "backup_duration_seconds", &known));
    assert_non_null(metrics_declare(metrics, &duration));
    assert_true(metrics_known(metrics, "backup_duration_seconds", &known));
    assert_null(metrics_refusal(metrics));
    metrics_close(metrics);
}

static void test_the_refusal_has_its_reason(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = metrics_open(f->dir, 0);
    struct metrics_family_def other = duration;
    static struct metrics_known known;

    assert_non_null(metrics_declare(metrics, &duration));
    assert_null(metrics_refusal(metrics));
    other.unit = NULL;
    assert_non_null(metrics_declare(metrics, &other));
    assert_string_equal(metrics_refusal(metrics), "family_conflict");
    assert_null(metrics_histogram(metrics_declare(metrics, &duration), VALUES("\xff", "b")));
    assert_string_equal(metrics_refusal(metrics), "value_not_utf8");
    assert_true(metrics_known(metrics, duration.name, &known));
    assert_string_equal(known.def.unit, "seconds");
    metrics_close(metrics);
}

/* Whatever its bounds are, a sum has room for a billion values as large as the largest. */
static void test_the_sum_has_room(void **state)
{
    static const struct {
        double largest, resolution;
    } rows[] = {{0.5, 1e-9}, {10, 1e-9},  {99.9, 1e-9}, {100, 1e-8}, {999, 1e-8},
                {1e3, 1e-7}, {4e4, 1e-6}, {1e9, 1e-1},  {1e10, 1},   {1e15, 1}};
    struct metrics_family_def def = duration;

    (void)state;
    def.resolution = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double positive[] = {-0.1, rows[i].largest}, negative[] = {-rows[i].largest, 0.1};

        def.bound_count = 2;
        def.bounds = positive;
        assert_true(metrics_rules_resolution(&def) == rows[i].resolution);
        def.bounds = negative;
        assert_true(metrics_rules_resolution(&def) == rows[i].resolution);
    }
    def.bound_count = 0;
    assert_true(metrics_rules_resolution(&def) == 1e-9);
    def.resolution = 0.25;
    assert_true(metrics_rules_resolution(&def) == 0.25);
    def.kind = METRICS_COUNTER;
    assert_true(metrics_rules_resolution(&def) == 0.25);
    def.resolution = 0;
    assert_true(metrics_rules_resolution(&def) == 0);
    def.kind = METRICS_GAUGE;
    def.resolution = 0.25;
    assert_true(metrics_rules_resolution(&def) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sum_has_room),
        cmocka_unit_test_setup_teardown(test_all_of_it_is_found, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_without_a_file, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_refusal_has_its_reason, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
