/*
 * Goal: faults come as often and last as long as the set says, and depend on nothing but the seed
 * and the analysis's number.
 */
#include "fcgi-app/chaos.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

enum {
    ROUNDS = 100000,
};

static struct chaos_set make(double probability, uint64_t seed)
{
    return (struct chaos_set){
        .state = CHAOS_ON,
        .probability = probability,
        .delay_low_ms = 100,
        .delay_high_ms = 200,
        .seed = seed,
    };
}

static void assert_near(double seen, double share)
{
    /* Five standard deviations of a binomial distribution; the seed makes it the same each run. */
    assert_true(fabs(seen - share * ROUNDS) <= 5 * sqrt(ROUNDS * share * (1 - share)));
}

static void hits_the_share_that_is_asked_for(void **state)
{
    const struct chaos_set set = make(0.05, 42);
    unsigned hits = 0, tenths[10] = {0};
    double sum = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        const struct chaos_faults faults = chaos_decide(&set, (uint64_t)i);

        assert_false(faults.inject[CHAOS_ERROR] || faults.inject[CHAOS_ABORT]);
        if (!faults.inject[CHAOS_DELAY]) {
            assert_true(faults.delay_ms == 0);
            continue;
        }
        assert_true(faults.delay_ms >= 100 && faults.delay_ms < 200);
        hits++;
        sum += faults.delay_ms;
        tenths[(int)((faults.delay_ms - 100) / 10)]++;
    }
    assert_near(hits, 0.05);
    assert_true(fabs(sum / hits - 150) < 5 * 100 / sqrt(12.0 * hits));
    for (int i = 0; i < 10; i++)
        assert_true(fabs(tenths[i] - hits / 10.0) < 5 * sqrt(hits * 0.1 * 0.9));
}

static void kinds_are_independent(void **state)
{
    struct chaos_set set = make(0.3, 7);
    unsigned counts[CHAOS_KINDS] = {0}, delayed_errors = 0;

    (void)state;
    set.error_rate = 0.2;
    set.abort_rate = 0.1;
    for (int i = 0; i < ROUNDS; i++) {
        const struct chaos_faults faults = chaos_decide(&set, (uint64_t)i);

        assert_false(faults.inject[CHAOS_ERROR] && faults.inject[CHAOS_ABORT]);
        for (int kind = 0; kind < CHAOS_KINDS; kind++)
            counts[kind] += faults.inject[kind];
        delayed_errors += faults.inject[CHAOS_DELAY] && faults.inject[CHAOS_ERROR];
    }
    assert_near(counts[CHAOS_DELAY], 0.3);
    assert_near(counts[CHAOS_ABORT], 0.1);
    assert_near(counts[CHAOS_ERROR], 0.9 * 0.2);
    assert_near(delayed_errors, 0.3 * 0.9 * 0.2);
}

static void a_seed_and_a_number_say_everything(void **state)
{
    const struct chaos_set set = make(0.5, 7), same = set;
    unsigned different = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        /* In any order, and beside any other seed. */
        const uint64_t number = (uint64_t)(999 - i);
        const struct chaos_set other = make(0.5, 8 + (uint64_t)i);
        const struct chaos_faults a = chaos_decide(&set, number);
        const struct chaos_faults b = chaos_decide(&same, number);

        assert_memory_equal(a.inject, b.inject, sizeof(a.inject));
        assert_true(a.delay_ms == b.delay_ms);
        different += a.delay_ms != chaos_decide(&other, number).delay_ms;
    }
    assert_true(different > 500);
}

/* A seed's neighbour is not the same sequence, shifted. */
static void neighbouring_seeds_have_nothing_in_common(void **state)
{
    const struct chaos_set one = make(1, 1), two = make(1, 2);

    (void)state;
    for (uint64_t i = 0; i < 300; i++)
        for (uint64_t j = 0; j < 300; j++)
            assert_true(chaos_decide(&one, i).delay_ms != chaos_decide(&two, j).delay_ms);
}

static void knows_never_and_always(void **state)
{
    const struct chaos_set never = make(0, 1), always = make(1, 1);
    struct chaos_set fixed = make(1, 1), failing = make(0, 1), ending = make(0, 1);

    (void)state;
    fixed.delay_high_ms = fixed.delay_low_ms;
    failing.error_rate = 1;
    ending.error_rate = ending.abort_rate = 1;
    for (uint64_t i = 0; i < 1000; i++) {
        assert_false(chaos_decide(&never, i).inject[CHAOS_DELAY]);
        assert_true(chaos_decide(&always, i).inject[CHAOS_DELAY]);
        assert_true(chaos_decide(&fixed, i).delay_ms == 100);
        assert_true(chaos_decide(&failing, i).inject[CHAOS_ERROR]);
        assert_true(chaos_decide(&ending, i).inject[CHAOS_ABORT]);
        assert_false(chaos_decide(&ending, i).inject[CHAOS_ERROR]);
    }
}

/* So that a run with a seed can be repeated with the next release too. */
static void a_seeds_faults_stay_what_they_are(void **state)
{
    const struct chaos_set set = make(0.25, 2026);
    char seen[41] = {0};

    (void)state;
    for (uint64_t i = 0; i < 40; i++)
        seen[i] = chaos_decide(&set, i).inject[CHAOS_DELAY] ? 'D' : '.';
    assert_string_equal(seen, ".DD.....D.D.D...D.D.............D.......");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hits_the_share_that_is_asked_for),
        cmocka_unit_test(kinds_are_independent),
        cmocka_unit_test(a_seed_and_a_number_say_everything),
        cmocka_unit_test(neighbouring_seeds_have_nothing_in_common),
        cmocka_unit_test(knows_never_and_always),
        cmocka_unit_test(a_seeds_faults_stay_what_they_are),
    };

    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
