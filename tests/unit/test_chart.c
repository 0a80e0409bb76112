/*
 * Goal: a chart is well-formed SVG whatever it is given (nothing, gaps, zeros, one point, huge
 * values), shows a gap as a gap, and says its figures in its title and table.
 */
#include "tests/unit/unit.h"

#include "metrics-agent/page/chart.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct overview_line all(float value)
{
    struct overview_line line;

    for (size_t i = 0; i < OVERVIEW_POINTS; i++)
        line.points[i] = value;
    return line;
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        count++;
    return count;
}

/* Each tag is closed, in order, and no coordinate is something that SVG does not know. */
static void check_markup(const struct html *html)
{
    char stack[32][16];
    size_t depth = 0;

    assert_non_null(html->text);
    assert_false(html->full);
    assert_null(strstr(html->text, "nan"));
    assert_null(strstr(html->text, "inf"));
    for (const char *at = html->text; (at = strchr(at, '<')) != NULL;) {
        const char *const end = strchr(at, '>');
        const size_t len = strcspn(at + 1, " />");

        assert_non_null(end);
        if (at[1] == '/') {
            const size_t closed = strcspn(at + 2, ">");

            assert_int_not_equal(depth, 0);
            depth--;
            assert_int_equal(strlen(stack[depth]), closed);
            assert_memory_equal(stack[depth], at + 2, closed);
        } else if (end[-1] != '/') {
            assert_in_range(depth, 0, 31);
            assert_in_range(len, 1, sizeof(stack[0]) - 1);
            memcpy(stack[depth], at + 1, len);
            stack[depth++][len] = '\0';
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

static struct html draw(const struct overview_line *line, bool log, double objective)
{
    const struct chart_series series[] = {
        {.name = "p95", .look = "p95", .line = line},
        {.name = "p50", .look = "p50", .line = line, .area = true}};
    const struct chart chart = {.id = "table",
                                .title = "Latency",
                                .unit = FIGURE_SECONDS,
                                .range_s = 900,
                                .series = series,
                                .count = 2,
                                .log = log,
                                .objective = objective};
    struct html html = {.max = 1 << 20};

    chart_line(&html, &chart);
    chart_spark(&html, line, "Latency", FIGURE_SECONDS, "p95");
    return html;
}

static void any_line_is_well_formed(void **state)
{
    static const float values[] = {NAN, 0, -1, FLT_MIN, 1e-9F, 0.25F, 1e30F, FLT_MAX, INFINITY};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            struct overview_line line = all(values[i]);

            line.points[7] = values[k];
            for (int log = 0; log < 2; log++) {
                struct html html = draw(&line, log != 0, 0.1);
                /* An axis' own figure may be endless; no place in the image is. */
                check_markup(&html);
                html_free(&html);
            }
        }
    }
}

static void a_gap_is_a_gap(void **state)
{
    struct overview_line line = all(1);
    struct html html = {.max = 1 << 16};

    (void)state;
    line.points[10] = line.points[12] = NAN;
    chart_path(&html, &line, 0, 2, false, 100, false);
    assert_int_equal(occurrences(html.text, "M"), 3);
    assert_null(strstr(html.text, " 10 "));
    /* The point between the gaps is a dash, for a line of one point is not seen. */
    assert_non_null(strstr(html.text, "M11 50h.5"));
    html_free(&html);
}

static void nothing_known_is_no_line(void **state)
{
    struct overview_line line = all(NAN);
    struct html html = draw(&line, true, 0);

    (void)state;
    assert_non_null(strstr(html.text, "p95 not known"));
    assert_null(strstr(html.text, "d=\"M1"));
    html_free(&html);
}

static void the_title_says_the_figures(void **state)
{
    struct overview_line line = all(0.002F);
    struct html html;

    (void)state;
    line.points[3] = 0.25F;
    line.points[OVERVIEW_POINTS - 1] = 0.004F;
    html = draw(&line, true, 0.1);
    assert_non_null(strstr(html.text, "<title>Latency over 15 minutes: p95 4 ms now, between 2 ms "
                                      "and 250 ms; p50 4 ms now"));
    assert_non_null(strstr(html.text, "objective 100 ms"));
    /* The stretch of the spike, in the table. */
    assert_non_null(strstr(html.text, "<td>250 ms</td>"));
    html_free(&html);
}

static void a_logarithmic_axis_is_one(void **state)
{
    struct overview_line line = all(0.1F);
    struct html html = {.max = 1 << 16};

    (void)state;
    line.points[0] = 0.001F;
    line.points[1] = 0.01F;
    chart_path(&html, &line, 0.001, 0.1, true, 100, false);
    assert_memory_equal(html.text, "M0 100 1 50", 11);
    html_free(&html);
}

static void heat_of(struct html *html, const struct overview *overview)
{
    *html = (struct html){.max = 1 << 20};
    chart_heat(html, overview);
    check_markup(html);
}

static void a_heat_map_is_well_formed(void **state)
{
    struct overview *overview = calloc(1, sizeof(*overview));
    struct html html;

    (void)state;
    assert_non_null(overview);
    overview->range_s = 900;
    heat_of(&html, overview);
    assert_non_null(strstr(html.text, "No request in the last 15 minutes"));
    html_free(&html);

    for (size_t p = 0; p < OVERVIEW_POINTS; p++) {
        for (size_t b = 0; b < OVERVIEW_BUCKETS; b++)
            overview->heat[p][b] = NAN;
    }
    overview->heat[59][OVERVIEW_BUCKETS - 1] = 1;
    heat_of(&html, overview);
    assert_non_null(strstr(html.text, "1; most (100 %) took over 10 s"));
    html_free(&html);

    overview->heat[0][0] = 1e30F;
    overview->heat[1][0] = -5;
    heat_of(&html, overview);
    html_free(&html);

    /* Few bytes, even where no cell is like its neighbour. */
    for (size_t p = 0; p < OVERVIEW_POINTS; p++) {
        for (size_t b = 0; b < OVERVIEW_BUCKETS; b++)
            overview->heat[p][b] = (float)((p * 7919 + b * 104729) % 997);
    }
    heat_of(&html, overview);
    assert_in_range(html.len, 1, 24 * 1024);
    html_free(&html);
    free(overview);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_line_is_well_formed),   cmocka_unit_test(a_gap_is_a_gap),
        cmocka_unit_test(nothing_known_is_no_line),  cmocka_unit_test(the_title_says_the_figures),
        cmocka_unit_test(a_logarithmic_axis_is_one), cmocka_unit_test(a_heat_map_is_well_formed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
