/*
 * Goal: the page of any instance is well-formed and bounded; no text from elsewhere becomes a tag,
 * an attribute or a control character; what the script and its readers rely on is there.
 */
#include "tests/unit/unit.h"

#include "metrics-agent/page/page_assets.h"
#include "tests/unit/page_fixture.h"

#include <stdlib.h>

static struct page_fixture *fixture;

static struct html render(enum page_fixture_kind kind)
{
    struct html html = {.max = 4 << 20};

    page_fixture_fill(fixture, kind);
    assert_true(page_fixture_render(&html, fixture));
    return html;
}

static int setup(void **state)
{
    (void)state;
    fixture = malloc(sizeof(*fixture));
    return fixture != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(fixture);
    return 0;
}

static bool is_void(const char *name, size_t len)
{
    static const char *const names[] = {"meta", "link", "input", "!doctype"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    }
    return false;
}

/* The names of its tags and attributes, in order; fails unless tags close in order and values are
 * quoted. */
static char *skeleton(const struct html *html)
{
    char *const out = calloc(1, html->len + 1);
    char stack[64][16];
    size_t depth = 0, len = 0;

    assert_non_null(out);
    for (const char *at = html->text; (at = strchr(at, '<')) != NULL;) {
        const char *name = ++at;
        size_t name_len;

        if (*at == '/') {
            name_len = strcspn(++at, ">");
            assert_int_not_equal(depth, 0);
            assert_int_equal(strlen(stack[--depth]), name_len);
            assert_memory_equal(stack[depth], at, name_len);
            continue;
        }
        name_len = strcspn(name, " />");
        memcpy(out + len, at - 1, name_len + 1);
        len += name_len + 1;
        at += name_len;
        while (*at == ' ') {
            const size_t attribute = strcspn(at, "=> /");
            const size_t whole = attribute == 0 ? 1 + strcspn(at + 1, "=> /") : attribute;

            memcpy(out + len, at, whole);
            len += whole;
            at += whole;
            if (*at == '=') {
                assert_int_equal(at[1], '"');
                at = strchr(at + 2, '"');
                assert_non_null(at);
                at++;
            }
        }
        if (*at == '/') {
            at++;
        } else if (!is_void(name, name_len)) {
            assert_in_range(depth, 0, 63);
            memcpy(stack[depth], name, name_len);
            stack[depth++][name_len] = '\0';
        }
        assert_int_equal(*at, '>');
    }
    assert_int_equal(depth, 0);
    return out;
}

/* The same tags and attributes as where the texts are harmless. */
static void hostile_text_stays_text(void **state)
{
    struct html harmless = render(FIXTURE_BROKEN);
    struct html hostile;
    char *expected, *seen;
    const char *from_expected, *from_seen;

    (void)state;
    /* Texts that the broken instance does not have; harmless, but there. */
    (void)snprintf(fixture->verdict.problems[2].mend, VERDICT_TEXT_MAX, "true");
    (void)snprintf(fixture->query.find, sizeof(fixture->query.find), "find");
    (void)snprintf(fixture->query.trace, sizeof(fixture->query.trace), "trace");
    html_free(&harmless);
    harmless = (struct html){.max = 4 << 20};
    assert_true(page_fixture_render(&harmless, fixture));
    expected = skeleton(&harmless);
    hostile = render(FIXTURE_HOSTILE);
    seen = skeleton(&hostile);
    from_expected = expected;
    from_seen = seen;
    /* From the first difference on: cmocka cuts long texts. */
    while (*from_seen != '\0' && *from_seen == *from_expected) {
        from_seen++;
        from_expected++;
    }
    assert_string_equal(from_seen, from_expected);
    assert_null(strstr(hostile.text, "<script>"));
    assert_non_null(strstr(hostile.text, "&lt;script&gt;"));
    free(expected);
    free(seen);
    html_free(&harmless);
    html_free(&hostile);
}

