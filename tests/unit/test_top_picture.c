/*
 * Goal: a picture of `microtrace top` fits every screen, says what is known and "-" for what is
 * not, and passes nothing on that a terminal obeys.
 */
#include "cli/columns.h"
#include "cli/top_picture.h"
#include "cli/top_text.h"
#include "tests/unit/unit.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTILE "\033[2J\xe2\x80\xae\x9b\r\n\xe6\x97\xa5\xe6\x9c\xac"

static const struct verdict well = {.level = VERDICT_WELL, .sentence = "All is well"};

static struct top_picture picture;
static struct overview overview;

static void fill_line(struct overview_line *line, float value)
{
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        line->points[i] = i < 30 ? NAN : value * (float)(i - 29);
}

/* All that can be shown, with names of others. */
static void fill(void)
{
    memset(&overview, 0, sizeof overview);
    overview.at_ns = UINT64_C(1790000000000000000);
    overview.range_s = 300;
    overview.known_s = 10;
    overview.rate = 1234.5;
    overview.good_share = 0.999;
    overview.p50_s = 0.0001;
    overview.p95_s = 0.0123;
    overview.p99_s = 10;
    overview.queue_p95_s = NAN;
    overview.busy = 3;
    overview.idle = 5;
    fill_line(&overview.rates, 2);
    for (unsigned i = 0; i < OVERVIEW_ROUTES_MAX; i++) {
        struct overview_route *const r = &overview.routes[overview.route_count++];

        snprintf(r->method, sizeof r->method, "GET");
        snprintf(r->path, sizeof r->path, "/%02u" HOSTILE, i);
        r->rate = 100 - i;
        r->server_errors = i % 7;
        r->p95_s = i == 3 ? (double)NAN : (i * 13 % 32) * 0.01;
        r->slowest_s = INFINITY;
        fill_line(&r->rates, 1);
    }
    for (unsigned i = 0; i < OVERVIEW_ERRORS_MAX; i++)
        snprintf(overview.errors[overview.error_count++].kind, OVERVIEW_NAME_MAX, "%u" HOSTILE, i);
    for (unsigned i = 0; i < OVERVIEW_PROGRAMS_MAX; i++)
        snprintf(overview.programs[overview.program_count++].name, OVERVIEW_NAME_MAX, "%u" HOSTILE,
                 i);
    for (unsigned i = 0; i < OVERVIEW_PROCESSES_MAX; i++) {
        struct overview_process *const p = &overview.processes[overview.process_count++];

        *p = (struct overview_process){.pid = i + 100, .busy = i % 2 == 0, .died = i == 0};
        snprintf(p->name, sizeof p->name, HOSTILE "%u", i);
    }
    snprintf(overview.drops[overview.drop_count++].reason, OVERVIEW_NAME_MAX, HOSTILE);
    overview.chaos_on = true;
    overview.chaos_probability = 0.25;
    overview.breaker_used = true;
    overview.breaker = 1;
}

static void draw(struct top_picture_options options)
{
    options.where = "/run/" HOSTILE;
    top_picture_draw(&picture, &options, &overview, &well);
}

static bool shows(const char *text)
{
    for (size_t i = 0; i < picture.count; i++) {
        if (strstr(picture.lines[i].text, text) != NULL)
            return true;
    }
    return false;
}

static void test_it_fits_every_screen(void **state)
{
    (void)state;
    for (unsigned width = TOP_PICTURE_WIDTH_MIN; width <= TOP_PICTURE_WIDTH_MAX; width += 7) {
        for (unsigned height = 0; height <= 90; height += 3) {
            fill();
            draw((struct top_picture_options){
                .width = width, .height = height, .utf8 = width % 2 == 0, .keys = true});
            assert_true(picture.count >= 1);
            assert_true(height == 0 || picture.count <= height);
            for (size_t i = 0; i < picture.count; i++) {
                const char *const text = picture.lines[i].text;

                assert_true(columns_of(text, strlen(text)) <= width);
                assert_null(strpbrk(text, "\033\r\n\t"));
                assert_null(strstr(text, "\xe2\x80\xae"));
                assert_null(strstr(text, "\xc2\x9b"));
            }
        }
    }
}

static void test_a_picture_without_end_has_all(void **state)
{
    (void)state;
    fill();
    draw((struct top_picture_options){.width = 100});
    assert_true(shows("All is well"));
    assert_true(shows("/00\\u001b[2J\\u202e"));
    assert_true(shows("/31\\u001b"));
    assert_true(shows("requests/s    1,23"));
    assert_true(shows("0.10 %"));
    assert_true(shows("100 us  12.3 ms  10.0 s"));
    assert_true(shows("3 of 8"));
    assert_true(shows("> 10 s"));
    assert_true(shows("10 s of it seen"));
    assert_true(shows("Chaos is on: 25.0 % delayed"));
    assert_true(shows("The breaker is open"));
    assert_true(shows("PIPELINE"));
    assert_true(shows("died"));
    /* What is not known is not invented. */
    overview.rate = overview.busy = overview.p50_s = overview.p95_s = overview.p99_s = NAN;
    overview.good_share = NAN;
    draw((struct top_picture_options){.width = 100});
    assert_true(shows("requests/s    -"));
    assert_true(shows("5xx           -"));
    assert_true(shows("-  -  -"));
    assert_true(shows("busy          -"));
}

