/*
 * Goal: of another program's text whole lines are taken and nothing else, byte for byte,
 * however the text is cut.
 */
#include "metrics-agent/export/import_lines.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct import_lines lines;
static char out[65536];

static void cut(const char *text, size_t len, bool last)
{
    memset(out, '#', sizeof out);
    import_lines_cut(&lines, text, len, last, out);
    assert_int_equal(out[lines.len], '#');
}

static void takes_whole_lines(void **state)
{
#define TEXT(s) s, sizeof(s) - 1
    static const struct {
        const char *text;
        size_t len;
        bool last;
        const char *out;
        size_t count, consumed;
    } cases[] = {
        {TEXT(""), false, "", 0, 0},
        {TEXT("\n"), true, "", 0, 1},
        {TEXT("{}\n"), false, "{}\n", 1, 3},
        {TEXT("{}\n{\"a\":1}\n"), false, "{}\n{\"a\":1}\n", 2, 11},
        {TEXT("{}\r\n\r\n \t\n{}\r\n"), false, "{}\n{}\n", 2, 13},
        {TEXT("  {} \n"), false, "{}\n", 1, 6},
        {TEXT("{} {}\n"), false, "{} {}\n", 1, 6},
        {TEXT("not JSON\n\x01\xff\n"), false, "not JSON\n\x01\xff\n", 2, 12},
        {TEXT("\0\0\0{}\n"), false, "{}\n", 1, 6},
        {TEXT("\0\0\0"), false, "", 0, 3},
        {TEXT("{\"a\":\"\0\"}\n"), false, NULL, 1, 10},
        /* The rest stays, but for blanks before it. */
        {TEXT("{}\n{\"a\""), false, "{}\n", 1, 3},
        {TEXT("{}\n  {\"a\""), false, "{}\n", 1, 5},
        {TEXT("{}\n{}"), false, "{}\n", 1, 3},
        {TEXT("{}\n{\"a\""), true, "{}\n", 1, 3},
        {TEXT("{}\n{}"), true, "{}\n{}\n", 2, 5},
        {TEXT("{} \r"), true, "{}\n", 1, 4},
        {TEXT("{} x"), true, "", 0, 0},
        {TEXT("[]"), true, "", 0, 0},
        {TEXT("17"), true, "", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cut(cases[i].text, cases[i].len, cases[i].last);
        assert_int_equal(lines.count, cases[i].count);
        assert_int_equal(lines.consumed, cases[i].consumed);
        if (cases[i].out == NULL)
            continue;
        assert_int_equal(lines.len, strlen(cases[i].out));
        assert_memory_equal(out, cases[i].out, lines.len);
    }
    cut(TEXT("{\"a\":\"\0\"}\n"), false);
    assert_memory_equal(out, "{\"a\":\"\0\"}\n", 10);
}

/* In one piece or in any two, the same comes out. */
static void cuts_anywhere(void **state)
{
    static const char text[] = "{\"a\":1}\r\n\n {\"b\":2} \n{\"c\":3}\n";
    static const char whole[] = "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n";

    (void)state;
    for (size_t first = 0; first < sizeof text; first++) {
        char both[sizeof text];
        size_t len, at;

        cut(text, first, false);
        memcpy(both, out, len = lines.len);
        at = lines.consumed;
        cut(text + at, sizeof text - 1 - at, false);
        memcpy(both + len, out, lines.len);
        assert_int_equal(len + lines.len, sizeof whole - 1);
        assert_memory_equal(both, whole, sizeof whole - 1);
    }
}

static void stops_at_its_bound(void **state)
{
    static char text[3 * (IMPORT_LINES_MAX + 10)];

    (void)state;
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, "{}\n", 3);
    cut(text, sizeof text, false);
    assert_int_equal(lines.count, IMPORT_LINES_MAX);
    assert_int_equal(lines.consumed, 3 * IMPORT_LINES_MAX);
    cut(text + lines.consumed, sizeof text - lines.consumed, false);
    assert_int_equal(lines.count, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_whole_lines),
        cmocka_unit_test(cuts_anywhere),
        cmocka_unit_test(stops_at_its_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
