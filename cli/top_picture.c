#include "cli/top_picture.h"

#include "cli/columns.h"
#include "cli/top_table.h"
#include "cli/top_text.h"
#include "lib/base/clock.h"
#include "lib/control/breaker.h"
#include "view/waiting.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL = 14,
    VALUE = 28,
    VALUE_NARROW = 14,
    NARROW = 60,
    TEXT_MAX = TOP_PICTURE_LINE_MAX,
    RANGE_TOLERANCE_S = 70,   /* a point that has only begun, and a look that is to come */
    PROBLEMS_ON_A_SCREEN = 3, /* of the verdict; all where there is no end */
};

/* Draws one picture. */
struct pen {
    struct top_picture *picture;
    const struct top_picture_options *options;
    const struct overview *overview;
};

static void line(const struct pen *pen, enum top_picture_ink ink, const char *text)
{
    top_table_line(pen->picture, pen->options, ink, text);
}

/* Long text over as many lines as it takes, the further ones indented. */
static void paragraph(const struct pen *pen, enum top_picture_ink ink, const char *text)
{
    char broken[TEXT_MAX];
    unsigned indent = 0;

    while (*text != '\0') {
        const size_t length = columns_break(text, strlen(text), pen->options->width - indent);
        const size_t taken = length > 0 ? length : strlen(text);

        (void)snprintf(broken, sizeof broken, "%*s%.*s", (int)indent, "", (int)taken, text);
        line(pen, ink, broken);
        text += taken;
        text += strspn(text, " ");
        indent = 2;
    }
}

static void title(const struct pen *pen)
{
    const struct overview *const o = pen->overview;
    const unsigned minutes = o->range_s / 60;
    char text[TEXT_MAX], time[CLOCK_ISO8601_SIZE], known[64] = "";

    clock_iso8601(time, o->at_ns);
    if (o->known_s + RANGE_TOLERANCE_S < o->range_s)
        (void)snprintf(known, sizeof known, ", %u s of it seen", o->known_s);
    if (pen->options->width < NARROW)
        (void)snprintf(text, sizeof text, "%.8s %u min%s%s", time + 11, minutes,
                       pen->options->paused ? " PAUSED" : "", known);
    else
        (void)snprintf(text, sizeof text, "%sMicroTrace %s  %.8s UTC  last %u min%s",
                       pen->options->paused ? "PAUSED  " : "", pen->options->where, time + 11,
                       minutes, known);
    line(pen, pen->options->paused ? TOP_PICTURE_WARNING : TOP_PICTURE_FAINT, text);
}

static enum top_picture_ink ink_of(enum verdict_level level)
{
    return level == VERDICT_WELL      ? TOP_PICTURE_GOOD
           : level == VERDICT_WARNING ? TOP_PICTURE_WARNING
                                      : TOP_PICTURE_WRONG;
}

static bool ends_with_colon(const char *text)
{
    return text[0] != '\0' && text[strlen(text) - 1] == ':';
}

static void verdict_lines(const struct pen *pen, const struct verdict *verdict)
{
    const size_t most = pen->options->height > 0 ? PROBLEMS_ON_A_SCREEN : VERDICT_PROBLEMS_MAX;
    char text[2 * VERDICT_TEXT_MAX];

    paragraph(pen, ink_of(verdict->level), verdict->sentence);
    for (size_t i = 0; i < verdict->problem_count && i < most; i++) {
        const struct verdict_problem *const p = &verdict->problems[i];

        /* The sentence may be the first problem's own. */
        if (strcmp(p->text, verdict->sentence) != 0)
            (void)snprintf(text, sizeof text, "%s%s%s", p->text,
                           p->mend[0] != '\0' ? ends_with_colon(p->text) ? " " : ": " : "",
                           p->mend);
        else
            (void)snprintf(text, sizeof text, "%s%s", p->mend[0] != '\0' ? "This helps: " : "",
                           p->mend);
        paragraph(pen, ink_of(p->level), text);
    }
    if (verdict->problem_count > most) {
        (void)snprintf(text, sizeof text, "and %zu more: microtrace doctor",
                       verdict->problem_count - most);
        line(pen, TOP_PICTURE_WARNING, text);
    }
}

/* A label, a value and how it went. */
static void tile(const struct pen *pen, const char *label, const char *value,
                 const struct overview_line *points, enum top_picture_ink ink)
{
    const unsigned width = pen->options->width;
    const unsigned room = width < NARROW ? VALUE_NARROW : VALUE;
    char text[TEXT_MAX], spark[TOP_TEXT_SPARK_MAX] = "";
    const size_t columns = columns_of(value, strlen(value));
    const int blanks = columns < room ? (int)(room - columns) : 0;

    if (width > LABEL + room + 1)
        (void)top_text_spark(spark, points, width - LABEL - room - 1, pen->options->utf8);
    (void)snprintf(text, sizeof text, "%-*s%s%*s %s", LABEL, label, value, blanks, "", spark);
    line(pen, ink, text);
}