/* Whatever it is: records of one signal are seen although of the others nothing is known. */
static void test_what_waits_is_that_of_all_signals(void **state)
{
    (void)state;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        fill();
        for (int k = 0; k < SPOOL_SIGNALS; k++)
            fill_line(&overview.signals[k].backlogs, k == i ? 1 : NAN);
        overview.signals[i].known = true;
        overview.signals[i].backlog = 30;
        overview.signals[i].oldest_s = 12;
        draw((struct top_picture_options){.width = 103});
        assert_true(shows("waits to send 30 records, 12 s"));
        for (size_t n = 0; n < picture.count; n++) {
            if (strncmp(picture.lines[n].text, "waits to send", 13) == 0)
                assert_int_equal(picture.lines[n].text[strlen(picture.lines[n].text) - 1], '#');
        }
    }
}

static const char *first_route(enum top_picture_sort sort)
{
    fill();
    draw((struct top_picture_options){.width = 100, .sort = sort});
    return overview.routes[0].path;
}

static void test_routes_are_sorted(void **state)
{
    (void)state;
    assert_memory_equal(first_route(TOP_PICTURE_BY_RATE), "/00", 3);
    assert_memory_equal(first_route(TOP_PICTURE_BY_SERVER_ERRORS), "/06", 3);
    assert_memory_equal(first_route(TOP_PICTURE_BY_P95), "/27", 3); /* 27 * 13 % 32 = 31 */
    assert_memory_equal(first_route(TOP_PICTURE_BY_PATH), "/00", 3);
}

static void test_a_small_screen_has_what_matters(void **state)
{
    (void)state;
    fill();
    draw((struct top_picture_options){.width = 40, .height = 10, .keys = true});
    assert_int_equal(picture.count, 10);
    assert_true(shows("All is well"));
    assert_true(shows("requests/s"));
    assert_true(shows("5xx"));
    assert_true(shows("q p s:requests"));
    fill();
    draw((struct top_picture_options){.width = 80, .height = 24, .keys = true});
    assert_int_equal(picture.count, 24);
    assert_true(shows("PIPELINE"));
    assert_true(shows("ROUTE"));
    fill();
    draw((struct top_picture_options){.width = 80, .height = 24, .keys = true, .help = true});
    assert_true(shows("pause the picture"));
}

static void test_figures(void **state)
{
    static const struct {
        double value;
        const char *number, *count;
    } numbers[] = {
        {0, "0", "0"},
        {0.031, "0.03", "0"},
        {12.34, "12.3", "12"},
        {123.4, "123", "123"},
        {1234, "1,234", "1,234"},
        {9999999, "9,999,999", "9,999,999"},
        {12345678, "12.3M", "12.3M"},
        {123456789012, "123G", "123G"},
    };
    char text[TOP_TEXT_MAX], spark[TOP_TEXT_SPARK_MAX];
    struct overview_line line;

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        top_text_number(text, numbers[i].value);
        assert_string_equal(text, numbers[i].number);
        top_text_count(text, numbers[i].value);
        assert_string_equal(text, numbers[i].count);
    }
    top_text_share(text, 0.0012);
    assert_string_equal(text, "0.12 %");
    top_text_bytes(text, 9.3 * 1024 * 1024);
    assert_string_equal(text, "9.3 MiB");
    top_text_seconds(text, INFINITY, false);
    assert_string_equal(text, "> 10 s");
    top_text_age(text, 12.9);
    assert_string_equal(text, "12 s");
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        line.points[i] = i < 30 ? NAN : (float)(i % 6);
    assert_int_equal(top_text_spark(spark, &line, 11, false), 10);
    assert_string_equal(spark, "     #####");
    assert_int_equal(top_text_spark(spark, &line, 9, false), 0);
    assert_int_equal(top_text_spark(spark, &line, 1000, true), OVERVIEW_POINTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_fits_every_screen),
        cmocka_unit_test(test_a_picture_without_end_has_all),
        cmocka_unit_test(test_what_waits_is_that_of_all_signals),
        cmocka_unit_test(test_routes_are_sorted),
        cmocka_unit_test(test_a_small_screen_has_what_matters),
        cmocka_unit_test(test_figures),
    };

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
