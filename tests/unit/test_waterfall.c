/*
 * Goal: a waterfall's figures fit into their columns whatever they are, and a bar is at its time
 * and never wider than its room, nor nothing.
 */
#include "cli/columns.h"
#include "cli/waterfall_text.h"
#include "tests/unit/unit.h"
#include "view/view_text.h"

#include <string.h>

static void durations_have_three_digits_and_a_unit(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "0.00 us"},
        {999, "1.00 us"},
        {1520, "1.52 us"},
        {99949, "99.9 us"},
        {99950, "100 us"},
        {999499, "999 us"},
        {999500, "1.00 ms"},
        {9994999, "9.99 ms"},
        {9995000, "10.0 ms"},
        {999499999, "999 ms"},
        {999500000, "1.00 s"},
        {59499999999, "59.5 s"},
        {59500000000, "1m 00s"},
        {152000000000, "2m 32s"},
        {3599499999999, "59m 59s"},
        {3600000000000, "1h 00m"},
        {172799000000000, "47h 59m"},
        {172800000000000, "2 days"},
        {UINT64_MAX, "213503 days"},
    };
    char text[VIEW_TEXT_DURATION_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        view_text_duration(text, cases[i].ns, false);
        assert_string_equal(text, cases[i].text);
    }
    view_text_duration(text, 1520, true);
    assert_string_equal(text, "1.52 \u00b5s");
    view_text_offset(text, -1520, false);
    assert_string_equal(text, "-1.52 us");
    view_text_offset(text, INT64_MIN, false);
    assert_string_equal(text, "-106751 days");
}

static void a_bar_has_its_place_and_its_room(void **state)
{
    static const int64_t offsets[] = {INT64_MIN, -1, 0, 1, 499, 500, 999, 1000, INT64_MAX};
    static const uint64_t durations[] = {0, 1, 500, 1000, UINT64_MAX};
    static const uint64_t ranges[] = {0, 1, 1000, UINT64_MAX};
    char bar[WATERFALL_BAR_MAX];

    (void)state;
    for (unsigned columns = 1; columns <= 500; columns += 83) {
        for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
            for (size_t k = 0; k < 5 * 4 * 2; k++) {
                const bool utf8 = k % 2 == 0;
                size_t wide = 0, marks = 0;

                waterfall_text_bar(bar, columns, offsets[i], durations[k / 2 % 5],
                                   ranges[k / 2 / 5], utf8);
                /* Each character is a column: continuation bytes do not count. */
                for (const char *at = bar; *at != '\0'; at++) {
                    wide += (*at & 0xc0) != 0x80;
                    marks += *at != ' ';
                }
                assert_in_range(wide, 1, columns);
                assert_true(marks > 0);
            }
        }
    }
    waterfall_text_bar(bar, 10, 0, 1000, 1000, false);
    assert_string_equal(bar, "==========");
    waterfall_text_bar(bar, 10, 500, 200, 1000, false);
    assert_string_equal(bar, "     ==");
    waterfall_text_bar(bar, 4, 125, 500, 1000, true);
    assert_string_equal(bar, "\u257a\u2501\u2578");
    waterfall_text_bar(bar, 4, 1000, 0, 1000, true);
    assert_string_equal(bar, "   \u257a");
}

static void a_line_is_broken_at_blanks_and_words_that_are_too_long(void **state)
{
    (void)state;
    assert_int_equal(columns_break("one two three", 13, 20), 13);
    assert_int_equal(columns_break("one two three", 13, 9), 7);
    assert_int_equal(columns_break("one two three", 13, 7), 7);
    assert_int_equal(columns_break("abcdefghij", 10, 4), 4);
    assert_int_equal(columns_break("a bcdefghijk", 12, 4), 4);
    assert_int_equal(columns_fit("\xc3\xa4\xc3\xb6\xc3\xbc", 6, 2), 4);
    assert_int_equal(columns_of("\xc3\xa4\xff!", 4), 3); /* what is no UTF-8 counts too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_three_digits_and_a_unit),
        cmocka_unit_test(a_bar_has_its_place_and_its_room),
        cmocka_unit_test(a_line_is_broken_at_blanks_and_words_that_are_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