static void tiles(const struct pen *pen)
{
    const struct overview *const o = pen->overview;
    const bool utf8 = pen->options->utf8, narrow = pen->options->width < NARROW;
    char a[TOP_TEXT_MAX], b[TOP_TEXT_MAX], c[TOP_TEXT_MAX], value[4 * TOP_TEXT_MAX];
    const struct waiting waiting = waiting_of(o);

    top_text_number(a, o->rate);
    tile(pen, "requests/s", a, &o->rates, TOP_PICTURE_STRONG);
    top_text_share(a, 1 - o->good_share);
    tile(pen, "5xx", a, &o->server_error_shares,
         o->good_share < 1 ? TOP_PICTURE_WRONG : TOP_PICTURE_STRONG);
    top_text_seconds(a, o->p50_s, utf8);
    top_text_seconds(b, o->p95_s, utf8);
    top_text_seconds(c, o->p99_s, utf8);
    if (narrow)
        (void)snprintf(value, sizeof value, "%s", b);
    else
        (void)snprintf(value, sizeof value, "%s  %s  %s", a, b, c);
    tile(pen, narrow ? "p95" : "p50 p95 p99", value, &o->p95s, TOP_PICTURE_STRONG);
    top_text_count(a, o->busy);
    top_text_count(b, o->busy + o->idle);
    top_text_seconds(c, o->queue_p95_s, utf8);
    if (isnan(o->busy))
        (void)snprintf(value, sizeof value, "%s", a);
    else if (narrow || isnan(o->queue_p95_s))
        (void)snprintf(value, sizeof value, "%s of %s", a, b);
    else
        (void)snprintf(value, sizeof value, "%s of %s, queue %s", a, b, c);
    tile(pen, "busy", value, &o->busies, TOP_PICTURE_STRONG);
    top_text_count(a, o->died);
    tile(pen, "died", a, &o->deaths, o->died > 0 ? TOP_PICTURE_WRONG : TOP_PICTURE_STRONG);
    top_text_count(a, waiting.known ? waiting.records : (double)NAN);
    top_text_age(b, waiting.oldest_s);
    if (waiting.records > 0 && !narrow)
        (void)snprintf(value, sizeof value, "%s records, %s", a, b);
    else
        (void)snprintf(value, sizeof value, "%s", a);
    tile(pen, "waits to send", value, &waiting.line, TOP_PICTURE_STRONG);
}

static void faults(const struct pen *pen)
{
    const struct overview *const o = pen->overview;
    static const char *const states[] = {"closed", "open", "half-open"};
    char text[TEXT_MAX], a[TOP_TEXT_MAX], b[TOP_TEXT_MAX], c[TOP_TEXT_MAX], d[TOP_TEXT_MAX];

    static_assert(sizeof states / sizeof states[0] == BREAKER_STATES, "a word for each");
    top_text_count(d, o->chaos_injected);
    if (o->chaos_on || o->chaos_injected > 0) {
        top_text_share(a, o->chaos_probability);
        top_text_share(b, o->chaos_error_rate);
        top_text_share(c, o->chaos_abort_rate);
        if (o->chaos_on)
            (void)snprintf(text, sizeof text,
                           "Chaos is on: %s delayed, %s errors, %s aborts; %s injected", a, b, c,
                           d);
        else
            (void)snprintf(text, sizeof text, "Chaos is off; %s injected", d);
        line(pen, o->chaos_on ? TOP_PICTURE_WARNING : TOP_PICTURE_PLAIN, text);
    }
    if (o->breaker_used && o->breaker >= 0 && o->breaker < BREAKER_STATES) {
        top_text_count(a, o->calls);
        top_text_count(b, o->call_failures);
        (void)snprintf(text, sizeof text, "The breaker is %s; %s calls, %s failed",
                       states[o->breaker], a, b);
        line(pen, o->breaker != BREAKER_CLOSED ? TOP_PICTURE_WARNING : TOP_PICTURE_PLAIN, text);
    }
}

static double sort_value(const struct overview_route *route, enum top_picture_sort sort)
{
    switch (sort) {
    case TOP_PICTURE_BY_CLIENT_ERRORS:
        return route->client_errors;
    case TOP_PICTURE_BY_SERVER_ERRORS:
        return route->server_errors;
    case TOP_PICTURE_BY_P95:
        return isnan(route->p95_s) ? -1 : route->p95_s;
    case TOP_PICTURE_BY_RATE:
    case TOP_PICTURE_BY_PATH:
    case TOP_PICTURE_SORTS:
        break;
    }
    return route->rate;
}

