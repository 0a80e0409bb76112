/*
 * Goal: text is plain exactly where JSON and a terminal take it as it is, wherever the byte stands
 * that is not, and neither text nor copy is touched beyond its end.
 */
#include "lib/base/json_plain.h"
#include "tests/unit/guarded.h"

#include <stdbool.h>
#include <string.h>

enum { LENGTHS = 52 };

static bool is_taken(int byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void check(char *to_end, const char *text, size_t len, size_t expected)
{
    char *const to = to_end - len;

    to[-1] = '#';
    memset(to, '#', len);
    assert_int_equal(json_plain_copy(to, text, len), expected);
    assert_memory_equal(to, text, expected);
    assert_int_equal(to[-1], '#');
    assert_ptr_equal(json_plain_skip(text, text + len), text + expected);
}

/* At the end of a page, so that the text's length gives its alignment, and away from it. */
static void each_byte_at_each_place(void **state)
{
    char *const end = guarded_end(4096), *const to_end = guarded_end(4096);

    (void)state;
    for (size_t len = 0; len < LENGTHS; len++) {
        for (size_t shift = 0; shift <= 16; shift += 3) {
            char *const text = end - shift - len;

            memset(text, 'x', len);
            check(to_end - shift / 2, text, len, len);
            for (size_t place = 0; place < len; place++) {
                for (int byte = 0; byte < 256; byte++) {
                    text[place] = (char)byte;
                    check(to_end, text, len, is_taken(byte) ? len : place);
                }
                text[place] = 'x';
            }
        }
    }
}

static void the_first_of_several_counts(void **state)
{
    static const unsigned char special[] = {0x00, 0x1f, '"', '\\', 0x7f, 0x80, 0xff};
    char *const end = guarded_end(4096), *const to_end = guarded_end(4096);

    (void)state;
    for (size_t len = 2; len < LENGTHS; len++) {
        for (size_t first = 0; first + 1 < len; first++) {
            for (size_t i = 0; i < sizeof(special); i++) {
                for (size_t second = first + 1; second < len; second++) {
                    memset(end - len, ' ', len);
                    end[first - len] = (char)special[i];
                    end[second - len] = (char)special[(i + second) % sizeof(special)];
                    check(to_end, end - len, len, first);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_at_each_place),
        cmocka_unit_test(the_first_of_several_counts),
    };

    return cmocka_run_group_tests_name("json_plain", tests, NULL, NULL);
}
