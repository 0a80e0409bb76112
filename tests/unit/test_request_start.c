/*
 * Goal: the time at which a front end took a request is read in the form of each of them, to the
 * last digit, and nothing else is taken for a time.
 */
#include "lib/base/request_start.h"

#include "tests/unit/unit.h"

static void reads_each_front_ends_form(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {
        {"t=1512379167.574", UINT64_C(1512379167574000000)},   /* nginx: t=${msec} */
        {"t=1570633834463123", UINT64_C(1570633834463123000)}, /* Apache: t=%t */
        {"t=1512379167", UINT64_C(1512379167000000000)},       /* HAProxy: t=%Ts */
        {"t=1512379167574", UINT64_C(1512379167574000000)},    /* HAProxy: t=%[date(0,ms)] */
        {"1512379167574", UINT64_C(1512379167574000000)},      /* Heroku */
        {"1512379167574123456", UINT64_C(1512379167574123456)},
        {"1512379167574.5", UINT64_C(1512379167574500000)},
        {"1512379167.123456789", UINT64_C(1512379167123456789)},
        {"1512379167.1234567899", UINT64_C(1512379167123456789)},
        {" t=1512379167.5 ", UINT64_C(1512379167500000000)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ns = 0;

        assert_int_equal(request_start_parse(text_of(cases[i].text), &ns), 0);
        if (ns != cases[i].ns)
            fail_msg("%s: %llu", cases[i].text, (unsigned long long)ns);
    }
}

static void refuses_everything_else(void **state)
{
    static const char *const bad[] = {"",
                                      "t=",
                                      "t",
                                      "0",
                                      "-1",
                                      "t=-1512379167",
                                      "1512379167.",
                                      "1.2.3",
                                      ".5",
                                      "now",
                                      "t=1512379167s",
                                      "t=1512379167, t=1512379168",
                                      "99999999999999999999",
                                      "0x5",
                                      "t=t=1512379167",
                                      "1512379167.x",
                                      "1512379167.1234567890x",
                                      "18446744073.8" /* beyond 64 bits by its fraction alone */,
                                      "18446744073709551.9"};
    uint64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(request_start_parse(text_of(bad[i]), &ns), -1);
    assert_int_equal(request_start_parse(text_of(NULL), &ns), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_front_ends_form),
        cmocka_unit_test(refuses_everything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
