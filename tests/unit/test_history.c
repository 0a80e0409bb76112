/*
 * Goal: what the page and top say of the last hour is what the counters did: sums are exact, no
 * counter goes back or peaks because a look came late or the file is another one, and quantiles are
 * those of Prometheus.
 */
#include "tests/unit/history_fixture.h"
#include "view/quantile.h"

static void test_quantiles_are_those_of_prometheus(void **state)
{
    static const double bounds[] = {1, 2, 4};
    const uint64_t none[] = {0, 0, 0, 0}, some[] = {10, 0, 30, 0}, above[] = {0, 0, 1, 9},
                   first[] = {4, 0, 0, 0};

    (void)state;
    /* rank 20 of 40: the 10th of 30 in (2, 4]. */
    assert_near(quantile_of(0.5, some, bounds, 3), 2 + 2 * 10.0 / 30);
    assert_near(quantile_of(0.95, some, bounds, 3), 2 + 2 * 28.0 / 30);
    assert_near(quantile_of(0.25, some, bounds, 3), 1);
    assert_near(quantile_of(0.5, first, bounds, 3), 0.5);
    assert_near(quantile_of(0.95, above, bounds, 3), 4);
    assert_true(isnan(quantile_of(0.5, none, bounds, 3)));
    assert_near(quantile_highest(some, bounds, 3), 4);
    assert_true(isinf(quantile_highest(above, bounds, 3)));
    assert_true(isnan(quantile_highest(none, bounds, 3)));
}

static void test_nothing_is_known_at_first(void **state)
{
    struct world w;

    begin(&w, *state);
    assert_string_not_equal(ask(&w, 300)->problem, "");
    answer(&w, "/old", "200", 1000, 0.01);
    look(&w, 0);
    assert_string_equal(ask(&w, 300)->problem, "");
    assert_int_equal(w.now.sequence, 1);
    assert_int_equal(w.now.known_s, 0);
    assert_true(isnan(w.now.rate));
    assert_true(isnan(w.now.p95_s));
    assert_true(isnan(w.now.good_share));
    assert_true(isnan(w.now.busy));
    assert_true(w.now.requests == 0);
    assert_int_equal(w.now.route_count, 0);
    for (int i = 0; i < OVERVIEW_POINTS; i++) {
        assert_true(isnan(w.now.rates.points[i]));
        assert_true(isnan(w.now.heat[i][0]));
    }
    end(&w);
}

static void test_rates_shares_and_quantiles(void **state)
{
    struct world w;

    begin(&w, *state);
    answer(&w, "/a", "200", 5, 0.01);
    look(&w, 0);
    /* 10 a second for 20 s: of each 50 one fails, and 5 are slow. */
    for (int i = 1; i <= 4; i++) {
        answer(&w, "/a", "200", 44, 0.007);
        answer(&w, "/a", "404", 5, 0.2);
        answer(&w, "/b", "500", 1, 20);
        metrics_add(metrics_counter(metrics_declare(w.metrics, &errors),
                                    VALUES("GET", "/b", "worker_failed")),
                    1);
        look(&w, (uint64_t)i * 5000);
    }
    ask(&w, 300);
    assert_near(w.now.rate, 10);
    assert_near(w.now.good_share, 0.98);
    /* rank 75 of 150 among 132 in (0.005, 0.01]. */
    assert_near(w.now.p50_s, 0.005 + 0.005 * 75 / 132);
    /* rank 142.5: 10.5 of 15 in (0.1, 0.25]. */
    assert_near(w.now.p95_s, 0.1 + 0.15 * 10.5 / 15);
    assert_near(w.now.p99_s, 10);
    assert_true(isnan(w.now.queue_p95_s));
    assert_true(w.now.requests == 200);
    assert_true(w.now.client_errors == 20);
    assert_true(w.now.server_errors == 4);
    assert_int_equal(w.now.known_s, 20);
    assert_near(w.now.range_p99_s, 10);
    for (int i = 0; i < OVERVIEW_POINTS - 4; i++)
        assert_true(isnan(w.now.rates.points[i]));
    for (int i = OVERVIEW_POINTS - 4; i < OVERVIEW_POINTS; i++) {
        assert_near(w.now.rates.points[i], 10);
        assert_near(w.now.server_error_shares.points[i], 0.02);
        assert_true(w.now.heat[i][6] == 44);
        assert_true(w.now.heat[i][10] == 5);
        assert_true(w.now.heat[i][16] == 1);
    }
    assert_int_equal(w.now.route_count, 2);
    assert_string_equal(w.now.routes[0].path, "/a");
    assert_string_equal(w.now.routes[0].method, "GET");
    assert_near(w.now.routes[0].rate, 196.0 / 20);
    assert_near(w.now.routes[0].client_errors, 1);
    assert_true(w.now.routes[0].server_errors == 0);
    assert_near(w.now.routes[0].slowest_s, 0.25);
    assert_near(w.now.routes[1].server_errors, 0.2);
    assert_true(isinf(w.now.routes[1].slowest_s));
    assert_near(w.now.routes[0].rates.points[OVERVIEW_POINTS - 1], 9.8);
    assert_int_equal(w.now.error_count, 1);
    assert_string_equal(w.now.errors[0].kind, "worker_failed");
    assert_true(w.now.errors[0].count == 4);
    end(&w);
}

