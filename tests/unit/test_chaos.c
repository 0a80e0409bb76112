/*
 * Goal: faults come as often and last as long as the settings say, and a seed repeats them.
 */
#include "fcgi-app/chaos.h"
#include "tests/unit/unit.h"

#include <math.h>

enum {
    ROUNDS = 100000,
};

static struct chaos make(bool enabled, double probability, uint64_t seed)
{
    struct chaos chaos = {
        .enabled = enabled,
        .probability = probability,
        .delay_low_ms = 100,
        .delay_high_ms = 200,
    };

    chaos_seed(&chaos, seed);
    return chaos;
}

static void hits_the_share_that_is_asked_for(void **state)
{
    struct chaos chaos = make(true, 0.05, 42);
    unsigned hits = 0, tenths[10] = {0};
    double sum = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        double delay;

        if (!chaos_decide(&chaos, &delay))
            continue;
        assert_true(delay >= 100 && delay < 200);
        hits++;
        sum += delay;
        tenths[(int)((delay - 100) / 10)]++;
    }
    /* Five standard deviations of a binomial distribution; the seed makes it the same each run. */
    assert_true(fabs(hits - 0.05 * ROUNDS) < 5 * sqrt(ROUNDS * 0.05 * 0.95));
    assert_true(fabs(sum / hits - 150) < 5 * 100 / sqrt(12.0 * hits));
    for (int i = 0; i < 10; i++)
        assert_true(fabs(tenths[i] - hits / 10.0) < 5 * sqrt(hits * 0.1 * 0.9));
}

static void repeats_a_seed(void **state)
{
    struct chaos first = make(true, 0.5, 7), second = make(true, 0.5, 7);
    struct chaos other = make(true, 0.5, 8);
    unsigned different = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        double a = 0, b = 0, c = 0;

        assert_int_equal(chaos_decide(&first, &a), chaos_decide(&second, &b));
        assert_true(a == b);
        (void)chaos_decide(&other, &c);
        different += a != c;
    }
    assert_true(different > 500);
}

static void takes_another_sequence_without_a_seed(void **state)
{
    struct chaos first = make(true, 0.5, 0), second = make(true, 0.5, 0);

    (void)state;
    assert_true(first.state != second.state);
}

static void knows_never_and_always(void **state)
{
    struct chaos off = make(false, 1, 1), never = make(true, 0, 1), always = make(true, 1, 1);
    struct chaos fixed = make(true, 1, 1);
    double delay;

    (void)state;
    fixed.delay_high_ms = fixed.delay_low_ms;
    for (int i = 0; i < 1000; i++) {
        assert_false(chaos_decide(&off, &delay));
        assert_false(chaos_decide(&never, &delay));
        assert_true(chaos_decide(&always, &delay));
        assert_true(chaos_decide(&fixed, &delay) && delay == 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hits_the_share_that_is_asked_for),
        cmocka_unit_test(repeats_a_seed),
        cmocka_unit_test(takes_another_sequence_without_a_seed),
        cmocka_unit_test(knows_never_and_always),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
