/*
 * Goal: each segment is found with the offset that was put last, in whatever order they came.
 */
#include "cli/sealed_set.h"
#include "tests/unit/unit.h"

enum { SEGMENTS = 1009 }; /* a prime: its multiples' remainders are all numbers below it */

static void test_any_order(void **state)
{
    struct sealed_set set = {.items = NULL};

    (void)state;
    assert_null(sealed_set_find(&set, 1));
    for (uint64_t i = 0; i < SEGMENTS; i++)
        assert_int_equal(sealed_set_put(&set, 2 * (i * 500 % SEGMENTS) + 1, i), 0);
    assert_int_equal(set.count, SEGMENTS);
    for (uint64_t i = 0; i < SEGMENTS; i++) {
        const uint64_t seq = 2 * (i * 500 % SEGMENTS) + 1;

        assert_int_equal(sealed_set_find(&set, seq)->offset, i);
        assert_null(sealed_set_find(&set, seq - 1));
        assert_null(sealed_set_find(&set, seq + 1));
    }
    assert_int_equal(sealed_set_put(&set, 7, 99), 0);
    assert_int_equal(set.count, SEGMENTS);
    assert_int_equal(sealed_set_find(&set, 7)->offset, 99);
    sealed_set_clear(&set);
    assert_null(sealed_set_find(&set, 7));
    assert_int_equal(sealed_set_put(&set, 7, 1), 0);
    sealed_set_clear(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
