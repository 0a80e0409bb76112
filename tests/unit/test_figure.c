/* Goal: a figure on the page has its unit, is not more exact than it is true, and fits its room. */
#include "tests/unit/unit.h"

#include "view/figure.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void counts(void **state)
{
    (void)state;
    assert_string_equal(figure_count(0).text, "0");
    assert_string_equal(figure_count(0.004).text, "\u2264 0.01");
    assert_string_equal(figure_count(0.05).text, "0.05");
    assert_string_equal(figure_count(4.25).text, "4.2");
    assert_string_equal(figure_count(43.4).text, "43");
    assert_string_equal(figure_count(999.6).text, "1,000");
    assert_string_equal(figure_count(1840233).text, "1,840,233");
    assert_string_equal(figure_count(12000000000001).text, "12,000,000,000,001");
    assert_string_equal(figure_count(NAN).text, "\u2013");
}

static void seconds(void **state)
{
    (void)state;
    assert_string_equal(figure_seconds(0).text, "0 s");
    assert_string_equal(figure_seconds(0.00025).text, "250 \u00b5s");
    assert_string_equal(figure_seconds(0.0015).text, "1.5 ms");
    assert_string_equal(figure_seconds(0.25).text, "250 ms");
    assert_string_equal(figure_seconds(0.9996).text, "1 s");
    assert_string_equal(figure_seconds(43.2).text, "43.2 s");
    assert_string_equal(figure_seconds(123).text, "2m 03s");
    assert_string_equal(figure_seconds(18420).text, "5h 07m");
    assert_string_equal(figure_seconds(10).text, "10 s");
    assert_string_equal(figure_seconds(100).text, "1m 40s");
    assert_string_equal(figure_seconds(12 * 86400.0).text, "12 days");
    assert_string_equal(figure_seconds(NAN).text, "\u2013");
}

/* Nine nines are not all. */
static void shares(void **state)
{
    (void)state;
    assert_string_equal(figure_share(0).text, "0 %");
    assert_string_equal(figure_share(0.00001).text, "\u2264 0.01 %");
    assert_string_equal(figure_share(0.042).text, "4.2 %");
    assert_string_equal(figure_share(0.9996).text, "99.96 %");
    assert_string_equal(figure_share(0.999999999).text, "\u2265 99.99 %");
    assert_string_equal(figure_share(1).text, "100 %");
}

static void bytes_and_ages(void **state)
{
    (void)state;
    assert_string_equal(figure_bytes(512).text, "512 B");
    assert_string_equal(figure_bytes(1536).text, "1.5 KiB");
    assert_string_equal(figure_bytes(67108864).text, "64 MiB");
    assert_string_equal(figure_ago(0, 100).text, "never");
    assert_string_equal(figure_ago(100, 100).text, "just now");
    assert_string_equal(figure_ago(88, 100).text, "12 s ago");
    /* A clock that was set back. */
    assert_string_equal(figure_ago(200, 100).text, "just now");
}

static void any_value_fits(void **state)
{
    static const double values[] = {-INFINITY, -DBL_MAX, -1,  DBL_MIN, 1e-300,   0.5,
                                    1e15,      1e300,    1e9, DBL_MAX, INFINITY, NAN};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        for (int unit = FIGURE_COUNT; unit <= FIGURE_SHARE; unit++) {
            const struct figure figure = figure_of(values[i], (enum figure_unit)unit);

            assert_in_range(strlen(figure.text), 1, sizeof(figure.text) - 1);
        }
        const struct figure bytes = figure_bytes(values[i]), ago = figure_ago(values[i], 1e9);

        assert_in_range(strlen(bytes.text), 1, sizeof(bytes.text) - 1);
        assert_in_range(strlen(ago.text), 1, sizeof(ago.text) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),         cmocka_unit_test(seconds),
        cmocka_unit_test(shares),         cmocka_unit_test(bytes_and_ages),
        cmocka_unit_test(any_value_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