/* However the looks fall: a range that covers all of it has exactly what was counted. */
static void test_sums_are_the_counters_increase(void **state)
{
    struct world w;
    uint64_t at = 0, sum = 0, random = 12345;
    double heat = 0;

    begin(&w, *state);
    answer(&w, "/a", "200", 3, 0.001);
    look(&w, 0);
    while (at < 3500000) {
        const uint64_t count = (random >> 33) % 40;

        random = random * 6364136223846793005u + 1442695040888963407u;
        answer(&w, "/a", "200", count, 0.001);
        sum += count;
        at += 1000 + (random >> 33) % 9000;
        look(&w, at);
    }
    ask(&w, 3600);
    assert_true(w.now.requests == (double)sum);
    assert_true(fabs(w.now.routes[0].rate * w.now.rows_s - (double)sum) < (double)sum / 1000);
    assert_in_range(w.now.known_s, at / 1000 - 1, at / 1000 + 1);
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        heat += isnan(w.now.heat[i][3]) ? 0 : (double)w.now.heat[i][3];
    assert_true(heat == (double)sum);
    /* What a look soon after the last one saw is in the same cell. */
    answer(&w, "/a", "200", 7, 0.001);
    look(&w, at + 100);
    assert_true(ask(&w, 3600)->requests == (double)(sum + 7));
    end(&w);
}

static void test_ranges_forget(void **state)
{
    struct world w;

    begin(&w, *state);
    look(&w, 0);
    answer(&w, "/early", "200", 100, 0.001);
    for (uint64_t s = 5; s <= 3400; s += 5)
        look(&w, s * 1000);
    assert_true(ask(&w, 3600)->requests == 100);
    assert_int_equal(w.now.known_s, 3400);
    assert_non_null(route_of(&w.now, "/early"));
    assert_true(ask(&w, 900)->requests == 0);
    assert_null(route_of(&w.now, "/early"));
    assert_in_range(w.now.known_s, 886, 900);
    assert_true(ask(&w, 300)->requests == 0);
    assert_int_equal(w.now.known_s, 300);
    assert_true(w.now.rate == 0);
    /* Anything else is the next higher range. */
    assert_int_equal(ask(&w, 301)->range_s, 900);
    assert_int_equal(ask(&w, 100000)->range_s, 3600);
    for (uint64_t s = 3405; s <= 7300; s += 5)
        look(&w, s * 1000);
    assert_true(ask(&w, 3600)->requests == 0);
    end(&w);
}

static void test_a_paused_process_leaves_a_gap(void **state)
{
    struct world w;

    begin(&w, *state);
    answer(&w, "/a", "200", 1, 0.001);
    look(&w, 0);
    for (uint64_t s = 5; s <= 60; s += 5) {
        answer(&w, "/a", "200", 50, 0.001);
        look(&w, s * 1000);
    }
    answer(&w, "/a", "200", 1201, 0.001);
    look(&w, 180000);
    answer(&w, "/a", "200", 50, 0.001);
    look(&w, 185000);
    ask(&w, 300);
    assert_near(highest(&w.now.rates), 10);
    assert_true(w.now.requests == 600 + 1201 + 50);
    assert_int_equal(w.now.known_s, 65);
    assert_true(isnan(w.now.rates.points[OVERVIEW_POINTS - 2]));
    assert_near(w.now.rates.points[OVERVIEW_POINTS - 1], 10);
    assert_near(w.now.rate, 10);
    assert_true(highest(&w.now.routes[0].rates) < 11);
    assert_near(w.now.routes[0].rate, 1851.0 / 185);
    /* Hours without a look: the hour has its share of what was counted meanwhile. */
    answer(&w, "/a", "200", 7200, 0.001);
    look(&w, 185000 + 7200000);
    /* 5 in each cell; the range has 59 minutes and the one that has begun. */
    assert_true(ask(&w, 3600)->requests == 5 * 710);
    assert_int_equal(w.now.known_s, 0);
    assert_true(isnan(w.now.rate));
    /* A clock that goes back changes nothing. */
    look(&w, 100000);
    assert_true(ask(&w, 3600)->requests == 5 * 710);
    end(&w);
}

