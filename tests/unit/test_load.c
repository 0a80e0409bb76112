/*
 * Goal: what `microtrace load` sends is what was asked for (the share of bad requests to the last
 * one, every kind in turn, a day that has the height it says), and its quantiles are off by no more
 * than the histogram promises.
 */
#include "cli/load_histogram.h"
#include "cli/load_plan.h"
#include "cli/load_report.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void test_share_of_bad(void **state)
{
    static const double shares[] = {0, 0.05, 0.1, 1.0 / 3, 0.5, 0.999, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t bad = 0, kinds[LOAD_PLAN_CASES] = {0};

        for (uint64_t n = 0; n < 20000; n++) {
            const unsigned which = load_plan_case(n, shares[i]);

            assert_true(which < LOAD_PLAN_CASES);
            bad += which != LOAD_PLAN_GOOD;
            kinds[which]++;
            assert_int_equal(bad, (uint64_t)floor((double)(n + 1) * shares[i]));
        }
        for (unsigned kind = 1; kind < LOAD_PLAN_CASES; kind++)
            assert_in_range(kinds[kind], bad / (LOAD_PLAN_CASES - 1),
                            bad / (LOAD_PLAN_CASES - 1) + 1);
    }
}

static void test_day(void **state)
{
    enum { MINUTES = 1440 };
    double sum = 0, highest = 0, before = load_plan_level(LOAD_DAILY, 0);

    (void)state;
    for (unsigned minute = 0; minute < MINUTES; minute++) {
        const double level = load_plan_level(LOAD_DAILY, (double)minute / MINUTES);

        assert_true(level > 0 && level <= 1);
        /* A graph without steps. */
        assert_true(fabs(level - before) < 0.01);
        before = level;
        sum += level;
        highest = fmax(highest, level);
        assert_true(load_plan_level(LOAD_FLAT, (double)minute / MINUTES) == 1);
    }
    assert_true(highest == 1);
    assert_true(fabs(sum / MINUTES - 0.55) < 0.01);
    /* Day after day the same. */
    assert_true(fabs(load_plan_level(LOAD_DAILY, 20000.25) - load_plan_level(LOAD_DAILY, 0.25)) <
                1e-9);
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void test_quantiles(void **state)
{
    enum { VALUES = 20000 };
    static const double shares[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    uint64_t *values = calloc(VALUES, sizeof(*values));
    struct load_histogram *whole = calloc(3, sizeof(*whole));
    uint64_t random = 42;

    (void)state;
    assert_true(values != NULL && whole != NULL);
    for (size_t i = 0; i < VALUES; i++) {
        /* From 0 ns to 18 minutes, as many in each power of two. */
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        values[i] = (random >> 20) >> (4 + random % 40);
        load_histogram_add(&whole[1 + i % 2], values[i]);
    }
    load_histogram_merge(&whole[0], &whole[1]);
    load_histogram_merge(&whole[0], &whole[2]);
    qsort(values, VALUES, sizeof(*values), compare);
    assert_int_equal(whole->count, VALUES);
    assert_int_equal(whole->max_ns, values[VALUES - 1]);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        const double right = (double)values[(size_t)ceil(shares[i] * VALUES) - 1];

        if (fabs(load_histogram_quantile(whole, shares[i]) - right) > right / 64)
            fail_msg("quantile %g: %g, not %g", shares[i],
                     load_histogram_quantile(whole, shares[i]), right);
    }
    free(whole);
    free(values);
}

static void test_ends_of_the_range(void **state)
{
    struct load_histogram *histogram = calloc(1, sizeof(*histogram));

    (void)state;
    assert_non_null(histogram);
    assert_true(load_histogram_quantile(histogram, 0.5) == 0);
    load_histogram_add(histogram, 0);
    assert_true(load_histogram_quantile(histogram, 1) == 0);
    load_histogram_add(histogram, UINT64_MAX);
    assert_int_equal(histogram->max_ns, UINT64_MAX);
    assert_int_equal(histogram->buckets[LOAD_HISTOGRAM_BUCKETS - 1], 1);
    free(histogram);
}

/* The live line after ten seconds, in so many columns. */
static void live(char line[256], const struct load_report *report, unsigned columns)
{
    FILE *const to = fmemopen(line, 256, "w");

    assert_non_null(to);
    line[0] = '\0';
    load_report_live(report, to, columns, 10 * UINT64_C(1000000000), 3);
    assert_int_equal(fclose(to), 0);
}

static void test_live_line(void **state)
{
    static const char whole[] = "0:10  0.1/s  errors 0.0 %  p50 2.00 ms  p95 2.00  p99 2.00  "
                                "sent 7  under way 3";
    struct load_report *const report = calloc(1, sizeof(*report));
    struct load_answer answer = {
        .status = 200, .end_ns = UINT64_C(9002000000), .due_ns = UINT64_C(9000000000)};
    char line[256];

    (void)state;
    assert_non_null(report);
    report->sent = 7;
    live(line, report, 200);
    assert_string_equal(line, "0:10  0.0/s  errors -  p50 -  p95 -  p99 -  sent 7  under way 3");
    load_report_answer(report, &answer);
    live(line, report, 200);
    assert_memory_equal(line, whole, 27);
    /* Figures are whole or not there, whatever fits. */
    for (unsigned columns = 4; columns < 100; columns++) {
        char all[256];

        live(all, report, 200);
        live(line, report, columns);
        assert_true(strlen(line) <= columns);
        assert_memory_equal(line, all, strlen(line));
        assert_true(all[strlen(line)] == '\0' || strncmp(all + strlen(line), "  ", 2) == 0);
    }
    /* None came in time: there is no latency, and all of them are errors. */
    memset(report, 0, sizeof(*report));
    answer.status = 0;
    load_report_answer(report, &answer);
    live(line, report, 200);
    assert_string_equal(line, "0:10  0.0/s  errors 100.0 %  p50 -  p95 -  p99 -  sent 0  "
                              "under way 3");
    free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share_of_bad), cmocka_unit_test(test_day),
        cmocka_unit_test(test_quantiles),    cmocka_unit_test(test_ends_of_the_range),
        cmocka_unit_test(test_live_line),
    };

    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
