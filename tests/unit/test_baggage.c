/*
 * Goal: what is passed on as baggage is well-formed by W3C Baggage and within its limits; anything
 * else is dropped, never repaired.
 */
#include "lib/trace/baggage.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static void baggage_is_checked(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        {"", 0},
        {" ", 0},
        {"a", 0},
        {"=1", 0},
        {"a=", 2},
        {"a=1", 3},
        {"a = 1", 5},
        {"a=1 ", 3},
        {"a=1,b=2", 7},
        {"a=1 ,\tb=2", 9},
        {"a=1,", 0},
        {",a=1", 0},
        {"a=1,,b=2", 0},
        {"a=1;p", 5},
        {"a=1;p=2;q", 9},
        {"a=1 ; p = 2 , b=2", 17},
        {"a=1;", 0},
        {"a=1;=2", 0},
        {"a=1;p=2=3", 9},
        {"a=b=c", 5},
        {"a=%20%C3%A9", 11},
        {"!#$%&'*+-.^_`|~09azAZ=x", 23},
        {"a b=1", 0},
        {"a(=1", 0},
        {"a=\"1\"", 0},
        {"a=1 2", 0},
        {"a=1\\", 0},
        {"a=\xc3\xa9", 0},
        {"\xc3\xa9=1", 0},
        {"a=1\x7f", 0},
        {"a=1\r\nX: y", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (baggage_length(cases[i].text) != cases[i].length)
            fail_msg("%s: %zu", cases[i].text, baggage_length(cases[i].text));
}

static void long_baggage_is_cut_at_a_member(void **state)
{
    static char text[3 * BAGGAGE_SIZE_MAX];
    size_t length = 0, at_limit = 0;

    (void)state;
    for (int i = 0; i < BAGGAGE_MEMBERS_MAX + 1; i++) {
        at_limit = length;
        length +=
            (size_t)snprintf(text + length, sizeof(text) - length, "%sk%d=1", i > 0 ? "," : "", i);
    }
    assert_int_equal(baggage_length(text), at_limit);
    text[at_limit] = '\0';
    assert_int_equal(baggage_length(text), at_limit);

    /* A member that would end one byte beyond the limit, and a short one that would fit. */
    memset(text, 'v', sizeof(text));
    memcpy(text, "a=1,b=", 6);
    text[BAGGAGE_SIZE_MAX] = '\0';
    assert_int_equal(baggage_length(text), BAGGAGE_SIZE_MAX);
    text[BAGGAGE_SIZE_MAX] = 'v';
    memcpy(text + BAGGAGE_SIZE_MAX + 1, ",c=1", 5);
    assert_int_equal(baggage_length(text), 3);
    /* What is wrong behind the limit is wrong all the same. */
    memcpy(text + BAGGAGE_SIZE_MAX + 1, ",c", 3);
    assert_int_equal(baggage_length(text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baggage_is_checked),
        cmocka_unit_test(long_baggage_is_cut_at_a_member),
    };

    return cmocka_run_group_tests_name("baggage", tests, NULL, NULL);
}
