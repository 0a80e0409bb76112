/*
 * Goal: points in time as scripts have them are read to the nanosecond, and nothing else is taken
 * for one.
 */
#include "cli/time_text.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void test_times(void **state)
{
    static const struct {
        const char *text;
        uint64_t unix_ns;
    } rows[] = {
        {"0", 0},
        {"@0", 0},
        {"1", UINT64_C(1000000000)},
        {"1616620946", UINT64_C(1616620946000000000)},
        {"@1616620946.000000001", UINT64_C(1616620946000000001)},
        {"1616620946.1234567899", UINT64_C(1616620946123456789)},
        {"1616620950.241980634", UINT64_C(1616620950241980634)},
        {"18446744072", UINT64_C(18446744072000000000)},
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"2021-03-24T07:28:05.12345Z", UINT64_C(1616570885123450000)},
        {"2021-03-24t07:28:05z", UINT64_C(1616570885000000000)},
        {"2021-03-24 07:28:05-00:00", UINT64_C(1616570885000000000)},
        {"2021-03-24 09:58:05.5+02:30", UINT64_C(1616570885500000000)},
        {"2021-03-23T23:28:05-08:00", UINT64_C(1616570885000000000)},
        {"2024-02-29T00:00:00Z", UINT64_C(1709164800000000000)},
        {"2016-12-31T23:59:60Z", UINT64_C(1483228800000000000)}, /* a leap second */
        {"2016-12-31T23:59:60.5Z", UINT64_C(1483228800500000000)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t found = 7;

        if (time_text_parse(rows[i].text, &found) != 0 || found != rows[i].unix_ns)
            fail_msg("%s is %" PRIu64, rows[i].text, found);
    }
}

static void test_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "@",
                                       "@@1",
                                       ".",
                                       ".5",
                                       "1.",
                                       "-1",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "1s",
                                       "1e9",
                                       "0x10",
                                       "now",
                                       "18446744073.9",
                                       "99999999999",
                                       "999999999999",
                                       "1970-01-01",
                                       "1970-01-01T00:00:00",
                                       "1970-01-01T00:00Z",
                                       "1969-12-31T23:59:59Z",
                                       "1970-01-01T00:00:00+01:00",
                                       "2023-02-29T00:00:00Z",
                                       "2023-04-31T00:00:00Z",
                                       "2023-13-01T00:00:00Z",
                                       "2023-00-01T00:00:00Z",
                                       "2023-01-00T00:00:00Z",
                                       "2023-01-01T24:00:00Z",
                                       "2023-01-01T00:60:00Z",
                                       "2023-01-01T00:00:61Z",
                                       "2023-01-01T00:00:00.Z",
                                       "2023-01-01T00:00:00+24:00",
                                       "2023-01-01T00:00:00+00:60",
                                       "2023-01-01T00:00:00+0100",
                                       "2023-01-01T00:00:00ZZ",
                                       "2023-1-1T00:00:00Z",
                                       "2023-01-01_00:00:00Z",
                                       "9999-01-01T00:00:00Z",
                                       "@2023-01-01T00:00:00Z"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t found = 7;

        if (time_text_parse(rows[i], &found) == 0)
            fail_msg("%s was taken for %" PRIu64, rows[i], found);
        assert_int_equal(found, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
