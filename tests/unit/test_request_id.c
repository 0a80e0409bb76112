/*
 * Goal: a client's request id goes everywhere exactly as it was sent, or not at all.
 */
#include "lib/base/request_id.h"
#include "tests/unit/unit.h"

#include <string.h>

static void takes_valid_ids(void **state)
{
    static const char *const valid[] = {
        "a", "demo-123", "A.b_c:d/e+f=g@h-i", "0", "------------------------------------",
    };
    char longest[REQUEST_ID_MAX + 1];
    char out[REQUEST_ID_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        request_id_choose(out, valid[i]);
        assert_string_equal(out, valid[i]);
    }
    memset(longest, 'x', REQUEST_ID_MAX);
    longest[REQUEST_ID_MAX] = '\0';
    request_id_choose(out, longest);
    assert_string_equal(out, longest);
}

static void assert_uuid4(const char *text)
{
    static const char pattern[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";

    assert_int_equal(strlen(text), strlen(pattern));
    for (size_t i = 0; pattern[i] != '\0'; i++) {
        if (pattern[i] == 'x')
            assert_non_null(strchr("0123456789abcdef", text[i]));
        else if (pattern[i] == 'y')
            assert_non_null(strchr("89ab", text[i]));
        else
            assert_int_equal(text[i], pattern[i]);
    }
}

static void replaces_others(void **state)
{
    static const char *const invalid[] = {
        NULL,    "",     "a b",         "a,b", "a, b", "a\nb", "a\rb",
        "a\tb",  "\x7f", "caf\xc3\xa9", "<x>", "a\"b", "a\\b", "a%20b",
        "a\x01", "a;b",  "(a)",         " a",  "a ",   "\xff", "{}",
    };
    char too_long[REQUEST_ID_MAX + 2];
    char out[REQUEST_ID_MAX + 1];
    char second[REQUEST_ID_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        assert_false(request_id_is_valid(invalid[i]));
        request_id_choose(out, invalid[i]);
        assert_uuid4(out);
    }
    memset(too_long, 'x', REQUEST_ID_MAX + 1);
    too_long[REQUEST_ID_MAX + 1] = '\0';
    request_id_choose(out, too_long);
    assert_uuid4(out);
    request_id_choose(second, too_long);
    assert_string_not_equal(out, second);
}

/* Of all 255 single bytes exactly the 62 letters and digits and the 8 signs pass. */
static void allows_seventy_bytes(void **state)
{
    unsigned allowed = 0;

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        const char text[2] = {(char)byte, '\0'};

        allowed += request_id_is_valid(text);
    }
    assert_int_equal(allowed, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_valid_ids),
        cmocka_unit_test(replaces_others),
        cmocka_unit_test(allows_seventy_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