static int by_value(const void *a, const void *b, void *context)
{
    const struct overview_route *const ra = a, *const rb = b;
    const enum top_picture_sort sort = *(const enum top_picture_sort *)context;
    const double va = sort_value(ra, sort), vb = sort_value(rb, sort);
    int order;

    if (sort != TOP_PICTURE_BY_PATH && (va < vb || va > vb))
        return va > vb ? -1 : 1;
    order = strcmp(ra->path, rb->path);
    return order != 0 ? order : strcmp(ra->method, rb->method);
}

/*
 * Shares out the lines that are left among the tables: each in turn gets a row more until all are
 * shown or nothing is left. One without rows, or without room for two lines, is left out.
 */
static void share_out(const struct overview *o, unsigned room, size_t rows[TOP_TABLES])
{
    static const enum top_table order[] = {TOP_TABLE_ROUTES,    TOP_TABLE_SIGNALS,
                                           TOP_TABLE_PROCESSES, TOP_TABLE_ERRORS,
                                           TOP_TABLE_PROGRAMS,  TOP_TABLE_DROPS};
    bool more = true;

    memset(rows, 0, TOP_TABLES * sizeof *rows);
    for (size_t i = 0; i < TOP_TABLES && room >= 2; i++) {
        if (top_table_rows(order[i], o) == 0)
            continue;
        rows[order[i]] = 1;
        room -= 2;
    }
    while (more && room > 0) {
        more = false;
        for (size_t i = 0; i < TOP_TABLES && room > 0; i++) {
            if (rows[order[i]] == 0 || rows[order[i]] == top_table_rows(order[i], o))
                continue;
            rows[order[i]]++;
            room--;
            more = true;
        }
    }
}

static void tables(const struct pen *pen)
{
    static const enum top_table order[] = {TOP_TABLE_ROUTES,   TOP_TABLE_ERRORS,
                                           TOP_TABLE_PROGRAMS, TOP_TABLE_PROCESSES,
                                           TOP_TABLE_SIGNALS,  TOP_TABLE_DROPS};
    const unsigned height = pen->options->height, used = (unsigned)pen->picture->count + 1;
    size_t rows[TOP_TABLES];

    share_out(pen->overview,
              height == 0     ? TOP_PICTURE_LINES_MAX
              : height > used ? height - used
                              : 0,
              rows);
    for (size_t i = 0; i < TOP_TABLES; i++) {
        if (rows[order[i]] > 0)
            top_table_add(pen->picture, pen->options, order[i], pen->overview, rows[order[i]]);
    }
}

static void keys(const struct pen *pen)
{
    static const char *const sorts[TOP_PICTURE_SORTS] = {"requests", "4xx", "5xx", "p95", "path"};
    char text[TEXT_MAX];

    if (pen->options->width < NARROW)
        (void)snprintf(text, sizeof text, "q p s:%s 1 2 3 ?", sorts[pen->options->sort]);
    else
        (void)snprintf(text, sizeof text, "q quit  p pause  s sort: %s  1 2 3: 5 15 60 min  ? help",
                       sorts[pen->options->sort]);
    line(pen, TOP_PICTURE_FAINT, text);
}

static void help(const struct pen *pen)
{
    static const char *const lines[] = {
        "q        quit",
        "p        pause the picture; what is counted meanwhile is not lost",
        "s        sort the routes: by requests, 4xx, 5xx, p95, path",
        "1 2 3    the last 5, 15 or 60 minutes",
        "?        this, and back",
        "",
        "Lines are of the chosen minutes, oldest first. The figures at their",
        "left are those of the last 15 seconds. What was before top started is",
        "not known: the agent's page has the last hour.",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        line(pen, TOP_PICTURE_PLAIN, lines[i]);
}

void top_picture_draw(struct top_picture *picture, const struct top_picture_options *options,
                      struct overview *overview, const struct verdict *verdict)
{
    const struct pen pen = {picture, options, overview};
    enum top_picture_sort sort = options->sort;
    const unsigned last = options->keys && options->height > 1 ? 1 : 0;

    picture->count = 0;
    qsort_r(overview->routes, overview->route_count, sizeof overview->routes[0], by_value, &sort);
    title(&pen);
    verdict_lines(&pen, verdict);
    if (options->help) {
        help(&pen);
    } else {
        tiles(&pen);
        faults(&pen);
        tables(&pen);
    }
    if (options->height > 0 && picture->count > options->height - last)
        picture->count = options->height - last;
    if (last > 0)
        keys(&pen);
}