static void no_control_character_passes(void **state)
{
    static const char *const never[] = {"\xe2\x80\xae", "\xe2\x81\xa6", "\xc2\x9b", "\xff"};
    struct html html = render(FIXTURE_HOSTILE);

    (void)state;
    for (size_t i = 0; i < html.len; i++) {
        const unsigned char c = (unsigned char)html.text[i];

        assert_true(c == '\n' || (c >= ' ' && c != 0x7F));
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_null(strstr(html.text, never[i]));
    assert_non_null(strstr(html.text, "\\u202e"));
    html_free(&html);
}

static void every_section_has_its_heading(void **state)
{
    static const char *const ids[] = {"verdict",  "tiles",  "rates",    "latency",
                                      "errors",   "routes", "programs", "processes",
                                      "pipeline", "faults", "traces"};

    (void)state;
    for (int kind = 0; kind < FIXTURES; kind++) {
        struct html html = render((enum page_fixture_kind)kind);
        const char *at = html.text;
        char *shape = skeleton(&html);

        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
            char begin[64];
            const char *heading;

            (void)snprintf(begin, sizeof(begin), "<section id=\"%s\"", ids[i]);
            at = strstr(at, begin);
            assert_non_null(at);
            heading = strstr(at, i == 0 ? "<h1" : "<h2");
            assert_non_null(heading);
            assert_true(heading < strstr(at, "</section>"));
        }
        /* Nothing that the Content-Security-Policy forbids. */
        assert_null(strstr(html.text, " style=\""));
        assert_null(strstr(html.text, " onclick"));
        assert_null(strstr(html.text, "http://www.w3.org/1999"));
        free(shape);
        html_free(&html);
    }
}

/* All rows there can be, each as long as it can be, and nothing alike that could be told shorter.
 */
static void the_largest_page_is_bounded(void **state)
{
    struct overview *const o = &fixture->overview;
    struct html html = {.max = 4 << 20};

    (void)state;
    page_fixture_fill(fixture, FIXTURE_HOSTILE);
    o->route_count = o->error_count = o->program_count = o->process_count = o->drop_count = 0;
    for (unsigned i = 0; i < OVERVIEW_ROUTES_MAX; i++)
        page_fixture_route(o, "OPTIONS", "/a/rather/long/path/that/goes/on/until/it/is/cut", 1e6,
                           1e5, 1e4, 0.123456);
    for (unsigned i = 0; i < OVERVIEW_PROGRAMS_MAX; i++)
        page_fixture_program(o, "a-program-of-a-long-name", 12, 12, 1e6, 1e5);
    for (unsigned i = 0; i < OVERVIEW_PROCESSES_MAX; i++)
        page_fixture_process(o, 4000000 + i, "a-program-of-a-long-name", true, false);
    o->error_count = OVERVIEW_ERRORS_MAX;
    o->drop_count = OVERVIEW_DROPS_MAX;
    fixture->verdict.problem_count = VERDICT_PROBLEMS_MAX;
    memset(fixture->verdict.problems[5].text, '<', VERDICT_TEXT_MAX - 1);
    assert_true(page_fixture_render(&html, fixture));
    assert_in_range(html.len, 1, 200 * 1024);
    html_free(&html);
}

static void a_page_without_room_is_told(void **state)
{
    struct html html = {.max = 8192};

    (void)state;
    page_fixture_fill(fixture, FIXTURE_WELL);
    assert_false(page_fixture_render(&html, fixture));
    html_free(&html);
}

static void the_assets_are_inside(void **state)
{
    struct page_asset css, js, none;
    char url[64];
    struct html html = render(FIXTURE_WELL);

    (void)state;
    assert_int_equal(page_assets_find(&css, "/page.css"), 0);
    assert_int_equal(page_assets_find(&js, "/page.js"), 0);
    assert_int_equal(page_assets_find(&none, "/page.c"), -1);
    assert_in_range(css.length, 1000, 32768);
    assert_in_range(js.length, 1000, 32768);
    assert_ptr_equal(memmem(css.text, css.length, "/*", 2), css.text);
    assert_non_null(memmem(js.text, js.length, "\"use strict\"", 12));
    assert_int_equal(strlen(page_assets_version), 16);
    (void)snprintf(url, sizeof(url), "\"/page.js?v=%s\"", page_assets_version);
    assert_non_null(strstr(html.text, url));
    html_free(&html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(no_control_character_passes),
        cmocka_unit_test(every_section_has_its_heading),
        cmocka_unit_test(the_largest_page_is_bounded),
        cmocka_unit_test(a_page_without_room_is_told),
        cmocka_unit_test(the_assets_are_inside),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