static void test_a_replaced_file(void **state)
{
    struct world w;

    begin(&w, *state);
    answer(&w, "/a", "200", 500, 0.001);
    look(&w, 0);
    answer(&w, "/a", "200", 50, 0.001);
    look(&w, 5000);
    assert_int_equal(unlink(w.f->file), 0);
    look(&w, 10000);
    assert_non_null(strstr(ask(&w, 300)->problem, "metrics.mmap"));
    assert_true(isnan(w.now.rate));
    assert_true(isnan(w.now.busy));
    assert_true(w.now.requests == 50);
    metrics_close(w.metrics);
    w.metrics = fixture_open(w.f);
    answer(&w, "/a", "200", 1000, 0.001);
    look(&w, 15000);
    ask(&w, 300);
    assert_string_equal(w.now.problem, "");
    assert_true(w.now.requests == 50);
    assert_true(isnan(w.now.rates.points[OVERVIEW_POINTS - 1]));
    answer(&w, "/a", "200", 20, 0.001);
    look(&w, 20000);
    ask(&w, 300);
    assert_true(w.now.requests == 70);
    assert_near(w.now.rates.points[OVERVIEW_POINTS - 1], 4);
    assert_true(isnan(w.now.rates.points[OVERVIEW_POINTS - 2]));
    assert_near(w.now.routes[0].rate * w.now.rows_s, 70);
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        assert_true(isnan(w.now.rates.points[i]) || w.now.rates.points[i] >= 0);
    end(&w);
}

/* A file that could not be read for a moment is the same one afterwards. */
static void test_a_file_that_comes_back(void **state)
{
    struct world w;
    char elsewhere[320];

    begin(&w, *state);
    snprintf(elsewhere, sizeof elsewhere, "%s.away", w.f->file);
    answer(&w, "/a", "200", 1, 0.001);
    look(&w, 0);
    assert_int_equal(rename(w.f->file, elsewhere), 0);
    look(&w, 5000);
    answer(&w, "/a", "200", 30, 0.001);
    assert_int_equal(rename(elsewhere, w.f->file), 0);
    look(&w, 10000);
    assert_true(ask(&w, 300)->requests == 30);
    assert_near(w.now.rates.points[OVERVIEW_POINTS - 1], 3);
    end(&w);
}

/* What was counted before the first look, too, where the file began within sight. */
static void test_a_young_file_counts_from_zero(void **state)
{
    struct metrics_reader_info info;
    struct world w;

    begin(&w, *state);
    answer(&w, "/a", "200", 7, 0.001);
    (void)metrics_reader_refresh(w.reader);
    metrics_reader_info(w.reader, &info);
    history_sample(w.history, w.reader, START, info.created_unix_ns + 4 * SECOND);
    assert_true(ask(&w, 300)->requests == 7);
    assert_int_equal(w.now.known_s, 4);
    assert_near(w.now.rate, 7 / 4.0);
    assert_int_equal(w.now.route_count, 1);
    answer(&w, "/a", "200", 3, 0.001);
    look(&w, 5000);
    assert_true(ask(&w, 300)->requests == 10);
    end(&w);
}

static void test_an_old_file_and_one_of_the_future_do_not(void **state)
{
    const int64_t ages_s[] = {60, -60};

    for (size_t i = 0; i < 2; i++) {
        struct metrics_reader_info info;
        struct world w;

        begin(&w, *state);
        answer(&w, "/a", "200", 7, 0.001);
        (void)metrics_reader_refresh(w.reader);
        metrics_reader_info(w.reader, &info);
        history_sample(w.history, w.reader, START,
                       info.created_unix_ns + (uint64_t)(ages_s[i] * (int64_t)SECOND));
        assert_true(ask(&w, 300)->requests == 0);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_are_those_of_prometheus),
        TEST(test_nothing_is_known_at_first),
        TEST(test_rates_shares_and_quantiles),
        TEST(test_sums_are_the_counters_increase),
        TEST(test_ranges_forget),
        TEST(test_a_paused_process_leaves_a_gap),
        TEST(test_a_replaced_file),
        TEST(test_a_file_that_comes_back),
        TEST(test_a_young_file_counts_from_zero),
        TEST(test_an_old_file_and_one_of_the_future_do_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
