/*
 * Goal: numbers come out as the shortest text that reads back as the same double, and every way to
 * it that is quicker than trying writes what trying would.
 */
#include "lib/base/decimal.h"
#include "tests/unit/plain_json.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

static void check_integer(uint64_t value)
{
    char text[DECIMAL_INT_SIZE + 1], expected[32];

    text[decimal_uint(text, value)] = '\0';
    (void)snprintf(expected, sizeof(expected), "%" PRIu64, value);
    assert_string_equal(text, expected);
    text[decimal_int(text, (int64_t)value)] = '\0';
    (void)snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)value);
    assert_string_equal(text, expected);
}

static void integers_of_every_length(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        for (uint64_t step = 0; step <= 2; step++) {
            check_integer(power - 1 + step);
            check_integer(0 - (power - 1 + step));
        }
    }
    for (unsigned bits = 0; bits < 64; bits++) {
        for (int i = 0; i < 1000; i++)
            check_integer(next() >> bits);
    }
    check_integer((uint64_t)INT64_MIN);
}

static void pairs_of_digits(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 100; value++) {
        char text[3] = "", expected[16];

        decimal_pair(text, value);
        (void)snprintf(expected, sizeof(expected), "%02u", value);
        assert_string_equal(text, expected);
    }
}

static void doubles_are_shortest_and_read_back(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {14.0, "14.0"},
        {7, "7.0"},
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {100.0, "100.0"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {1e22, "1e+22"},
        {1.5e300, "1.5e+300"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {0.00012345, "0.00012345"},
        {-123.456, "-123.456"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
        {0x1p-44, "5.684341886080802e-14"}, /* nearest 16 digits do not read back */
        {123456789.125, "123456789.125"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[DECIMAL_DOUBLE_SIZE];

        assert_int_equal(decimal_double(text, cases[i].value), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* The gap below a power of two is half of that above: the nearest short text may not be the one. */
static void powers_of_two_have_no_shorter_text(void **state)
{
    (void)state;
    for (int k = -1074; k < 1024; k++) {
        const double value = ldexp(1, k);
        char text[DECIMAL_DOUBLE_SIZE], shorter[64];
        size_t digits = 0, zeros = 0;

        (void)decimal_double(text, value);
        assert_true(strtod(text, NULL) == value);
        for (const char *at = text; *at != '\0' && *at != 'e'; at++) {
            if (*at == '.' || (digits == 0 && *at == '0'))
                continue;
            digits++;
            zeros = *at == '0' ? zeros + 1 : 0;
        }
        digits -= zeros;
        for (int step = -1; digits > 1 && step <= 1; step++) {
            unsigned long long whole = 0;
            const char *at;

            (void)snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2, value);
            for (at = shorter; *at != 'e'; at++)
                if (*at != '.')
                    whole = 10 * whole + (unsigned)(*at - '0');
            (void)snprintf(shorter, sizeof(shorter), "%llue%d", whole + (unsigned long long)step,
                           atoi(at + 1) - (int)digits + 2);
            if (strtod(shorter, NULL) == value)
                fail_msg("2^%d is %s, not %s", k, shorter, text);
        }
    }
}

static void random_doubles_read_back(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        char text[DECIMAL_DOUBLE_SIZE];
        double value, back;

        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&value, &x, sizeof(value));
        if (!isfinite(value))
            continue;
        (void)decimal_double(text, value);
        back = strtod(text, NULL);
        assert_memory_equal(&back, &value, sizeof(value));
        assert_non_null(strpbrk(text, ".e"));
    }
}

static void check_double(double value)
{
    char text[DECIMAL_DOUBLE_SIZE], plain[PLAIN_JSON_DOUBLE_SIZE];

    if (!isfinite(value))
        return;
    (void)plain_json_format_double(plain, value);
    assert_int_equal(decimal_double(text, value), strlen(plain));
    assert_string_equal(text, plain);
    assert_int_equal(decimal_double(text, -value), strlen(plain) + (signbit(value) ? -1 : 1));
}

/* What programs write: sums of prices, times of nanoseconds, whole numbers; and their neighbours.
 */
static void check_with_neighbours(double value)
{
    check_double(value);
    check_double(nextafter(value, INFINITY));
    check_double(nextafter(value, 0));
}

static void quick_ways_write_what_trying_would(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        const double whole = (double)(next() >> next() % 64);

        check_with_neighbours(whole);
        check_with_neighbours(whole / 1e3);
        check_with_neighbours(whole / 1e6);
        check_with_neighbours(whole / 1e9);
        check_with_neighbours(whole * pow(10, (double)(next() % 40) - 20));
        check_double((double)(next() % 100000) / 100 + (double)(next() % 100000) / 1000);
        check_double((double)(next() % 10000) / 7);
    }
    for (int exponent = -12; exponent <= 18; exponent++) {
        char text[32];

        /* A power of ten, and what lies half a place from it. */
        (void)snprintf(text, sizeof(text), "1e%d", exponent);
        check_with_neighbours(strtod(text, NULL));
        for (int digits = 1; digits <= 17; digits++) {
            (void)snprintf(text, sizeof(text), "%.*s5e%d", digits, "99999999999999999", exponent);
            check_with_neighbours(strtod(text, NULL));
            (void)snprintf(text, sizeof(text), "1%.*s5e%d", digits, "00000000000000000", exponent);
            check_with_neighbours(strtod(text, NULL));
        }
    }
    check_with_neighbours(0x1p53);
    check_with_neighbours(1e-7);
    check_with_neighbours(1e-4);
    check_with_neighbours(1e9);
    check_with_neighbours(1e15);
    check_with_neighbours(1e16);
    check_double(5e-324);
    check_double(1.7976931348623157e308);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_every_length),
        cmocka_unit_test(pairs_of_digits),
        cmocka_unit_test(doubles_are_shortest_and_read_back),
        cmocka_unit_test(powers_of_two_have_no_shorter_text),
        cmocka_unit_test(random_doubles_read_back),
        cmocka_unit_test(quick_ways_write_what_trying_would),
    };

    return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
